// SPDX-License-Identifier: MIT
#include "watch/sampler.h"

#include "arena/registry.h"
#include "os/random.h"
#include "watch/sampling.h"

#include <unistd.h>

namespace fastalloc
{

constinit Sampler sampler;

uint64_t Sampler::random()
{
    return mix(process_secret(Purpose::samples) + thrown_.fetch_add(1, std::memory_order_relaxed) * 0x9e3779b97f4a7c15);
}

void Sampler::begin(uint64_t interval)
{
    interval_.store(interval, std::memory_order_relaxed);
    generation_.fetch_add(1, std::memory_order_release); // takes() loads it (acquire) before the interval
}

void Sampler::after_fork_in_child()
{
    thrown_.fetch_add(static_cast<uint64_t>(getpid()) << 32, std::memory_order_relaxed);
    generation_.fetch_add(1, std::memory_order_relaxed);
}

bool Sampler::takes(uint64_t bytes)
{
    const uint64_t generation = generation_.load(std::memory_order_acquire);
    const uint64_t interval = interval_.load(std::memory_order_relaxed);
    Arena *const own = thread_words.self;
    if (own == nullptr)
        return sampling::fraction(random()) < sampling::probability(bytes, interval);
    if (own->to_next_sample.said_for != generation)
        own->to_next_sample = {.left_bytes = sampling::bytes_to_next(interval, random()), .said_for = generation};
    if (passes(own, bytes))
        return false;
    own->to_next_sample.left_bytes = sampling::bytes_to_next(interval, random());
    return true;
}

// A sample at the least interval lies on the block, so one at a longer interval does with the quotient of both
// probabilities.
SubscriberMask Sampler::choose(const Subscribers &subscribers, uint64_t bytes)
{
    unsigned chosen = 0;
    for (unsigned rest = subscribers.on_samples; rest != 0; rest &= rest - 1)
    {
        const uint64_t interval = subscribers.slots[__builtin_ctz(rest)].hooks.sample_interval;
        const double of_all = sampling::probability(bytes, subscribers.interval);
        if (interval == subscribers.interval ||
            sampling::fraction(random()) * of_all < sampling::probability(bytes, interval))
            chosen |= rest & -rest;
    }
    return static_cast<SubscriberMask>(chosen);
}

Allocation Sampler::allocate(Node place, SizeClass size_class)
{
    Arena *arena = arenas_[place].load(std::memory_order_acquire);
    if (arena == nullptr)
    {
        Arena *const made = registry.new_arena_for_samples(place);
        if (made == nullptr)
            return {nullptr, false};
        // Of two that are made at once one stays unused.
        arena = arenas_[place].compare_exchange_strong(arena, made, std::memory_order_acq_rel) ? made : arena;
    }
    return arena->allocate_locked(size_class);
}

bool Sampler::remember(const Sample &sample)
{
    Guard guard(samples_lock);
    if (!guard || !samples_.make_room(count_.load(std::memory_order_relaxed) + 1))
        return false;
    samples_.insert(sample);
    count_.store(count_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    return true;
}

Sample Sampler::take(const void *block)
{
    if (count_.load(std::memory_order_relaxed) == 0)
        return {};
    Guard guard(samples_lock);
    Sample *const found = guard ? samples_.find(reinterpret_cast<uintptr_t>(block)) : nullptr;
    if (found == nullptr)
        return {};
    const Sample sample = *found;
    samples_.erase(found);
    count_.store(count_.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
    return sample;
}

// Of all: from now on frees are not looked up any more, so nobody would take the entries out.
void Sampler::forget(SubscriberMask subscribers)
{
    Guard guard(samples_lock);
    if (!guard)
        return;
    if (subscribers != every_subscriber)
        return samples_.for_each([&](Sample &sample) {
            sample.subscribers = static_cast<SubscriberMask>(sample.subscribers & ~subscribers);
        });
    samples_.clear();
    count_.store(0, std::memory_order_relaxed);
}

} // namespace fastalloc
