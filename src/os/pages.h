// SPDX-License-Identifier: MIT
//
// Address space and pages: everything the allocator asks of the kernel's memory, on one screen.
//
// Addresses and lengths are multiples of page_bytes() unless said otherwise. A function that can fail
// returns false or null, leaves the range as it was and keeps errno. No state but the page size, read
// once; any thread may call anything.
//
// The words: *reserved* is address space nobody can read or write, *committed* is writable, *resident* has
// memory behind it. Committed memory is zero until it is written and zero again after discard().
#pragma once

#include <cstddef>
#include <cstdint>

namespace fastalloc::pages
{

// The system's page size: 4 to 64 KiB, read at run time.
size_t page_bytes();

// For tests: pretend another page size (a multiple of the real one), 0 to go back to the real one.
void set_page_bytes_for_tests(size_t bytes);

// Reserves `bytes` at `hint`, or elsewhere if that is taken: left out of core dumps, and named "fastalloc" where the
// kernel has names. Null if the kernel refuses (address space limit, too small an address space, Valgrind).
void *reserve(uintptr_t hint, size_t bytes);

// Commits part of a reservation, which core dumps have from then on. False if memory or the limit on it is exhausted.
bool commit(uintptr_t address, size_t bytes);

// Commits `bytes` exactly at `address` where nothing is reserved. Taken if any of it is somebody else's.
enum class Aimed
{
    committed,
    refused,
    taken,
};
Aimed commit_aimed(uintptr_t address, size_t bytes);

// A mapping of its own, committed, at a multiple of `alignment` (a power of two). Null if refused.
void *map(size_t bytes, size_t alignment);

// Gives up address space altogether; where the kernel refuses, at least the memory behind it.
void unmap(void *address, size_t bytes);

// Gives the memory behind committed pages back at once. False if it cannot be given back (locked pages): then a part of
// it may be gone.
bool discard(uintptr_t address, size_t bytes);

// The number of pages in the range that have memory behind them.
size_t resident_pages(uintptr_t address, size_t bytes);

// Of a huge page a part of which was discarded the system gets nothing until the page is split, which it does when it
// needs memory. This asks for it now, for the huge pages in the range. A hint: failure is ignored.
void split(uintptr_t address, size_t bytes);

// Grows or shrinks a mapping of its own without moving it. False if refused: nothing changed.
bool resize(void *address, size_t old_bytes, size_t new_bytes);

// Moves a mapping of its own onto [to, to + new_bytes), a mapping that is replaced. False if refused: nothing changed.
bool move(void *address, size_t old_bytes, void *to, size_t new_bytes);

// Moves the pages of [from, from + bytes) onto [to, to + bytes), a mapping that is replaced, and leaves the old range
// committed and empty. False where the kernel cannot (before 5.7): nothing changed.
bool carry_out(uintptr_t from, size_t bytes, void *to);

// Whether the range asks for huge pages. A hint: failure is ignored.
void advise_huge(uintptr_t address, size_t bytes);
void advise_small(uintptr_t address, size_t bytes);

// Puts the pool of huge pages that the administrator has set aside (hugetlbfs) behind a committed range that holds nothing;
// back to usual memory, empty. False if the pool or the kernel refuses: nothing changed. Memory from the pool goes back as
// a whole only. Requires: multiples of chunk_bytes.
bool take_from_pool(uintptr_t address, size_t bytes);
bool leave_pool(uintptr_t address, size_t bytes);

// Puts the pages of the range onto huge ones now, where the system has them: it may take as long as copying them. A hint:
// failure is ignored.
void make_huge(uintptr_t address, size_t bytes);

// Whether the system's administrator wants no huge pages at all; asked of the system at each call.
bool huge_pages_are_forbidden();

// Whether address space is limited (RLIMIT_AS): then reserving it would use up what the program may map.
bool address_space_is_limited();

} // namespace fastalloc::pages
