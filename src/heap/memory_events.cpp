// SPDX-License-Identifier: MIT
#include "heap/memory_events.h"

#include "base/probes.h"
#include "heap/limits.h"

namespace fastalloc
{

constinit MemoryEvents memory_events;

void MemoryEvents::set_wanted(Wanted wanted)
{
    Guard guard(lock);
    const bool was_wanted = wanted_.exchange(wanted == Wanted::yes, std::memory_order_relaxed);
    if ((wanted == Wanted::yes && was_wanted) || !guard)
        return;
    first_ = end_; // also what came when it was about to be unwanted
    for (std::atomic<uint64_t> &bytes : unplaced_bytes_)
        bytes.store(0, std::memory_order_relaxed);
}

void MemoryEvents::put(const MemoryEvent &event)
{
    Guard guard(lock);
    if (guard && end_ - first_ < capacity)
        queue_[end_++ % capacity] = event;
    else
        unplaced_bytes_[static_cast<unsigned>(event.kind)].fetch_add(event.bytes, std::memory_order_relaxed);
    limits.add_news(Limits::events_wait);
}

void tell_taken(uintptr_t address, uint64_t bytes, Node place)
{
    if (bytes == 0)
        return;
    FASTALLOC_PROBE3(memory_taken, address, bytes, place);
    memory_events.post(MemoryEvent::Kind::taken, address, bytes, place);
}

void tell_returned(uintptr_t address, uint64_t bytes, Node place)
{
    if (bytes == 0)
        return;
    FASTALLOC_PROBE3(memory_returned, address, bytes, place);
    memory_events.post(MemoryEvent::Kind::returned, address, bytes, place);
}

bool MemoryEvents::take(MemoryEvent *event)
{
    Guard guard(lock);
    if (!guard)
        return false;
    if (first_ != end_)
    {
        *event = queue_[first_++ % capacity];
        return true;
    }
    for (unsigned kind = 0; kind < kinds; ++kind)
    {
        const uint64_t bytes = unplaced_bytes_[kind].exchange(0, std::memory_order_relaxed);
        if (bytes == 0)
            continue;
        *event = {static_cast<MemoryEvent::Kind>(kind), unplaced, 0, bytes};
        return true;
    }
    return false;
}

bool MemoryEvents::is_empty()
{
    const Guard guard(lock);
    return !guard || first_ == end_;
}

} // namespace fastalloc
