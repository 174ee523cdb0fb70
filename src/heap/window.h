// SPDX-License-Identifier: MIT
//
// Window: the one range of addresses that holds every block of up to 32 MiB, and the side table.
//
//            chunk records   slice records | regions of 1 GiB, given to nodes in order
//     ... <---- r1 -- r0 ] ... <-- r1 -- r0 | r0 --> r1 --> ...
//                                           base            limit = base + regions given x 1 GiB
//
// The side table grows down from the base, so a slice's record is found from the base alone: record n lies n records
// below the base. (Record 0 is what lies at the base itself: the first chunk is never given out, and its first page is
// all zeros.) An address is *in the window* if it lies between base and limit; all records below limit are mapped,
// so looking up any stray pointer is safe.
//
// The window is reserved whole where the kernel allows it; otherwise (RLIMIT_AS, small address spaces, Valgrind) it is
// only *aimed at*: every piece is mapped when it is needed, and a piece somebody else has taken is skipped.
//
// Owner: the window's lock guards giving regions. Base and limit are read without it: base is set before any block
// exists; limit only grows, and whoever holds a pointer into a region got it from a thread that saw the region given.
#pragma once

#include "base/bits.h"
#include "base/config.h"
#include "base/hints.h"
#include "base/word.h"
#include "heap/span.h"
#include "os/lock.h"
#include "os/pages.h"
#include "os/topology.h"

#include <atomic>

namespace fastalloc
{

struct Chunk;  // heap/chunk.h
struct Region; // heap/chunk.h

// What free needs, on one cache line that is written once per region.
struct WindowBounds
{
    uintptr_t base;              // 0 before it is placed
    Word<uintptr_t> limit_bytes; // published by give_region, observed by regions(); got by the fast path, see above
    uint64_t link_secret;        // heap/link.h
};
extern WindowBounds window_bounds;

// Whether `address` lies below the last region given. An address below the base wraps around to a huge offset.
FASTALLOC_INLINE bool in_window(uintptr_t address)
{
    return address - window_bounds.base < window_bounds.limit_bytes.load();
}

// The record for a byte `offset` above `base`, the window's.
FASTALLOC_INLINE Span *span_at_offset(uintptr_t base, uintptr_t offset)
{
    return reinterpret_cast<Span *>(base - ((offset >> (slice_shift - record_shift)) & ~(sizeof(Span) - 1)));
}

// Requires: in_window(address).
FASTALLOC_INLINE Span *span_of(uintptr_t address)
{
    return span_at_offset(window_bounds.base, address - window_bounds.base);
}

FASTALLOC_INLINE SliceIndex slice_of(const Span *span)
{
    return static_cast<SliceIndex>(reinterpret_cast<const Span *>(window_bounds.base) - span);
}

FASTALLOC_INLINE Span *span_at(SliceIndex slice)
{
    return reinterpret_cast<Span *>(window_bounds.base) - slice;
}

FASTALLOC_INLINE uintptr_t address_of_slice(SliceIndex slice)
{
    return window_bounds.base + (uintptr_t{slice} << slice_shift);
}

FASTALLOC_INLINE uintptr_t address_of(const Span *span)
{
    return address_of_slice(slice_of(span));
}

// The record for any pointer, null outside the window.
inline Span *record_of(const void *block)
{
    const auto address = reinterpret_cast<uintptr_t>(block);
    return in_window(address) ? span_of(address) : nullptr;
}

// The head of the span whose record this is. Requires: not a free slice.
FASTALLOC_INLINE Span *head_of(Span *span)
{
    return span + span->back; // records run downwards: an earlier slice has a later record
}

// Whether a block of this span begins there, its last partial one excepted. Requires: the span has an owner.
inline bool block_begins(Span *record, const void *block)
{
    const Span *const head = head_of(record);
    const uintptr_t offset = reinterpret_cast<uintptr_t>(block) - address_of(head);
    const uint32_t number = block_number(head->size_class, offset);
    return number < head->capacity && number * class_bytes(head->size_class) == offset;
}

class Window
{
public:
    static constexpr size_t chunk_table_bytes = mebibyte; // of one region, a multiple of any page size

    // Places the window, unless it is placed already: at the start of a process that is on this malloc, for in main a
    // filter may be laid that does not know the call that names memory. Otherwise the first region's giver does it.
    void place_once();

    // A region for the node heap of the place `wanted`: its records mapped, its addresses reserved or aimed at. Its number, or -1 if
    // the window is full or memory for the records is refused.
    int give_region(Node wanted);

    // Commits part of a given region or of the tables. Taken is possible only where the window is aimed at.
    pages::Aimed commit(uintptr_t address, size_t bytes);

    unsigned regions() const
    {
        return static_cast<unsigned>(window_bounds.limit_bytes.observe() >> region_shift);
    }

    // Requires: number < regions().
    Region *region(unsigned number) const;

    uintptr_t region_address(unsigned number) const
    {
        return window_bounds.base + (uintptr_t{number} << region_shift);
    }

    size_t bytes() const
    {
        return bytes_;
    }

    bool is_reserved() const
    {
        return reserved_;
    }

    // Bytes of side tables committed so far, with the page of record 0; those of them that have memory.
    size_t table_bytes() const;
    size_t resident_table_bytes() const;

    // For tests: the largest address space to try, before the first region is given.
    void set_largest_for_tests(size_t bytes)
    {
        largest_ = bytes;
    }

    Lock lock;

private:
    friend struct LayoutMaker; // heap/layout.h
    bool place();
    bool reserve_at(uintptr_t base, size_t bytes);
    bool tables_are_huge(unsigned number) const;
    bool commit_tables(unsigned number);
    unsigned committed_tables() const;

    size_t bytes_ = 0;
    size_t largest_ = 0;
    uintptr_t chunk_tables_ = 0; // end of region 0's chunk records; they grow down too
    bool reserved_ = false;
};

extern Window window;

} // namespace fastalloc
