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
// upwards, those that ask for huge pages from its high end downwards, so that advice does not split mappings.
//
// Owner: the lock of the node heap that has the region.
#pragma once

#include "base/config.h"
#include "base/index_list.h"
#include "os/topology.h"

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
    ChunkState state;
    PageKind pages;
    uint8_t free_count; // bits in `free`
    uint8_t bucket;     // the packing list it is in: free_count when it was put there
    ChunkIndex next;    // neighbours in that list
    ChunkIndex previous;
};

constexpr uint32_t whole_chunk = ~uint32_t{0};
constexpr unsigned region_words = chunks_per_region / 64;

struct Region
{
    Node node;
    uint16_t number;
    uint16_t low_end;                        // chunks [0, low_end) are committed with small pages
    uint16_t high_begin;                     // chunks [high_begin, 512) are committed with huge pages
    uint16_t free_count[page_kinds];         // bits in `free`
    uint16_t slack;                          // Free chunks with a written slice
    uint64_t free[page_kinds][region_words]; // a bit per Free chunk
    Chunk chunks[chunks_per_region];
};

} // namespace fastalloc
