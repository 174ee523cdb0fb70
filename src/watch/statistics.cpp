// SPDX-License-Identifier: MIT
#include "watch/statistics.h"

#include "arena/budget.h"
#include "arena/registry.h"
#include "heap/outside.h"

namespace fastalloc
{

bool gather_statistics(fastalloc_stats *stats)
{
    *stats = {};
    if (!registry.lock_all())
        return false;
    int64_t handed_out = 0;
    uint64_t locks_taken = registry.lock.times_taken() + window.lock.times_taken() + outside.lock.times_taken();
    for (Arena *arena = registry.first(); arena != nullptr; arena = arena->next_arena.load(std::memory_order_acquire))
    {
        const Arena::Figures figures = arena->figures();
        stats->cached_bytes += figures.cached_bytes;
        stats->inbox_bytes += figures.inbox_bytes;
        stats->refills += figures.refills;
        stats->overflows += figures.overflows;
        stats->remote_batches += figures.remote_batches;
        handed_out += figures.handed_out_pending;
    }
    for_each_node_heap([&](const NodeHeap &heap) {
        const NodeHeap::Figures figures = heap.figures();
        handed_out += static_cast<int64_t>(heap.handed_out.load(std::memory_order_relaxed));
        locks_taken += heap.lock.times_taken();
        stats->open_bytes += figures.open_bytes;
        stats->huge_chunks += figures.huge_chunks;
        stats->slack_bytes += figures.slack_bytes;
        stats->committed_bytes += figures.committed_bytes;
        stats->demand_bytes += figures.demand_bytes;
        stats->returned_bytes += figures.returned_bytes;
    });
    const Registry::Figures threads = registry.figures();
    stats->arenas = threads.arenas;
    stats->attached_threads = threads.attached;
    stats->regions = window.regions();
    stats->metadata_bytes = window.table_bytes() + threads.arenas * slice_bytes;
    stats->outside_bytes = outside.bytes();
    stats->outside_blocks = outside.blocks();
    stats->lease_bytes = fund.leased();
    const auto kept = static_cast<int64_t>(stats->cached_bytes + stats->inbox_bytes);
    stats->live_bytes = (handed_out > kept ? static_cast<uint64_t>(handed_out - kept) : 0) + stats->outside_bytes;
    stats->lock_waits = Lock::waits();
    // A lock is written when it is taken and when it is let go; an inbox gets a batch and its bytes.
    stats->shared_writes = 2 * (locks_taken + stats->remote_batches);
    registry.unlock_all();
    return true;
}

uint64_t purge(uint64_t pad)
{
    registry.ask_all_to_flush();
    if (Arena *const self = thread_words.self)
        self->flush();
    registry.tidy();
    uint64_t returned = 0;
    for_each_node_heap([&](NodeHeap &heap) { returned += heap.return_everything(pad); });
    return returned;
}

} // namespace fastalloc
