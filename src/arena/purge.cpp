// SPDX-License-Identifier: MIT
#include "arena/purge.h"

#include "arena/registry.h"
#include "base/probes.h"
#include "fastalloc.h"
#include "heap/memory_events.h"
#include "heap/outside.h"
#include "os/cgroup.h"

#include <cstring>

namespace fastalloc
{

constinit std::atomic<uint64_t> purge_count{0};

namespace
{

// What programs hold, without a lock: what arenas have told, less what bins may hold.
uint64_t live_bytes_about()
{
    uint64_t bytes = outside.bytes();
    for_each_node_heap([&](const NodeHeap &heap) { bytes += heap.live_bytes(); });
    return bytes;
}

// Chunks that let_time_pass() puts onto huge pages: copying as many takes some milliseconds.
constexpr unsigned promoted_per_period = 16;

constinit std::atomic<const fastalloc_observer *> observer{nullptr};
constinit std::atomic<uintptr_t> teller{0}; // the thread that tells memory events just now, by its identity

// The observer as this version knows it: functions of later versions than its own are null.
fastalloc_observer known_observer()
{
    fastalloc_observer known = {};
    if (const fastalloc_observer *const who = observer.load(std::memory_order_acquire))
        memcpy(&known, who, who->size < sizeof known ? who->size : sizeof known);
    return known;
}

void tell(const fastalloc_observer &who, const MemoryEvent &event)
{
    auto *const address = reinterpret_cast<void *>(event.address);
    switch (event.kind)
    {
    case MemoryEvent::Kind::taken:
        if (who.memory_taken != nullptr)
            who.memory_taken(who.context, address, event.bytes, event.place != unplaced ? event.place : -1);
        break;
    case MemoryEvent::Kind::returned:
        if (who.memory_returned != nullptr)
            who.memory_returned(who.context, address, event.bytes);
        break;
    case MemoryEvent::Kind::purged:
        if (who.purged != nullptr)
            who.purged(who.context, event.bytes);
        break;
    case MemoryEvent::Kind::refused:
        if (who.hard_limit_refused != nullptr)
            who.hard_limit_refused(who.context, event.bytes);
        break;
    }
}

uint64_t returned_so_far()
{
    uint64_t bytes = 0;
    for_each_node_heap([&](NodeHeap &heap) {
        Guard guard(heap.lock, may_wait_for_heap);
        bytes += guard ? heap.returned_bytes() : 0;
    });
    return bytes;
}

} // namespace

uint64_t purge(uint64_t pad)
{
    purge_count.fetch_add(1, std::memory_order_relaxed);
    const uint64_t before = returned_so_far();
    registry.ask_all_to_flush();
    if (Arena *const self = thread_words.self)
        self->flush();
    for_each_node_heap([&](NodeHeap &heap) { heap.return_free(pad); });
    registry.tidy(pad);
    for_each_node_heap([&](NodeHeap &heap) {
        heap.return_free(pad);
        heap.split_broken();
    });
    const uint64_t returned = returned_so_far() - before;
    FASTALLOC_PROBE1(purge, returned);
    memory_events.post(MemoryEvent::Kind::purged, 0, returned, unplaced);
    tell_memory_events();
    return returned;
}

void let_time_pass()
{
    registry.for_each_arena([](Arena &arena) { arena.drain(); });
    for_each_node_heap([](NodeHeap &heap) {
        const uint64_t keep = heap.tick();
        if (heap.idle_bytes() > keep)
            give_back(heap, keep, keep, nullptr);
        heap.split_broken();
        for (unsigned chunks = 0; chunks < promoted_per_period && heap.promote(); ++chunks)
            ;
    });
    tell_memory_events();
}

void observe(const fastalloc_observer *who)
{
    observer.store(who, std::memory_order_release);
    const fastalloc_observer known = known_observer();
    const bool wanted = known.memory_taken != nullptr || known.memory_returned != nullptr || known.purged != nullptr ||
                        known.hard_limit_refused != nullptr;
    memory_events.set_wanted(wanted ? MemoryEvents::Wanted::yes : MemoryEvents::Wanted::no);
}

// One thread at a time, so that they are told in their order; also no thread within a callback.
void tell_memory_events()
{
    do
    {
        uintptr_t nobody = 0;
        MemoryEvent event;
        if (!teller.compare_exchange_strong(nobody, thread_identity()))
            return; // who tells looks again when he has done
        while (memory_events.take(&event))
            tell(known_observer(), event);
        teller.store(0);
    } while (!memory_events.is_empty());
}

void forget_who_was_telling()
{
    if (teller.load(std::memory_order_relaxed) != thread_identity())
        teller.store(0, std::memory_order_relaxed);
}

void heed_limits()
{
    const Limits::News news = limits.take_news();
    if (news.peaked)
        limits.tell_live(live_bytes_about());
    if (news.grown)
        limits.set_group_limit(cgroup::memory_limit());
    if (news.memory_events)
        tell_memory_events();
    if (!news.above_soft)
        return;
    purge(0);
    const uint64_t held = limits.held();
    const uint64_t limit = options().soft_limit;
    if (held <= limit)
        return limits.forget_soft_limit_was_passed();
    FASTALLOC_PROBE2(soft_limit, held, limit);
    const fastalloc_observer who = known_observer();
    if (who.soft_limit_passed != nullptr)
        who.soft_limit_passed(who.context, held, limit);
}

} // namespace fastalloc
