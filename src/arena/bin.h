// SPDX-License-Identifier: MIT
//
// Bin: a thread's stack of free blocks of one kind, and the part of it that only slow paths read.
//
// The hot part is 16 bytes: the block freed last (linked to the next, heap/link.h) and how many more may be pushed. A bin holds
// limit - room blocks. It has a budget, not a size: its limit is charged to its arena (arena/budget.h) and follows use.
//
// Invariant: head is null exactly if room == limit. A bin of limit 0 keeps nothing: both of malloc's and free's fast ways
// fall out of it. Push writes the block's link before the head, so a bin cut off at any instruction by a fork is a
// valid list.
//
// Owner: the thread of the arena, without a lock; limit and BinBack under the arena's lock.
#pragma once

#include "heap/link.h"
#include "heap/span.h"

namespace fastalloc
{

struct Bin
{
    void* head;
    std::atomic<uint32_t> room; // written by the owner; statistics of others read it, relaxed
    uint32_t limit;             // blocks

    FASTALLOC_INLINE void* pop()
    {
        void* block = head;
        head = next_of(block);
        room.store(room.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
        return block;
    }

    // Requires: room is not 0.
    FASTALLOC_INLINE void push(void* block, uint32_t room_now)
    {
        set_next(block, head);
        head = block;
        room.store(room_now - 1, std::memory_order_relaxed);
    }

    uint32_t count() const
    {
        return limit - room.load(std::memory_order_relaxed);
    }
};

static_assert(sizeof(Bin) == 16);

// What the slow paths know of a bin. All zero means: no spans, nothing seen.
struct BinBack
{
    SliceIndex partial_plus_one; // first of the spans with room, linked through their records
    uint32_t seen_room;          // at the last look for unused bins, arena/budget.cpp
    void* seen_head;
};

} // namespace fastalloc
