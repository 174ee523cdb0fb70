// SPDX-License-Identifier: MIT
//
// Layout: where in the structures of this library a reader finds what it needs, as numbers that the library carries.
//
// Who reads another process or a core file, as the command does, may be of another version than the library in it. So
// it knows none of our structures by heart: fastalloc_root leads to this table, and the table says how far from its
// begin each member of each structure lies, how large elements of arrays are, and which sizes classes have.
//
// The table grows at its end and says its own size: a reader uses the members it knows and the table has. One that lies
// beyond the table's end, or is `absent`, means that the structures of that version have no such thing. A member of a
// structure that goes, goes from the table by becoming `absent`; none is ever moved or given another meaning, and the
// numbers of kinds (SpanKind, ChunkState, PageKind) keep their meaning too: new ones come behind. Where that cannot be
// held, root_layout_version goes up.
//
// Offsets are bytes from the begin of the structure that the member's name begins with; the widths are written beside
// them and belong to their meaning. Pointers are addresses in the process, 0 for what there is not.
//
// Owner: nobody; constant. It lies in writable memory, for core files leave out what can be read from a file again.
#pragma once

#include "base/size_class.h"

#include <cstdint>
#include <type_traits>

namespace fastalloc
{

struct Layout
{
    static constexpr uint64_t known_magic = 0x756f79616c747366; // "fstlayou" in memory
    static constexpr uint32_t absent = UINT32_MAX;

    // A row for each class.
    struct Shape
    {
        uint32_t block_bytes;
        uint16_t slices;   // of a span
        uint16_t capacity; // blocks of a span
    };

    uint64_t magic;
    uint32_t bytes;   // of this table
    char version[20]; // of the library, "MAJOR.MINOR.PATCH"

    // Sizes, as powers of two, and numbers.
    uint32_t slice_shift, chunk_shift, region_shift, page_shift; // a page: what SpanPages counts
    uint32_t classes, small_classes;                             // small ones come first
    uint32_t places, unplaced;                                   // elements of node_heaps; the one of no node
    const Shape *shapes;

    // Objects and words that the root does not name. Of live_blocks and asked_sizes arrays by region of addresses, 0 for
    // what is not mapped; of early blocks what their list is mapped in; of samples what their table has room for.
    const void *limits;
    const void *leased_bytes, *purges; // u64
    const void *live_blocks, *asked_sizes;
    const void *early_blocks_bytes, *samples_capacity; // u64

    // WindowBounds: u64 each.
    uint32_t bounds_base, bounds_limit_bytes, bounds_link_secret;
    // Window: u64. Region n's record begins (n + 1) strides below chunk_tables.
    uint32_t window_chunk_tables, region_stride, window_times_locked;

    // Span: record n begins n strides below the base.
    uint32_t record_stride;
    uint32_t span_owner;                                             // u64
    uint32_t span_size_class, span_kind, span_reckoned, span_paged;  // u8
    uint32_t span_slices, span_back;                                 // u32
    uint32_t span_capacity, span_handed_out, span_fresh, span_start; // u16
    uint32_t span_free_list, span_free_blocks, span_binned;          // u64

    // Region.
    uint32_t region_place;                    // u16
    uint32_t region_chunks, chunk_stride;     // an array
    uint32_t chunk_free, chunk_written;       // u32
    uint32_t chunk_state, chunk_pages;        // u8
    uint32_t chunk_pooled, chunk_broken;      // u8
    uint32_t region_pages, span_pages_stride; // an array, an element per slice
    uint32_t span_pages_discarded;            // u16
    uint32_t span_pages_absent;               // u64

    // Registry and Arena.
    uint32_t registry_first, registry_times_locked; // u64
    uint32_t arena_bytes;
    uint32_t arena_next, arena_words;                       // u64
    uint32_t arena_place;                                   // u16
    uint32_t arena_bins, bin_stride, bin_head;              // an array by class; u64
    uint32_t bin_room, bin_limit;                           // u32
    uint32_t arena_backs, back_stride, back_spare;          // an array by class; u64
    uint32_t back_spare_count;                              // u32
    uint32_t arena_outbox, outbox_stride, outbox_slots;     // an array
    uint32_t slot_owner, slot_first;                        // u64
    uint32_t slot_bytes;                                    // u32
    uint32_t arena_outbox_total;                            // u32
    uint32_t arena_inbox, arena_inbox_bytes;                // u64, i64
    uint32_t arena_handed_out, arena_held;                  // i64
    uint32_t arena_charged, arena_refills, arena_overflows; // u64
    uint32_t arena_remote_batches, arena_remote_bytes;      // u64
    uint32_t arena_times_locked;                            // u64

    // NodeHeap: an array by place.
    uint32_t heap_stride;
    uint32_t heap_handed_out, heap_open_chunks, heap_open_huge_chunks, heap_committed_chunks; // u64
    uint32_t heap_slack_chunks, heap_broken_chunks, heap_charged_pages, heap_demand;          // u64
    uint32_t heap_returned, heap_returned_in_part, heap_promoted, heap_idle_slices;           // u64
    uint32_t heap_idle_in_spans;                                                              // i64
    uint32_t heap_spans_of_locals, heap_spans_of_movers;                                      // u64
    uint32_t heap_freed_for_others, heap_freed_by_others, heap_refusals;                      // u64
    uint32_t heap_times_locked;                                                               // u64

    // Outside, and the entries of its hash table, of which those of address 0 are free.
    uint32_t outside_blocks, outside_bytes, outside_entries, outside_capacity; // u64
    uint32_t entry_stride, entry_address, entry_bytes;                         // u64
    uint32_t entry_place;                                                      // u16
    uint32_t outside_times_locked;                                             // u64

    // Limits and Options.
    uint32_t limits_held, limits_group, limits_peak_held, limits_live_at_peak; // u64
    uint32_t options_hard_limit;                                               // u64
    uint32_t options_huge, huge_hugetlb;                                       // u8; the value of the setting hugetlb

    // Tables that are mapped for who looks on: bytes for a region each, elements of the arrays, bytes for a sample.
    uint32_t live_blocks_bytes, asked_sizes_bytes, regions, sample_stride;
};
// The next version's first new member must not come to lie where an older table has padding.
static_assert(std::has_unique_object_representations_v<Layout>);

// Defined in watch/, which knows all structures.
extern Layout library_layout;

} // namespace fastalloc
