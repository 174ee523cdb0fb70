// SPDX-License-Identifier: MIT
#include "arena/purge.h"

#include "arena/registry.h"
#include "fastalloc.h"
#include "heap/outside.h"
#include "os/cgroup.h"

namespace fastalloc
{

constinit std::atomic<const fastalloc_observer *> observer{nullptr};
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
    return returned_so_far() - before;
}

void let_time_pass()
{
    for (Arena *arena = registry.first(); arena != nullptr; arena = arena->next_arena.load(std::memory_order_acquire))
        arena->drain();
    for_each_node_heap([](NodeHeap &heap) {
        const uint64_t keep = heap.tick();
        if (heap.idle_bytes() > keep)
            give_back(heap, keep, keep, nullptr);
        heap.split_broken();
        for (unsigned chunks = 0; chunks < promoted_per_period && heap.promote(); ++chunks)
            ;
    });
}

void heed_limits()
{
    const Limits::News news = limits.take_news();
    if (news.peaked)
        limits.tell_live(live_bytes_about());
    if (news.grown)
        limits.set_group_limit(cgroup::memory_limit());
    if (!news.above_soft)
        return;
    purge(0);
    const uint64_t held = limits.held();
    const uint64_t limit = options().soft_limit;
    if (held <= limit)
        return limits.forget_soft_limit_was_passed();
    const fastalloc_observer *const who = observer.load(std::memory_order_acquire);
    if (who != nullptr && who->soft_limit_passed != nullptr)
        who->soft_limit_passed(who->context, held, limit);
}

} // namespace fastalloc
