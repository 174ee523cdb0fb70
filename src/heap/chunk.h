// SPDX-License-Identifier: MIT
//
// Chunk and Region: the records a node heap keeps of its part of the window.
//
// A chunk is 2 MiB. Its life:
//
//     Unused --commit--> Free <--take / give--> Open (some slice of it is in a span or run)
//                          |
//                          '--> Leaving (its memory is being given back, lock released) --> Free
//
// `free` has a bit per slice no span has; `written` a bit per slice that may hold memory that is not zero. A Free chunk
// with any `written` bit is *slack*. A region is 512 chunks; chunks that use small pages are committed from its low end
// upwards, those that ask for huge pages from its high end downwards, so that advice does not split mappings: its *home*
// kind. A huge chunk of which a part was given back is *broken*: it uses small pages where it lies, for the kernel would
// fill it up again. The system gets the memory of the parts when it splits the huge page. A chunk of small pages that is
// full, and of which every page was handed out, becomes huge where it lies. A chunk that was given back as a whole is of its
// home kind again.
//
// Owner: the lock of the node heap that has the region.
#pragma once

#include "base/config.h"
#include "base/index_list.h"
#include "heap/span_pages.h"
#include "os/topology.h"

#include <atomic>
#include <cstdint>

namespace fastalloc
{

enum class ChunkState : uint8_t
{
    unused,
    free,
    open,
    leaving,
    taken, // somebody else's mapping lies there (window only aimed at)
};

enum class PageKind : uint8_t
{
    small,
    huge,
};
constexpr unsigned page_kinds = 2;

// A chunk by its number from the window's base.
using ChunkIndex = uint32_t;
constexpr ChunkIndex no_chunk = no_index;

struct Chunk
{
    uint32_t free;    // slices no span has, a bit each
    uint32_t written; // slices that may hold something, a bit each
    uint32_t intact;  // free slices that were small spans and are as their records and lists of blocks say, a bit each
    std::atomic<uint32_t> filled; // slices of which every page was handed out and none has gone back, a bit each; by
                                  // arenas, too, so relaxed: a hint
    uint16_t charged; // pages that were given back out of a huge page that may still be one: see ChunkSpace::split
    ChunkState state;
    PageKind pages;
    bool pooled; // from the pool of hugetlbfs: goes back as a whole only
    bool broken;
    bool dense;         // was full and filled at the last look at it, and nothing of it was given back since
    uint8_t free_count; // bits in `free`
    uint8_t bucket;     // the packing list it is in: free_count when it was put there
    ChunkIndex next;    // neighbours in that list
    ChunkIndex previous;
    struct
    {
        bool queued;     // among the open chunks with idle slices
        ChunkIndex next; // neighbours there
        ChunkIndex previous;
    } idle;
};

constexpr uint32_t whole_chunk = ~uint32_t{0};
constexpr unsigned region_words = chunks_per_region / 64;

struct Region
{
    Node place; // whose node heap has it
    uint16_t number;
    uint16_t low_end;                        // chunks [0, low_end) are committed with small pages
    uint16_t high_begin;                     // chunks [high_begin, 512) are committed with huge pages
    uint16_t free_count[page_kinds];         // bits in `free`
    uint16_t slack;                          // Free chunks with a written slice
    uint64_t free[page_kinds][region_words]; // a bit per Free chunk
    Chunk chunks[chunks_per_region];
    SpanPages pages[slices_per_region]; // of the span that begins with a slice
};

} // namespace fastalloc
