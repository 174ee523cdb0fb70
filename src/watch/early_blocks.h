// SPDX-License-Identifier: MIT
//
// EarlyBlocks: the blocks that were there before the program began, which libraries took for as long as the process
// lives: their addresses, in memory of their own.
//
// A block that comes to lie where one of these was freed is taken for it.
//
// Owner: nobody; noted once, when the process starts, then read by any thread.
#pragma once

#include <cstddef>

namespace fastalloc
{

class EarlyBlocks
{
public:
    // All that are live now, none if there is no memory. Requires: called once, by the one thread there is.
    void note();

    bool contains(const void *block) const;

    // What the list is mapped in; all of it has memory.
    size_t mapped_bytes() const
    {
        return mapped_bytes_;
    }

private:
    friend struct LayoutMaker; // heap/layout.h
    const void **blocks_ = nullptr;
    size_t sorted_ = 0; // of them, those in the window, which come first
    size_t count_ = 0;
    size_t mapped_bytes_ = 0;
};

extern EarlyBlocks early_blocks;

} // namespace fastalloc
