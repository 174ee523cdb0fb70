// SPDX-License-Identifier: MIT
//
// Bin: a thread's free blocks of one kind, in two stacks: the active one, which malloc and free use, and a spare one.
//
//     free --push--> [ active ] --full: becomes the spare--> [ spare ] --there is one already--> back to the spans
//     malloc <--pop-- [ active ] <--empty: the spare becomes active-- [ spare ]
//
// Whole stacks change places, which needs no lock, so nothing is walked before it leaves the bin, and a program that
// allocates and frees around the point where a stack is full or empty pays little for it.
//
// The hot part is 16 bytes: the block freed last (linked to the next, heap/link.h) and how many more may be pushed. A
// bin has a budget, not a size: it may hold 2 x limit blocks, is charged for them (arena/budget.h), and its limit
// follows use.
//
// Invariant: the active stack holds limit - room blocks; head is null exactly if room == limit. A bin of limit 0 keeps
// nothing: both of malloc's and free's fast ways fall out of it. Push writes the block's link before the head, so a
// stack cut off at any instruction by a fork is a valid list; a fork that cuts off stacks changing places leaves both
// names for one stack.
//
// Owner: the attached thread, without a lock, of both stacks; limit and the rest of BinBack under the arena's lock.
#pragma once

#include "heap/link.h"
#include "heap/span.h"

namespace fastalloc
{

struct Bin
{
    void *head;
    Word<uint32_t> room; // the owner's; statistics of other threads look at it
    uint32_t limit;      // blocks in a stack

    // Requires: head is not null; `secret` is the links'.
    FASTALLOC_INLINE void *pop(uint64_t secret)
    {
        void *block = head;
        head = next_of(block, secret);
        room.add(1);
        return block;
    }

    // False if there is no room.
    FASTALLOC_INLINE bool push(void *block, uint64_t secret)
    {
        uint32_t left;
        if (FASTALLOC_UNLIKELY(__builtin_sub_overflow(room.get(), 1u, &left)))
            return false;
        set_next(block, head, secret);
        // No instruction, but an order: a fork may cut this thread off between any two.
        std::atomic_signal_fence(std::memory_order_release);
        head = block;
        room.set(left);
        return true;
    }

    // Of the active stack.
    uint32_t count() const
    {
        return limit - room.load();
    }
};

static_assert(sizeof(Bin) == bin_bytes);

// What the slow paths know of a bin. All zero means: no spans, nothing seen.
struct BinBack
{
    SliceIndex partial_plus_one; // first of the spans with room, linked through their records
    uint32_t seen_room;          // at the last look for unused bins, arena/budget.cpp
    void *seen_head;
    void *spare;                       // linked, null if there is none
    std::atomic<uint32_t> spare_count; // as Bin::room
};

} // namespace fastalloc
