// SPDX-License-Identifier: MIT
//
// The table of the layout, filled by the compiler: a structure that changes changes its numbers here by itself.
#include "heap/layout.h"

#include "arena/budget.h"
#include "arena/purge.h"
#include "arena/registry.h"
#include "base/version.h"
#include "heap/limits.h"
#include "heap/outside.h"
#include "os/options.h"
#include "watch/asked_sizes.h"
#include "watch/early_blocks.h"
#include "watch/live_blocks.h"
#include "watch/sampler.h"

#include <array>
#include <cstddef>

// Members of both kinds of access: where they lie is the compiler's choice, and it says so.
#pragma GCC diagnostic ignored "-Winvalid-offsetof"

namespace fastalloc
{
namespace
{

constexpr auto make_layout_shapes()
{
    std::array<Layout::Shape, class_count> made{};
    for (unsigned index = 0; index < class_count; ++index)
    {
        const ClassShape &shape = shape_of(static_cast<SizeClass>(index));
        made[index] = {shape.bytes, shape.slices, shape.capacity};
    }
    return made;
}

// As the table: in core files.
constinit auto layout_shapes = make_layout_shapes();

} // namespace

// What has a friend in every structure.
struct LayoutMaker
{
    // A member of NodeHeap's part.
    static constexpr uint32_t in_chunks(size_t offset)
    {
        return static_cast<uint32_t>(offsetof(NodeHeap, chunks_) + offset);
    }

    static constexpr uint32_t in_slack(size_t offset)
    {
        return static_cast<uint32_t>(offsetof(NodeHeap, slack_) + offset);
    }

    static constexpr uint32_t in_outside_table(size_t offset)
    {
        return static_cast<uint32_t>(offsetof(Outside, table_) + offset);
    }

    static constexpr uint32_t times_taken(size_t lock_offset)
    {
        return static_cast<uint32_t>(lock_offset + offsetof(Lock, times_taken_));
    }

    static constexpr Layout make()
    {
        Layout made{};
        made.magic = Layout::known_magic;
        made.bytes = sizeof(Layout);
        static_assert(sizeof version <= sizeof made.version);
        for (size_t index = 0; index < sizeof version; ++index)
            made.version[index] = version[index];
        add_numbers(&made);
        add_window(&made);
        add_spans(&made);
        add_arenas(&made);
        add_heaps(&made);
        add_outside(&made);
        add_settings(&made);
        add_tables(&made);
        return made;
    }

private:
    static constexpr void add_numbers(Layout *made)
    {
        made->slice_shift = slice_shift;
        made->chunk_shift = chunk_shift;
        made->region_shift = region_shift;
        made->page_shift = 12;
        static_assert(small_page_bytes == 1u << 12);
        made->classes = class_count;
        made->small_classes = small_class_count;
        made->places = place_limit;
        made->unplaced = unplaced;
        made->shapes = layout_shapes.data();
    }

    static constexpr void add_window(Layout *made)
    {
        made->bounds_base = offsetof(WindowBounds, base);
        made->bounds_limit_bytes = offsetof(WindowBounds, limit_bytes);
        made->bounds_link_secret = offsetof(WindowBounds, link_secret);
        made->window_chunk_tables = offsetof(Window, chunk_tables_);
        made->region_stride = Window::chunk_table_bytes;
        made->window_times_locked = times_taken(offsetof(Window, lock));
        made->region_place = offsetof(Region, place);
        made->region_chunks = offsetof(Region, chunks);
        made->chunk_stride = sizeof(Chunk);
        made->chunk_free = offsetof(Chunk, free);
        made->chunk_written = offsetof(Chunk, written);
        made->chunk_state = offsetof(Chunk, state);
        made->chunk_pages = offsetof(Chunk, pages);
        made->chunk_pooled = offsetof(Chunk, pooled);
        made->chunk_broken = offsetof(Chunk, broken);
        made->region_pages = offsetof(Region, pages);
        made->span_pages_stride = sizeof(SpanPages);
        made->span_pages_discarded = offsetof(SpanPages, discarded_);
        made->span_pages_absent = offsetof(SpanPages, absent_);
    }

    static constexpr void add_spans(Layout *made)
    {
        made->record_stride = sizeof(Span);
        made->span_owner = offsetof(Span, owner);
        made->span_size_class = offsetof(Span, size_class);
        made->span_kind = offsetof(Span, kind);
        made->span_reckoned = offsetof(Span, reckoned);
        made->span_paged = offsetof(Span, paged);
        made->span_slices = offsetof(Span, slices);
        made->span_back = offsetof(Span, back);
        made->span_capacity = offsetof(Span, capacity);
        made->span_handed_out = offsetof(Span, handed_out);
        made->span_fresh = offsetof(Span, fresh);
        made->span_start = offsetof(Span, start);
        made->span_free_list = offsetof(Span, free_list);
        made->span_free_blocks = offsetof(Span, free_blocks);
        made->span_binned = offsetof(Span, binned);
    }

