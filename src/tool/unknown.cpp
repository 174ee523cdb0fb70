// SPDX-License-Identifier: MIT
#include "tool/unknown.h"

#include <initializer_list>

namespace fastalloc::tool
{
namespace
{

struct Dependence
{
    uint32_t Layout::*member;
    std::initializer_list<const char *> figures;
};

struct ObjectDependence
{
    const void *Layout::*object;
    std::initializer_list<const char *> figures;
};

const Dependence dependences[] = {
    {&Layout::limits_held, {"held_bytes"}},
    {&Layout::limits_group, {"limit_bytes"}},
    {&Layout::limits_peak_held, {"peak_held_bytes"}},
    {&Layout::limits_live_at_peak, {"live_at_peak_bytes"}},
    {&Layout::options_hard_limit, {"limit_bytes"}},
    {&Layout::region_pages, {"pinned_bytes"}},
    {&Layout::span_pages_discarded, {"pinned_bytes"}},
    {&Layout::span_pages_absent, {"pinned_bytes"}},
    {&Layout::span_paged, {"pinned_bytes"}},
    {&Layout::span_reckoned, {"pinned_bytes"}},
    {&Layout::arena_words, {"attached", "attached_threads"}},
    {&Layout::arena_outbox, {"outbox_bytes"}},
    {&Layout::arena_charged, {"charged_bytes"}},
    {&Layout::arena_refills, {"refills"}},
    {&Layout::arena_overflows, {"overflows"}},
    {&Layout::arena_remote_batches, {"remote_batches"}},
    {&Layout::arena_remote_bytes, {"remote_bytes"}},
    {&Layout::heap_open_chunks, {"open_bytes", "huge_share"}},
    {&Layout::heap_open_huge_chunks, {"huge_chunks", "huge_share"}},
    {&Layout::heap_slack_chunks, {"idle_bytes"}},
    {&Layout::heap_idle_slices, {"idle_bytes"}},
    {&Layout::heap_idle_in_spans, {"idle_bytes"}},
    {&Layout::heap_broken_chunks, {"broken_chunks"}},
    {&Layout::heap_charged_pages, {"charged_bytes"}},
    {&Layout::heap_demand, {"demand_bytes"}},
    {&Layout::heap_returned, {"returned_bytes"}},
    {&Layout::heap_returned_in_part, {"returned_in_part_bytes"}},
    {&Layout::heap_promoted, {"promoted_chunks"}},
    {&Layout::heap_spans_of_locals, {"spans_of_locals", "local_share"}},
    {&Layout::heap_spans_of_movers, {"spans_of_movers", "local_share"}},
    {&Layout::heap_freed_for_others, {"freed_for_others"}},
    {&Layout::heap_freed_by_others, {"freed_by_others"}},
    {&Layout::heap_refusals, {"fallbacks"}},
};

const ObjectDependence object_dependences[] = {
    {&Layout::limits, {"held_bytes", "limit_bytes", "peak_held_bytes", "live_at_peak_bytes"}},
    {&Layout::leased_bytes, {"lease_bytes"}},
    {&Layout::purges, {"purges"}},
};

} // namespace

std::set<std::string> unknown_in(const Layout &layout)
{
    std::set<std::string> unknown = {"lock_waits", "shared_writes"}; // the library's business
    for (const Dependence &dependence : dependences)
        if (layout.*dependence.member == Layout::absent)
            unknown.insert(dependence.figures.begin(), dependence.figures.end());
    for (const ObjectDependence &dependence : object_dependences)
        if (layout.*dependence.object == nullptr)
            unknown.insert(dependence.figures.begin(), dependence.figures.end());
    return unknown;
}

} // namespace fastalloc::tool
