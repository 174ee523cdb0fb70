// SPDX-License-Identifier: MIT
#include "tool/figures.h"

#include "base/bits.h"
#include "base/config.h"
#include "tool/survey.h"
#include "tool/unknown.h"
#include "watch/figures.h"

#include <algorithm>

namespace fastalloc::tool
{
namespace
{

// What is left of a sum; nothing where figures of different moments do not fit together, or where they make no sense.
uint64_t left_of(uint64_t sum, uint64_t part)
{
    return at_least_0(static_cast<int64_t>(sum - part));
}

// One look at all there is.
class Gathering
{
public:
    explicit Gathering(Heap &heap) : heap_(heap), survey_(heap, &figures)
    {
    }

    void gather();

    Figures figures;

private:
    void add_arenas();
    fastalloc_arena_stats arena_row(const Copy &arena);
    uint64_t blocks_in_bin(const Copy &arena, uint32_t index) const;
    void count_boxed(uint64_t first, uint64_t bytes);
    void add_node_heaps();
    void add_node_heap(unsigned place, fastalloc_node_stats *stats);
    void add_classes();
    void add_outside();
    void add_tables();
    void add_rest();
    void add_region_table(const void *table, uint32_t bytes);
    void sum_up();

    Heap &heap_;
    Survey survey_;
    std::vector<Copy> arenas_;
    std::vector<uint64_t> cached_; // blocks by class
    std::vector<uint64_t> boxed_;
    // Signed sums: they may overflow where they make no sense, so they are added up without a sign.
    uint64_t handed_out_ = 0;
    std::map<unsigned, uint64_t> handed_out_on_; // by place
    uint64_t tables_bytes_ = 0;
};

void Gathering::gather()
{
    cached_.assign(heap_.shapes.size(), 0);
    boxed_.assign(heap_.shapes.size(), 0);
    survey_.look_at_all();
    for (const auto &step : {&Gathering::add_arenas, &Gathering::add_node_heaps, &Gathering::add_classes,
                             &Gathering::add_outside, &Gathering::add_tables, &Gathering::add_rest})
    {
        try
        {
            (this->*step)();
        }
        catch (const Damage &damage)
        {
            survey_.note(damage.what());
        }
    }
    sum_up();
}

// As Arena::blocks_in_bin: its limit may just be changed.
uint64_t Gathering::blocks_in_bin(const Copy &arena, uint32_t index) const
{
    const Layout &layout = heap_.layout;
    const auto of_bin = [&](uint32_t member) {
        return arena.get<uint32_t>(element_member(layout.arena_bins, index, layout.bin_stride, member));
    };
    const uint32_t limit = of_bin(layout.bin_limit);
    const uint32_t count = limit - of_bin(layout.bin_room);
    const auto spare =
        arena.get<uint32_t>(element_member(layout.arena_backs, index, layout.back_stride, layout.back_spare_count));
    return uint64_t{count <= limit ? count : 0} + spare;
}

// The blocks of a box, by class.
void Gathering::count_boxed(uint64_t first, uint64_t bytes)
{
    heap_.visit_chain(first, bytes, [&](uint64_t, const SpanRecord &of_block) {
        ++boxed_[of_block.size_class];
        return true;
    });
}

fastalloc_arena_stats Gathering::arena_row(const Copy &arena)
{
    const Layout &layout = heap_.layout;
    fastalloc_arena_stats row = {};
    row.node = heap_.node_of(arena.get<uint16_t>(layout.arena_place));
    row.attached = arena.get<uint64_t>(layout.arena_words) != 0;
    for (uint32_t index = 0; index < cached_.size(); ++index)
    {
        const uint64_t blocks = blocks_in_bin(arena, index);
        cached_[index] += blocks;
        row.cached_bytes += blocks * heap_.shapes[index].block_bytes;
    }
    row.outbox_bytes = arena.get<uint32_t>(layout.arena_outbox_total);
    row.inbox_bytes = at_least_0(arena.get<int64_t>(layout.arena_inbox_bytes));
    row.charged_bytes = arena.get<uint64_t>(layout.arena_charged);
    row.refills = arena.get<uint64_t>(layout.arena_refills);
    row.overflows = arena.get<uint64_t>(layout.arena_overflows);
    row.remote_batches = arena.get<uint64_t>(layout.arena_remote_batches);
    row.remote_bytes = arena.get<uint64_t>(layout.arena_remote_bytes);
    return row;
}

void Gathering::add_arenas()
{
    const Layout &layout = heap_.layout;
    arenas_ = heap_.arenas();
    std::map<uint64_t, uint64_t> on_the_way; // bytes in outboxes, by owner
    std::map<uint64_t, unsigned> places;     // by address
    for (const Copy &arena : arenas_)
        places[arena.address()] = arena.get<uint16_t>(layout.arena_place);
    for (const Copy &arena : arenas_)
    {
        const unsigned place = places[arena.address()];
        const fastalloc_arena_stats row = arena_row(arena);
        figures.arenas.push_back(row);
        handed_out_on_[place] += arena.get<uint64_t>(layout.arena_handed_out);
        fastalloc_node_stats &node = survey_.nodes[place];
        node.cached_bytes += row.cached_bytes;
        node.boxed_bytes += row.inbox_bytes;
        node.remote_bytes += row.remote_bytes;
        count_boxed(arena.get<uint64_t>(layout.arena_inbox), row.inbox_bytes);
        for (uint32_t slot = 0; slot < heap_.outbox_slots(); ++slot)
        {
            const auto of_slot = [&](uint32_t member) {
                return element_member(layout.arena_outbox, slot, layout.outbox_stride, member);
            };
            const auto owner = arena.get<uint64_t>(of_slot(layout.slot_owner));
            const auto bytes = arena.get<uint32_t>(of_slot(layout.slot_bytes));
            count_boxed(arena.get<uint64_t>(of_slot(layout.slot_first)), bytes);
            const auto place_of_owner = places.find(owner);
            if (place_of_owner == places.end())
                continue;
            on_the_way[owner] += bytes;
            survey_.nodes[place_of_owner->second].boxed_bytes += bytes;
        }
        figures.totals.cached_bytes += row.cached_bytes + row.outbox_bytes;
        figures.totals.inbox_bytes += row.inbox_bytes;
        figures.totals.refills += row.refills;
        figures.totals.overflows += row.overflows;
        figures.totals.remote_batches += row.remote_batches;
        figures.totals.remote_bytes += row.remote_bytes;
        figures.totals.attached_threads += row.attached;
    }
    for (size_t index = 0; index < arenas_.size(); ++index)
    {
        fastalloc_arena_stats &row = figures.arenas[index];
        const uint64_t waiting = row.cached_bytes + row.inbox_bytes + on_the_way[arenas_[index].address()];
        row.live_bytes = left_of(arenas_[index].get<uint64_t>(layout.arena_held), waiting);
    }
    figures.totals.arenas = arenas_.size();
}

void Gathering::add_node_heap(unsigned place, fastalloc_node_stats *stats)
{
    const Layout &layout = heap_.layout;
    const Copy copy = heap_.node_heap(place);
    const auto figure = [&](uint32_t offset) { return copy.get<uint64_t>(offset); };
    fastalloc_stats &totals = figures.totals;
    const bool parts_go_back = layout.options_huge == Layout::absent ||
                               (heap_.word(heap_.root.options, layout.options_huge) & 0xff) != layout.huge_hugetlb;
    handed_out_on_[place] += figure(layout.heap_handed_out);
    stats->open_bytes = figure(layout.heap_open_chunks) * heap_.chunk_bytes();
    stats->huge_chunks = figure(layout.heap_open_huge_chunks);
    stats->committed_bytes = figure(layout.heap_committed_chunks) * heap_.chunk_bytes();
    stats->idle_bytes = figure(layout.heap_slack_chunks) * heap_.chunk_bytes() +
                        (parts_go_back ? figure(layout.heap_idle_slices) * heap_.slice_bytes() : 0) +
                        at_least_0(copy.get<int64_t>(layout.heap_idle_in_spans));
    stats->spans_of_locals = figure(layout.heap_spans_of_locals);
    stats->spans_of_movers = figure(layout.heap_spans_of_movers);
    stats->freed_for_others = figure(layout.heap_freed_for_others);
    stats->freed_by_others = figure(layout.heap_freed_by_others);
    stats->fallbacks = figure(layout.heap_refusals);
    totals.broken_chunks += figure(layout.heap_broken_chunks);
    totals.charged_bytes += figure(layout.heap_charged_pages) << layout.page_shift;
    totals.demand_bytes += figure(layout.heap_demand);
    totals.returned_bytes += figure(layout.heap_returned);
    totals.returned_in_part_bytes += figure(layout.heap_returned_in_part);
    totals.promoted_chunks += figure(layout.heap_promoted);
}

void Gathering::add_node_heaps()
{
    for (const unsigned place : heap_.used_places())
        add_node_heap(place, &survey_.nodes[place]);
    for (auto &[place, stats] : survey_.nodes)
    {
        stats.live_bytes = left_of(handed_out_on_[place], stats.cached_bytes + stats.boxed_bytes);
        stats.huge_share = stats.open_bytes == 0 ? 0 : share(stats.huge_chunks * heap_.chunk_bytes(), stats.open_bytes);
        stats.local_share = share(stats.spans_of_locals, stats.spans_of_locals + stats.spans_of_movers);
        handed_out_ += handed_out_on_[place];
        figures.nodes.push_back({heap_.node_of(place), stats});
    }
}

void Gathering::add_classes()
{
    for (size_t index = 0; index < heap_.shapes.size(); ++index)
    {
        fastalloc_class_stats &row = figures.classes[index];
        row.live_blocks = left_of(row.live_blocks, cached_[index] + boxed_[index]);
        row.live_bytes = row.live_blocks * row.block_bytes;
        row.cached_bytes = cached_[index] * row.block_bytes;
        row.boxed_bytes = boxed_[index] * row.block_bytes;
    }
    fastalloc_class_stats &large = figures.classes[heap_.shapes.size()];
    large.spans = large.live_blocks;
    large.span_bytes = large.live_bytes;
}

void Gathering::add_outside()
{
    fastalloc_stats &totals = figures.totals;
    totals.outside_blocks = heap_.word(heap_.root.outside, heap_.layout.outside_blocks);
    totals.outside_bytes = heap_.word(heap_.root.outside, heap_.layout.outside_bytes);
    fastalloc_class_stats &row = figures.classes.back();
    row.live_blocks = row.spans = totals.outside_blocks;
    row.live_bytes = row.span_bytes = totals.outside_bytes;
    heap_.visit_outside_blocks([&](const OutsideBlock &block) {
        const auto resident = heap_.target.resident_bytes(block.address, block.address + block.bytes);
        figures.has_resident = figures.has_resident && resident;
        totals.resident_bytes += resident.value_or(0);
        return true;
    });
}

// Bytes that are mapped for each region.
void Gathering::add_region_table(const void *table, uint32_t bytes)
{
    if (table == nullptr || bytes == Layout::absent)
        return;
    const uint64_t regions = std::min(heap_.regions(), heap_.layout.regions);
    for (uint64_t number = 0; number < regions; ++number)
        if (const uint64_t mapped = heap_.word(table, static_cast<uint32_t>(number * sizeof(uint64_t))); mapped != 0)
        {
            tables_bytes_ += bytes;
            figures.totals.metadata_resident_bytes += heap_.target.resident_bytes(mapped, mapped + bytes).value_or(0);
        }
}

void Gathering::add_tables()
{
    const Layout &layout = heap_.layout;
    fastalloc_stats &totals = figures.totals;
    const auto in_pages = [](uint64_t bytes) { return round_up(bytes, small_page_bytes); };
    // With the page of record 0, at the begin of the first chunk, which is never given out.
    const uint64_t begin = heap_.tables_begin();
    const uint64_t end = heap_.base + heap_.chunk_bytes();
    tables_bytes_ += heap_.target.writable_bytes(begin, end);
    for (const Mapping &mapping : heap_.target.mappings())
        if (mapping.writable && mapping.begin < end && begin < mapping.end)
            totals.metadata_resident_bytes +=
                heap_.target.resident_bytes(std::max(begin, mapping.begin), std::min(end, mapping.end)).value_or(0);
    const uint64_t registry = in_pages(heap_.outside_table_bytes());
    const uint64_t entries = heap_.word(heap_.root.outside, layout.outside_entries);
    tables_bytes_ += heap_.target.writable_bytes(entries, entries + registry); // it may claim more than there is
    if (layout.sample_stride != Layout::absent)
        tables_bytes_ += in_pages(heap_.word(layout.samples_capacity) * layout.sample_stride);
    totals.metadata_resident_bytes += heap_.target.resident_bytes(entries, entries + registry).value_or(0);
    add_region_table(layout.live_blocks, layout.live_blocks_bytes);
    add_region_table(layout.asked_sizes, layout.asked_sizes_bytes);
    const uint64_t early = heap_.word(layout.early_blocks_bytes);
    tables_bytes_ += early;
    totals.metadata_resident_bytes += early;
}

void Gathering::add_rest()
{
    const Layout &layout = heap_.layout;
    fastalloc_stats &totals = figures.totals;
    totals.held_bytes = heap_.word(layout.limits, layout.limits_held);
    totals.peak_held_bytes = heap_.word(layout.limits, layout.limits_peak_held);
    totals.live_at_peak_bytes = heap_.word(layout.limits, layout.limits_live_at_peak);
    totals.lease_bytes = heap_.word(layout.leased_bytes);
    totals.purges = heap_.word(layout.purges);
    const uint64_t group = heap_.word(layout.limits, layout.limits_group); // all bits set: none
    const uint64_t hard = heap_.word(heap_.root.options, layout.options_hard_limit);
    totals.limit_bytes = std::min(group == 0 ? UINT64_MAX : group, hard == 0 ? UINT64_MAX : hard);
    totals.limit_bytes = totals.limit_bytes == UINT64_MAX ? 0 : totals.limit_bytes;
    figures.huge_page_bytes = heap_.target.huge_page_bytes(heap_.base, heap_.window_end());
}

void Gathering::sum_up()
{
    fastalloc_stats &totals = figures.totals;
    uint64_t arena_bytes = 0;
    uint64_t locals = 0;
    uint64_t movers = 0;
    for (const auto &[node, stats] : figures.nodes)
    {
        totals.open_bytes += stats.open_bytes;
        totals.huge_chunks += stats.huge_chunks;
        totals.committed_bytes += stats.committed_bytes;
        totals.idle_bytes += stats.idle_bytes;
        totals.slack_bytes += stats.slack_bytes;
        totals.unbacked_bytes += stats.unbacked_bytes;
        totals.free_slice_bytes += stats.free_slice_bytes;
        totals.free_in_spans_bytes += stats.free_in_spans_bytes;
        totals.tail_bytes += stats.tail_bytes;
        totals.lost_bytes += stats.lost_bytes;
        totals.pinned_bytes += stats.pinned_bytes;
        totals.resident_bytes += stats.resident_bytes;
        arena_bytes += stats.arena_bytes;
        locals += stats.spans_of_locals;
        movers += stats.spans_of_movers;
    }
    for (const ChunkFigures &chunk : figures.chunks)
        if (chunk.record.state == ChunkState::open && chunk.record.pages == PageKind::huge)
            totals.huge_unused_bytes +=
                static_cast<uint64_t>(__builtin_popcount(chunk.record.free)) * heap_.slice_bytes();
    totals.regions = heap_.regions();
    totals.huge_share = totals.open_bytes == 0 ? 0 : share(totals.huge_chunks * heap_.chunk_bytes(), totals.open_bytes);
    totals.local_share = share(locals, locals + movers);
    totals.live_bytes = left_of(handed_out_, totals.cached_bytes + totals.inbox_bytes) + totals.outside_bytes;
    totals.metadata_bytes = tables_bytes_ + arena_bytes;
    totals.mapped_bytes = totals.committed_bytes + totals.outside_bytes + tables_bytes_;
    totals.resident_bytes += totals.metadata_resident_bytes;
    totals.metadata_resident_bytes += survey_.arena_resident_bytes; // which chunks have
    figures.unknown.merge(unknown_in(heap_.layout));
    if (!figures.has_resident)
        figures.unknown.insert({"resident_bytes", "metadata_resident_bytes"});
}

} // namespace

Figures gather_figures(Heap &heap)
{
    std::optional<Gathering> gathering;
    const bool changed = heap.look([&] { gathering.emplace(heap).gather(); });
    if (!gathering->figures.damage.empty())
        heap.target.require_life();
    gathering->figures.changed = changed;
    return std::move(gathering->figures);
}

} // namespace fastalloc::tool