    static constexpr void add_arenas(Layout *made)
    {
        made->registry_first = offsetof(Registry, first_);
        made->registry_times_locked = times_taken(offsetof(Registry, lock));
        made->arena_bytes = sizeof(Arena);
        made->arena_next = offsetof(Arena, next_arena);
        made->arena_words = offsetof(Arena, words);
        made->arena_place = offsetof(Arena, place);
        made->arena_bins = offsetof(Arena, bins);
        made->bin_stride = sizeof(Bin);
        made->bin_head = offsetof(Bin, head);
        made->bin_room = offsetof(Bin, room);
        made->bin_limit = offsetof(Bin, limit);
        made->arena_backs = offsetof(Arena, backs_);
        made->back_stride = sizeof(BinBack);
        made->back_spare = offsetof(BinBack, spare);
        made->back_spare_count = offsetof(BinBack, spare_count);
        made->arena_outbox = offsetof(Arena, outbox_);
        made->outbox_stride = sizeof(OutboxSlot);
        made->outbox_slots = outbox_slots;
        made->slot_owner = offsetof(OutboxSlot, owner);
        made->slot_first = offsetof(OutboxSlot, first);
        made->slot_bytes = offsetof(OutboxSlot, bytes);
        made->arena_outbox_total = offsetof(Arena, outbox_total_);
        made->arena_inbox = offsetof(Arena, inbox_);
        made->arena_inbox_bytes = offsetof(Arena, inbox_bytes_);
        made->arena_handed_out = offsetof(Arena, handed_out_);
        made->arena_held = offsetof(Arena, held_);
        made->arena_charged = offsetof(Arena, charged_);
        made->arena_refills = offsetof(Arena, refills_);
        made->arena_overflows = offsetof(Arena, overflows_);
        made->arena_remote_batches = offsetof(Arena, remote_batches_);
        made->arena_remote_bytes = offsetof(Arena, remote_bytes_);
        made->arena_times_locked = times_taken(offsetof(Arena, lock));
    }

    static constexpr void add_heaps(Layout *made)
    {
        made->heap_stride = sizeof(NodeHeap);
        made->heap_handed_out = offsetof(NodeHeap, handed_out);
        made->heap_open_chunks = offsetof(NodeHeap, open_chunks_);
        made->heap_open_huge_chunks = offsetof(NodeHeap, open_huge_chunks_);
        made->heap_committed_chunks = in_chunks(offsetof(ChunkSpace, committed_chunks_));
        made->heap_slack_chunks = in_chunks(offsetof(ChunkSpace, slack_chunks_));
        made->heap_broken_chunks = in_chunks(offsetof(ChunkSpace, broken_chunks_));
        made->heap_charged_pages = in_chunks(offsetof(ChunkSpace, charged_pages_));
        made->heap_demand = in_slack(offsetof(Slack, demand_));
        made->heap_returned = in_slack(offsetof(Slack, returned_total_));
        made->heap_returned_in_part = offsetof(NodeHeap, returned_in_part_);
        made->heap_promoted = offsetof(NodeHeap, promoted_);
        made->heap_idle_slices = offsetof(NodeHeap, idle_slices_);
        made->heap_idle_in_spans = offsetof(NodeHeap, idle_in_spans_);
        made->heap_spans_of_locals = offsetof(NodeHeap, spans_of_locals_);
        made->heap_spans_of_movers = offsetof(NodeHeap, spans_of_movers_);
        made->heap_freed_for_others = offsetof(NodeHeap, freed_for_others_);
        made->heap_freed_by_others = offsetof(NodeHeap, freed_by_others_);
        made->heap_refusals = in_chunks(offsetof(ChunkSpace, refusals_));
        made->heap_times_locked = times_taken(offsetof(NodeHeap, lock));
    }

    static constexpr void add_outside(Layout *made)
    {
        made->outside_blocks = offsetof(Outside, blocks_);
        made->outside_bytes = offsetof(Outside, bytes_);
        made->outside_entries = in_outside_table(offsetof(AddressTable<Outside::Entry>, entries_));
        made->outside_capacity = in_outside_table(offsetof(AddressTable<Outside::Entry>, capacity_));
        made->entry_stride = sizeof(Outside::Entry);
        made->entry_address = offsetof(Outside::Entry, address);
        made->entry_bytes = offsetof(Outside::Entry, bytes);
        made->entry_place = offsetof(Outside::Entry, place);
        made->outside_times_locked = times_taken(offsetof(Outside, lock));
    }

    static constexpr void add_settings(Layout *made)
    {
        made->limits = &limits;
        made->limits_held = offsetof(Limits, held_);
        made->limits_group = offsetof(Limits, group_limit_);
        made->limits_peak_held = offsetof(Limits, peak_held_);
        made->limits_live_at_peak = offsetof(Limits, live_at_peak_);
        made->options_hard_limit = offsetof(Options, hard_limit);
        made->options_huge = offsetof(Options, huge);
        made->huge_hugetlb = static_cast<uint32_t>(Huge::hugetlb);
        made->leased_bytes = &fund.leased_;
        made->purges = &purge_count;
    }

    static constexpr void add_tables(Layout *made)
    {
        made->live_blocks = &live_blocks.bits_;
        made->live_blocks_bytes = LiveBlocks::region_table_bytes;
        made->asked_sizes = &asked_sizes.table_;
        made->asked_sizes_bytes = AskedSizes::region_table_bytes;
        made->early_blocks_bytes = &early_blocks.mapped_bytes_;
        made->samples_capacity = &sampler.samples_.capacity_;
        made->regions = window_max_bytes / region_bytes;
        made->sample_stride = sizeof(Sample);
    }
};

constinit Layout library_layout = LayoutMaker::make();

} // namespace fastalloc
