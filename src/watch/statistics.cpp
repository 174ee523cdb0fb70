// SPDX-License-Identifier: MIT
#include "watch/statistics.h"

#include "arena/budget.h"
#include "arena/registry.h"
#include "heap/limits.h"
#include "heap/outside.h"

namespace fastalloc
{

namespace
{

// Free blocks of a span whose pages are resident and stay so, because blocks in use touch them.
uint64_t pinned_in(const Span *span)
{
    const SpanPages *const pages = span_pages_at(slice_of(span));
    uint64_t free;
    if (is_small(span->size_class))
        free = listed_blocks(span);
    else
        free = static_cast<uint64_t>(
            __builtin_popcountll(span->free_blocks.load(std::memory_order_relaxed) & ~pages->absent()));
    const uint64_t bytes = free * class_bytes(span->size_class);
    const uint64_t idle = span->reckoned * small_page_bytes;
    return bytes > idle ? bytes - idle : 0;
}

// Of all spans. Requires: everything stands still.
uint64_t pinned_bytes()
{
    uint64_t bytes = 0;
    for (SliceIndex slice = 0; slice < window.regions() * slices_per_region; ++slice)
    {
        const Span *const span = span_at(slice);
        const SpanKind kind = span->kind.load(std::memory_order_relaxed);
        if (kind == SpanKind::small || kind == SpanKind::medium)
            bytes += pinned_in(span);
    }
    return bytes;
}

} // namespace

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
        stats->idle_bytes += figures.idle_bytes;
        stats->broken_chunks += figures.broken_chunks;
        stats->charged_bytes += figures.charged_bytes;
        stats->committed_bytes += figures.committed_bytes;
        stats->demand_bytes += figures.demand_bytes;
        stats->returned_bytes += figures.returned_bytes;
        stats->returned_in_part_bytes += figures.returned_in_part;
        stats->promoted_chunks += figures.promoted_chunks;
        stats->huge_unused_bytes += figures.huge_unused_bytes;
    });
    stats->pinned_bytes = pinned_bytes();
    const Registry::Figures threads = registry.figures();
    stats->arenas = threads.arenas;
    stats->attached_threads = threads.attached;
    stats->regions = window.regions();
    stats->metadata_bytes = window.table_bytes() + threads.arenas * slice_bytes;
    stats->outside_bytes = outside.bytes();
    stats->outside_blocks = outside.blocks();
    stats->lease_bytes = fund.leased();
    stats->held_bytes = limits.held();
    stats->limit_bytes = limits.ceiling() != Limits::none ? limits.ceiling() : 0;
    const auto kept = static_cast<int64_t>(stats->cached_bytes + stats->inbox_bytes);
    stats->live_bytes = (handed_out > kept ? static_cast<uint64_t>(handed_out - kept) : 0) + stats->outside_bytes;
    stats->lock_waits = Lock::waits();
    // A lock is written when it is taken and when it is let go; an inbox gets a batch and its bytes.
    stats->shared_writes = 2 * (locks_taken + stats->remote_batches);
    registry.unlock_all();
    return true;
}

bool gather_node_statistics(Node place, fastalloc_node_stats *stats)
{
    *stats = {};
    if (!registry.lock_all())
        return false;
    int64_t live = 0;
    for (Arena *arena = registry.first(); arena != nullptr; arena = arena->next_arena.load(std::memory_order_acquire))
    {
        if (arena->place != place)
            continue;
        const Arena::Figures figures = arena->figures();
        const uint64_t kept = figures.cached_bytes - figures.outbox_bytes + figures.inbox_bytes;
        live += figures.handed_out_pending - static_cast<int64_t>(kept);
    }
    for_each_node_heap([&](const NodeHeap &heap) {
        if (heap.place() != place)
            return;
        const NodeHeap::Figures figures = heap.figures();
        live += static_cast<int64_t>(heap.handed_out.load(std::memory_order_relaxed));
        stats->committed_bytes = figures.committed_bytes;
        stats->slack_bytes = figures.slack_bytes;
        stats->spans_of_locals = figures.spans_of_locals;
        stats->spans_of_movers = figures.spans_of_movers;
        stats->freed_for_others = figures.freed_for_others;
        stats->freed_by_others = figures.freed_by_others;
        stats->fallbacks = figures.refusals;
    });
    stats->live_bytes = live > 0 ? static_cast<uint64_t>(live) : 0;
    registry.unlock_all();
    return true;
}

} // namespace fastalloc
