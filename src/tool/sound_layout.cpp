// SPDX-License-Identifier: MIT
#include "tool/sound_layout.h"

#include <algorithm>
#include <initializer_list>

namespace fastalloc::tool
{
namespace
{

// More than structures of any version have.
constexpr uint32_t region_bytes_max = 1 << 20;
constexpr uint32_t structure_bytes_max = 1 << 16;
constexpr uint32_t element_bytes_max = 1 << 12;

bool is_within(uint32_t value, uint32_t least, uint32_t most)
{
    return least <= value && value <= most;
}

bool has_sound_numbers(const Layout &layout)
{
    return is_within(layout.page_shift, 12, 16) && is_within(layout.slice_shift, layout.page_shift, 24) &&
           is_within(layout.chunk_shift, layout.slice_shift, layout.slice_shift + 5) &&
           is_within(layout.region_shift, layout.chunk_shift, 36) && is_within(layout.classes, 1, 254) &&
           layout.small_classes <= layout.classes && is_within(layout.places, 1, 1 << 16);
}

// Of arrays that there are.
bool has_sound_strides(const Layout &layout)
{
    const auto is_sound = [](uint32_t array, uint32_t stride, uint32_t most) {
        return array == Layout::absent || is_within(stride, 8, most);
    };
    const uint64_t chunks_bytes = uint64_t{layout.chunk_stride} << (layout.region_shift - layout.chunk_shift);
    return is_within(layout.record_stride, 8, element_bytes_max) &&
           is_within(layout.chunk_stride, 8, element_bytes_max) &&
           is_within(layout.region_stride, 8, region_bytes_max) &&
           layout.region_chunks + chunks_bytes <= layout.region_stride &&
           is_within(layout.arena_bytes, 8, structure_bytes_max) &&
           is_within(layout.heap_stride, 8, structure_bytes_max) &&
           is_within(layout.entry_stride, 8, element_bytes_max) &&
           is_sound(layout.arena_bins, layout.bin_stride, element_bytes_max) &&
           is_sound(layout.arena_backs, layout.back_stride, element_bytes_max) &&
           is_sound(layout.arena_outbox, layout.outbox_stride, element_bytes_max) &&
           is_sound(layout.region_pages, layout.span_pages_stride, element_bytes_max);
}

// Of other members unknown.cpp says which figures depend on them.
bool has_needed_members(const Layout &layout)
{
    const auto has = [](std::initializer_list<uint32_t> offsets) {
        return std::all_of(offsets.begin(), offsets.end(), [](uint32_t offset) { return offset < region_bytes_max; });
    };
    return has({layout.bounds_base,
                layout.bounds_limit_bytes,
                layout.bounds_link_secret,
                layout.window_chunk_tables,
                layout.span_owner,
                layout.span_kind,
                layout.span_size_class,
                layout.span_slices,
                layout.span_back,
                layout.span_capacity,
                layout.span_handed_out,
                layout.span_fresh,
                layout.span_start,
                layout.span_free_list,
                layout.span_free_blocks,
                layout.span_binned,
                layout.region_place,
                layout.region_chunks,
                layout.chunk_free,
                layout.chunk_written,
                layout.chunk_state,
                layout.chunk_pages,
                layout.registry_first,
                layout.arena_next,
                layout.arena_place,
                layout.arena_bins,
                layout.bin_head,
                layout.bin_room,
                layout.bin_limit,
                layout.arena_inbox,
                layout.arena_inbox_bytes,
                layout.arena_handed_out,
                layout.arena_held,
                layout.heap_handed_out,
                layout.heap_committed_chunks,
                layout.outside_blocks,
                layout.outside_bytes,
                layout.outside_entries,
                layout.outside_capacity,
                layout.entry_address,
                layout.entry_bytes}) &&
           (layout.arena_backs == Layout::absent || has({layout.back_spare, layout.back_spare_count})) &&
           (layout.arena_outbox == Layout::absent ||
            (has({layout.slot_owner, layout.slot_first, layout.slot_bytes, layout.arena_outbox_total}) &&
             is_within(layout.outbox_slots, 1, 64)));
}

} // namespace

bool is_sound(const Layout &layout)
{
    return has_sound_numbers(layout) && has_sound_strides(layout) && has_needed_members(layout);
}

} // namespace fastalloc::tool
