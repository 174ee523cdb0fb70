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

// Reserves `bytes` at `hint`, or elsewhere if that is taken. Null if the kernel refuses (address space
// limit, too small an address space, Valgrind).
void *reserve(uintptr_t hint, size_t bytes);

// Commits part of a reservation. False if memory or the limit on it is exhausted.
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

// Gives the memory behind committed pages back at once. False if it cannot be given back (locked pages).
bool discard(uintptr_t address, size_t bytes);

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

// Whether address space is limited (RLIMIT_AS): then reserving it would use up what the program may map.
bool address_space_is_limited();

} // namespace fastalloc::pages
