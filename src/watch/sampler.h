// SPDX-License-Identifier: MIT
//
// Sampler: which blocks are sampled, and which live blocks were.
//
// An attached thread counts down the bytes to the next sample (Arena::to_next_sample): its process, those of other threads
// are independent of it, and together they are one. Without an arena the dice are thrown for each block. A sampled block of a class comes from
// an arena of the sampler's, which is nobody's own, so its free falls out of the fast path and is looked up; so is every
// free of a block that is nobody's.
//
// Owner: a thread's countdowns are its own; the table of samples is under samples_lock (arena/registry.h).
#pragma once

#include "arena/registry.h"
#include "os/address_table.h"
#include "watch/hooks.h"

namespace fastalloc
{

struct Sample
{
    uintptr_t address; // 0: none
    size_t asked;
    SubscriberMask subscribers;
};

class Sampler
{
public:
    // One in `interval` bytes from now on.
    void begin(uint64_t interval);

    // A child throws dice of its own.
    void after_fork_in_child();

    // Whether no sample lies on the next `bytes` that the thread of `own` is given: then they are counted. False also for
    // who does not know: takes() does.
    FASTALLOC_INLINE bool passes(Arena *own, uint64_t bytes) const
    {
        Countdown &to_next = own->to_next_sample;
        if (to_next.said_for != generation_.load(std::memory_order_acquire) || to_next.left_bytes < bytes)
            return false;
        to_next.left_bytes -= bytes;
        return true;
    }

    // Whether the next block of the calling thread, of so many bytes, is sampled.
    bool takes(uint64_t bytes);

    // Of those who want samples, who gets this one.
    SubscriberMask choose(const Subscribers &subscribers, uint64_t bytes);

    // A block of a class for a sample. Null: memory is refused.
    Allocation allocate(Node place, SizeClass size_class);

    // Whether a block with this record, null outside the window, may be a sample.
    static bool may_be_sample(const Span *record)
    {
        const Arena *const owner = record != nullptr ? record->owner.load() : nullptr;
        return owner == nullptr || owner->has_samples;
    }

    // The block is a sample from now on. False if there is no memory to remember it.
    bool remember(const Sample &sample);

    // It is not any more: what it was, of address 0 if it was none.
    Sample take(const void *block);

    // Subscribers have gone.
    void forget(SubscriberMask subscribers);

    // What the table of samples is mapped in, and what has memory of that. Require: the lock.
    uint64_t mapped_bytes() const
    {
        return samples_.mapped_bytes();
    }

    uint64_t resident_bytes() const
    {
        return samples_.resident_bytes();
    }

private:
    friend struct LayoutMaker; // heap/layout.h
    uint64_t random();

    std::atomic<uint64_t> interval_{1};
    std::atomic<uint64_t> generation_{0}; // of intervals; countdowns remember theirs
    std::atomic<uint64_t> thrown_{0};     // random numbers
    std::atomic<uint64_t> count_{0};      // of samples; written under the lock
    std::atomic<Arena *> arenas_[place_limit] = {};
    AddressTable<Sample> samples_;
};

extern Sampler sampler;

} // namespace fastalloc
