// SPDX-License-Identifier: MIT
//
// Figures: the names and places of all members of the structures that statistics are handed out in, so that whatever
// prints them prints all, and the arithmetic that whoever gathers them needs. A member that is added to one of them needs a row here, or this does not compile.
#pragma once

#include "fastalloc.h"

#include <cstdint>

namespace fastalloc
{

// A sum that figures of different moments may have made negative.
constexpr uint64_t at_least_0(int64_t value)
{
    return value > 0 ? static_cast<uint64_t>(value) : 0;
}

// Parts per thousand; all where there is nothing.
constexpr uint64_t share(uint64_t part, uint64_t whole)
{
    return whole == 0 ? 1000 : part * 1000 / whole;
}

template <typename Stats>
struct Figure
{
    const char *name;
    uint64_t Stats::*place;
};

inline constexpr Figure<fastalloc_stats> total_figures[] = {
    {"live_bytes", &fastalloc_stats::live_bytes},
    {"cached_bytes", &fastalloc_stats::cached_bytes},
    {"inbox_bytes", &fastalloc_stats::inbox_bytes},
    {"open_bytes", &fastalloc_stats::open_bytes},
    {"slack_bytes", &fastalloc_stats::slack_bytes},
    {"committed_bytes", &fastalloc_stats::committed_bytes},
    {"metadata_bytes", &fastalloc_stats::metadata_bytes},
    {"outside_bytes", &fastalloc_stats::outside_bytes},
    {"outside_blocks", &fastalloc_stats::outside_blocks},
    {"lease_bytes", &fastalloc_stats::lease_bytes},
    {"demand_bytes", &fastalloc_stats::demand_bytes},
    {"returned_bytes", &fastalloc_stats::returned_bytes},
    {"arenas", &fastalloc_stats::arenas},
    {"attached_threads", &fastalloc_stats::attached_threads},
    {"regions", &fastalloc_stats::regions},
    {"huge_chunks", &fastalloc_stats::huge_chunks},
    {"refills", &fastalloc_stats::refills},
    {"overflows", &fastalloc_stats::overflows},
    {"remote_batches", &fastalloc_stats::remote_batches},
    {"lock_waits", &fastalloc_stats::lock_waits},
    {"shared_writes", &fastalloc_stats::shared_writes},
    {"idle_bytes", &fastalloc_stats::idle_bytes},
    {"broken_chunks", &fastalloc_stats::broken_chunks},
    {"charged_bytes", &fastalloc_stats::charged_bytes},
    {"held_bytes", &fastalloc_stats::held_bytes},
    {"limit_bytes", &fastalloc_stats::limit_bytes},
    {"returned_in_part_bytes", &fastalloc_stats::returned_in_part_bytes},
    {"promoted_chunks", &fastalloc_stats::promoted_chunks},
    {"huge_unused_bytes", &fastalloc_stats::huge_unused_bytes},
    {"pinned_bytes", &fastalloc_stats::pinned_bytes},
    {"mapped_bytes", &fastalloc_stats::mapped_bytes},
    {"resident_bytes", &fastalloc_stats::resident_bytes},
    {"free_in_spans_bytes", &fastalloc_stats::free_in_spans_bytes},
    {"tail_bytes", &fastalloc_stats::tail_bytes},
    {"free_slice_bytes", &fastalloc_stats::free_slice_bytes},
    {"unbacked_bytes", &fastalloc_stats::unbacked_bytes},
    {"lost_bytes", &fastalloc_stats::lost_bytes},
    {"metadata_resident_bytes", &fastalloc_stats::metadata_resident_bytes},
    {"remote_bytes", &fastalloc_stats::remote_bytes},
    {"purges", &fastalloc_stats::purges},
    {"peak_held_bytes", &fastalloc_stats::peak_held_bytes},
    {"live_at_peak_bytes", &fastalloc_stats::live_at_peak_bytes},
    {"huge_share", &fastalloc_stats::huge_share},
    {"local_share", &fastalloc_stats::local_share},
};
static_assert(sizeof total_figures / sizeof total_figures[0] == sizeof(fastalloc_stats) / sizeof(uint64_t),
              "every figure is named");

inline constexpr Figure<fastalloc_node_stats> node_figures[] = {
    {"committed_bytes", &fastalloc_node_stats::committed_bytes},
    {"live_bytes", &fastalloc_node_stats::live_bytes},
    {"slack_bytes", &fastalloc_node_stats::slack_bytes},
    {"spans_of_locals", &fastalloc_node_stats::spans_of_locals},
    {"spans_of_movers", &fastalloc_node_stats::spans_of_movers},
    {"freed_for_others", &fastalloc_node_stats::freed_for_others},
    {"freed_by_others", &fastalloc_node_stats::freed_by_others},
    {"fallbacks", &fastalloc_node_stats::fallbacks},
    {"resident_bytes", &fastalloc_node_stats::resident_bytes},
    {"cached_bytes", &fastalloc_node_stats::cached_bytes},
    {"boxed_bytes", &fastalloc_node_stats::boxed_bytes},
    {"free_in_spans_bytes", &fastalloc_node_stats::free_in_spans_bytes},
    {"tail_bytes", &fastalloc_node_stats::tail_bytes},
    {"free_slice_bytes", &fastalloc_node_stats::free_slice_bytes},
    {"unbacked_bytes", &fastalloc_node_stats::unbacked_bytes},
    {"lost_bytes", &fastalloc_node_stats::lost_bytes},
    {"arena_bytes", &fastalloc_node_stats::arena_bytes},
    {"open_bytes", &fastalloc_node_stats::open_bytes},
    {"idle_bytes", &fastalloc_node_stats::idle_bytes},
    {"pinned_bytes", &fastalloc_node_stats::pinned_bytes},
    {"huge_chunks", &fastalloc_node_stats::huge_chunks},
    {"huge_share", &fastalloc_node_stats::huge_share},
    {"local_share", &fastalloc_node_stats::local_share},
    {"remote_bytes", &fastalloc_node_stats::remote_bytes},
};
static_assert(sizeof node_figures / sizeof node_figures[0] == sizeof(fastalloc_node_stats) / sizeof(uint64_t),
              "every figure is named");

inline constexpr Figure<fastalloc_class_stats> class_figures[] = {
    {"block_bytes", &fastalloc_class_stats::block_bytes},
    {"live_blocks", &fastalloc_class_stats::live_blocks},
    {"live_bytes", &fastalloc_class_stats::live_bytes},
    {"cached_bytes", &fastalloc_class_stats::cached_bytes},
    {"boxed_bytes", &fastalloc_class_stats::boxed_bytes},
    {"free_bytes", &fastalloc_class_stats::free_bytes},
    {"pinned_bytes", &fastalloc_class_stats::pinned_bytes},
    {"tail_bytes", &fastalloc_class_stats::tail_bytes},
    {"spans", &fastalloc_class_stats::spans},
    {"span_bytes", &fastalloc_class_stats::span_bytes},
};
static_assert(sizeof class_figures / sizeof class_figures[0] == sizeof(fastalloc_class_stats) / sizeof(uint64_t),
              "every figure is named");

// But for the node, which has a sign.
inline constexpr Figure<fastalloc_arena_stats> arena_figures[] = {
    {"attached", &fastalloc_arena_stats::attached},
    {"live_bytes", &fastalloc_arena_stats::live_bytes},
    {"cached_bytes", &fastalloc_arena_stats::cached_bytes},
    {"outbox_bytes", &fastalloc_arena_stats::outbox_bytes},
    {"inbox_bytes", &fastalloc_arena_stats::inbox_bytes},
    {"charged_bytes", &fastalloc_arena_stats::charged_bytes},
    {"refills", &fastalloc_arena_stats::refills},
    {"overflows", &fastalloc_arena_stats::overflows},
    {"remote_batches", &fastalloc_arena_stats::remote_batches},
    {"remote_bytes", &fastalloc_arena_stats::remote_bytes},
};
static_assert(sizeof arena_figures / sizeof arena_figures[0] + 1 == sizeof(fastalloc_arena_stats) / sizeof(uint64_t),
              "every figure is named");

} // namespace fastalloc
