// SPDX-License-Identifier: MIT
//
// LiveBlocks: which blocks of the window the program holds, a bit per 8 bytes, set where a live block begins.
//
//     allocate: add      was the bit set already, a free block has been handed out twice
//     free:     remove   was it not set, this is no block, or was freed before
//
// A bit changes by one atomic operation, so of two threads that free one block exactly one is told that it was live.
// The bits of a region, 16 MiB of which only what is used is resident, are mapped when its first block comes. Only with
// check=on; blocks outside the window are known to their registry.
//
// Owner: nobody; any thread, no lock, also in signal handlers and across fork.
#pragma once

#include "watch/window_table.h"

#include <atomic>
#include <cstdint>

namespace fastalloc
{

class LiveBlocks
{
public:
    enum class Added
    {
        yes,
        was_live,
        no_memory,
    };

    // All require that the block is in the window.
    Added add(const void *block);
    bool remove(const void *block); // whether it was live
    bool contains(const void *block) const;

    // What the bits are mapped in, and what has memory of that. Requires nothing.
    uint64_t mapped_bytes() const;
    uint64_t resident_bytes() const;

private:
    friend struct LayoutMaker; // heap/layout.h
    static constexpr size_t region_table_bytes = region_bytes / 64;

    WindowTable<region_table_bytes> bits_;
};

extern LiveBlocks live_blocks;

} // namespace fastalloc
