// SPDX-License-Identifier: MIT
#include "watch/statistics.h"

#include "arena/budget.h"
#include "arena/purge.h"
#include "arena/registry.h"
#include "heap/limits.h"
#include "heap/outside.h"
#include "watch/asked_sizes.h"
#include "watch/early_blocks.h"
#include "watch/figures.h"
#include "watch/live_blocks.h"
#include "watch/sampler.h"
#include "watch/survey.h"

namespace fastalloc
{
namespace
{

void add_arenas(fastalloc_stats *stats, int64_t *handed_out)
{
    registry.for_each_arena([&](const Arena &arena) {
        const Arena::Figures figures = arena.figures();
        stats->cached_bytes += figures.cached_bytes;
        stats->inbox_bytes += figures.inbox_bytes;
        stats->refills += figures.refills;
        stats->overflows += figures.overflows;
        stats->remote_batches += figures.remote_batches;
        stats->remote_bytes += figures.remote_bytes;
        *handed_out += figures.handed_out_pending;
    });
}

void add_node_heaps(fastalloc_stats *stats, int64_t *handed_out, uint64_t *locks_taken)
{
    uint64_t spans_of_locals = 0;
    uint64_t spans = 0;
    for_each_node_heap([&](const NodeHeap &heap) {
        const NodeHeap::Figures figures = heap.figures();
        *handed_out += static_cast<int64_t>(heap.handed_out.load(std::memory_order_relaxed));
        *locks_taken += heap.lock.times_taken();
        stats->open_bytes += figures.open_bytes;
        stats->huge_chunks += figures.huge_chunks;
        stats->idle_bytes += figures.idle_bytes;
        stats->broken_chunks += figures.broken_chunks;
        stats->charged_bytes += figures.charged_bytes;
        stats->committed_bytes += figures.committed_bytes;
        stats->demand_bytes += figures.demand_bytes;
        stats->returned_bytes += figures.returned_bytes;
        stats->returned_in_part_bytes += figures.returned_in_part;
        stats->promoted_chunks += figures.promoted_chunks;
        stats->huge_unused_bytes += figures.huge_unused_bytes;
        spans_of_locals += figures.spans_of_locals;
        spans += figures.spans_of_locals + figures.spans_of_movers;
    });
    stats->huge_share = stats->open_bytes == 0 ? 0 : share(stats->huge_chunks * chunk_bytes, stats->open_bytes);
    stats->local_share = share(spans_of_locals, spans);
}

// What the walk over the window finds, and what lies outside.
void add_survey(fastalloc_stats *stats, const Standstill &standstill)
{
    const Survey survey(every_place);
    stats->slack_bytes = survey.slack_bytes;
    stats->pinned_bytes = survey.pinned_bytes;
    stats->free_in_spans_bytes = survey.free_in_spans_bytes;
    stats->tail_bytes = survey.tail_bytes;
    stats->free_slice_bytes = survey.free_slice_bytes;
    stats->unbacked_bytes = survey.unbacked_bytes;
    stats->lost_bytes = survey.lost_bytes;
    stats->outside_bytes = outside.bytes();
    stats->outside_blocks = outside.blocks();
    // The registry of outside blocks may be walked under its lock only.
    const uint64_t registry_bytes = standstill.is_still() ? outside.table_bytes() : 0;
    const uint64_t tables = window.table_bytes() + registry_bytes + live_blocks.mapped_bytes() +
                            asked_sizes.mapped_bytes() + early_blocks.mapped_bytes() +
                            (standstill.is_still() ? sampler.mapped_bytes() : 0);
    stats->metadata_bytes = tables + survey.arena_bytes;
    const uint64_t tables_resident = window.resident_table_bytes() + live_blocks.resident_bytes() +
                                     asked_sizes.resident_bytes() + early_blocks.mapped_bytes() +
                                     (standstill.is_still() ? sampler.resident_bytes() : 0) +
                                     (standstill.is_still() ? outside.resident_table_bytes() : 0);
    stats->metadata_resident_bytes = tables_resident + survey.arena_resident_bytes;
    stats->mapped_bytes = stats->committed_bytes + stats->outside_bytes + tables;
    stats->resident_bytes = survey.resident_bytes + tables_resident +
                            (standstill.is_still() ? outside.resident_bytes() : stats->outside_bytes);
}

} // namespace

Standstill::Standstill() : is_still_(registry.lock_all())
{
}

Standstill::~Standstill()
{
    if (is_still_)
        registry.unlock_all();
}

bool gather_statistics(fastalloc_stats *stats, Accuracy wanted)
{
    *stats = {};
    const Standstill standstill;
    if (!standstill.serves(wanted))
        return false;
    int64_t handed_out = 0;
    uint64_t locks_taken = registry.lock.times_taken() + window.lock.times_taken() + outside.lock.times_taken();
    add_arenas(stats, &handed_out);
    add_node_heaps(stats, &handed_out, &locks_taken);
    add_survey(stats, standstill);
    const Registry::Figures threads = registry.figures();
    stats->arenas = threads.arenas;
    stats->attached_threads = threads.attached;
    stats->regions = window.regions();
    stats->lease_bytes = fund.leased();
    const auto kept = static_cast<int64_t>(stats->cached_bytes + stats->inbox_bytes);
    stats->live_bytes = at_least_0(handed_out - kept) + stats->outside_bytes;
    if (standstill.is_still())
        limits.tell_live(stats->live_bytes);
    stats->held_bytes = limits.held();
    stats->peak_held_bytes = limits.peak_held();
    stats->live_at_peak_bytes = limits.live_at_peak();
    stats->limit_bytes = limits.ceiling() != Limits::none ? limits.ceiling() : 0;
    stats->purges = purge_count.load(std::memory_order_relaxed);
    stats->lock_waits = Lock::waits();
    // A lock is written when it is taken and when it is let go; an inbox gets a batch and its bytes.
    stats->shared_writes = 2 * (locks_taken + stats->remote_batches);
    return true;
}

bool gather_node_statistics(Node place, fastalloc_node_stats *stats, Accuracy wanted)
{
    *stats = {};
    const Standstill standstill;
    if (!standstill.serves(wanted))
        return false;
    int64_t handed_out = 0;
    registry.for_each_arena([&](const Arena &arena) {
        const Arena::Figures figures = arena.figures();
        if (arena.place == place)
        {
            handed_out += figures.handed_out_pending;
            stats->cached_bytes += figures.cached_bytes - figures.outbox_bytes;
            stats->boxed_bytes += figures.inbox_bytes;
            stats->remote_bytes += figures.remote_bytes;
        }
        stats->boxed_bytes += arena.outbox_bytes_on(place);
    });
    for_each_node_heap([&](const NodeHeap &heap) {
        if (heap.place() != place)
            return;
        const NodeHeap::Figures figures = heap.figures();
        handed_out += static_cast<int64_t>(heap.handed_out.load(std::memory_order_relaxed));
        stats->committed_bytes = figures.committed_bytes;
        stats->open_bytes = figures.open_bytes;
        stats->idle_bytes = figures.idle_bytes;
        stats->huge_chunks = figures.huge_chunks;
        stats->spans_of_locals = figures.spans_of_locals;
        stats->spans_of_movers = figures.spans_of_movers;
        stats->freed_for_others = figures.freed_for_others;
        stats->freed_by_others = figures.freed_by_others;
        stats->fallbacks = figures.refusals;
    });
    const Survey survey(place);
    stats->slack_bytes = survey.slack_bytes;
    stats->resident_bytes = survey.resident_bytes;
    stats->free_in_spans_bytes = survey.free_in_spans_bytes;
    stats->tail_bytes = survey.tail_bytes;
    stats->free_slice_bytes = survey.free_slice_bytes;
    stats->unbacked_bytes = survey.unbacked_bytes;
    stats->lost_bytes = survey.lost_bytes;
    stats->arena_bytes = survey.arena_bytes;
    stats->pinned_bytes = survey.pinned_bytes;
    stats->huge_share = stats->open_bytes == 0 ? 0 : share(stats->huge_chunks * chunk_bytes, stats->open_bytes);
    stats->local_share = share(stats->spans_of_locals, stats->spans_of_locals + stats->spans_of_movers);
    stats->live_bytes = at_least_0(handed_out - static_cast<int64_t>(stats->cached_bytes + stats->boxed_bytes));
    return true;
}

bool gather_class_statistics(Node of_place, fastalloc_class_stats (&rows)[class_rows], Accuracy wanted)
{
    for (fastalloc_class_stats &row : rows)
        row = {};
    const Standstill standstill;
    if (!standstill.serves(wanted))
        return false;
    uint64_t boxed[class_count] = {};
    uint64_t cached[class_count] = {};
    registry.for_each_arena([&](const Arena &arena) {
        arena.count_boxed(of_place == every_place ? nullptr : &node_heap(of_place), boxed);
        if (of_place == every_place || arena.place == of_place)
            for (unsigned index = 0; index < class_count; ++index)
                cached[index] += arena.blocks_in_bin(index);
    });
    const Survey survey(of_place);
    for (unsigned index = 0; index < class_count; ++index)
    {
        const auto size_class = static_cast<SizeClass>(index);
        const Survey::Class &found = survey.classes[index];
        fastalloc_class_stats &row = rows[index];
        row.block_bytes = class_bytes(size_class);
        row.live_blocks = at_least_0(static_cast<int64_t>(found.handed_out - cached[index] - boxed[index]));
        row.live_bytes = row.live_blocks * row.block_bytes;
        row.cached_bytes = cached[index] * row.block_bytes;
        row.boxed_bytes = boxed[index] * row.block_bytes;
        row.free_bytes = found.free * row.block_bytes;
        row.pinned_bytes = found.pinned_bytes;
        row.tail_bytes = found.spans * tail_of(size_class);
        row.spans = found.spans;
        row.span_bytes = found.spans * shape_of(size_class).slices * slice_bytes;
    }
    fastalloc_class_stats &large = rows[large_row];
    large.live_blocks = large.spans = survey.large_blocks;
    large.live_bytes = large.span_bytes = survey.large_bytes;
    if (of_place != every_place)
        return true;
    fastalloc_class_stats &mapped = rows[outside_row];
    mapped.live_blocks = mapped.spans = outside.blocks();
    mapped.live_bytes = mapped.span_bytes = outside.bytes();
    return true;
}

bool gather_arena_statistics(unsigned first, fastalloc_arena_stats *stats, unsigned most, unsigned *count,
                             Accuracy wanted)
{
    *count = 0;
    const Standstill standstill;
    if (!standstill.serves(wanted))
        return false;
    unsigned number = 0;
    registry.for_each_arena([&](const Arena &arena) {
        if (number++ < first || *count == most)
            return;
        const Arena::Figures figures = arena.figures();
        fastalloc_arena_stats &row = stats[(*count)++];
        uint64_t on_the_way = figures.inbox_bytes;
        registry.for_each_arena([&](const Arena &other) { on_the_way += other.outbox_bytes_for(&arena); });
        row.node = arena.place == unplaced ? -1 : static_cast<int64_t>(arena.place);
        row.attached = arena.words != nullptr;
        row.cached_bytes = figures.cached_bytes - figures.outbox_bytes;
        row.live_bytes = at_least_0(figures.held_bytes - static_cast<int64_t>(row.cached_bytes + on_the_way));
        row.outbox_bytes = figures.outbox_bytes;
        row.inbox_bytes = figures.inbox_bytes;
        row.charged_bytes = figures.charged_bytes;
        row.refills = figures.refills;
        row.overflows = figures.overflows;
        row.remote_batches = figures.remote_batches;
        row.remote_bytes = figures.remote_bytes;
    });
    return true;
}

} // namespace fastalloc
