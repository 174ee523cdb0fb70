// SPDX-License-Identifier: MIT
//
// How a node heap gives back what is idle: how much may stay, which free chunks and slices go, and what is remembered of
// it. Pages of spans go back by arena/idle.cpp, which asks here.
#include "heap/node_heap.h"

#include "heap/limits.h"
#include "os/clock.h"

namespace fastalloc
{
namespace
{

// How much is given back between two looks at the bound.
constexpr unsigned chunks_per_return = 32;

// What exceeds the bound by less is not worth a call of the system.
constexpr uint64_t return_step = 768 * kibibyte;

} // namespace

// Never more than half of what is left before a limit.
uint64_t NodeHeap::bound() const
{
    const uint64_t most = limits.room() / 2;
    const uint64_t bound = Slack::bound(live_bytes(), demand_bytes_.load(std::memory_order_relaxed));
    return bound < most ? bound : most;
}

bool NodeHeap::exceeds() const
{
    const uint64_t idle = idle_bytes();
    const uint64_t most = bound();
    return idle > most && idle - most >= return_step;
}

// Of pages of spans arenas know better than the figure here.
void NodeHeap::return_excess()
{
    uint64_t most = bound();
    uint64_t free = free_bytes();
    // Again where demand has decayed meanwhile, and the bound with it.
    while (free > most && return_free(most + bytes_in_spans()) != 0)
    {
        most = bound();
        free = free_bytes();
    }
}

uint64_t NodeHeap::return_free(uint64_t keep)
{
    const uint64_t chunks = return_slack(keep);
    return chunks + return_slices(keep);
}

uint64_t NodeHeap::return_slack(uint64_t keep)
{
    uint64_t total = 0;
    for (;;)
    {
        ChunkSpace::Row row;
        {
            Guard guard(lock, may_wait_for_heap);
            const uint64_t idle = idle_bytes();
            if (!guard || idle <= keep)
                return total;
            const uint64_t most = divide_up(idle - keep, chunk_bytes);
            row = chunks_.take_slack(most < chunks_per_return ? static_cast<unsigned>(most) : chunks_per_return);
        }
        if (row.count == 0)
            return total;
        const size_t bytes = row.count * chunk_bytes;
        const bool discarded = ChunkSpace::discard(row);
        Guard guard(lock, may_wait_for_heap);
        chunks_.returned(row, discarded);
        if (!discarded)
            return total;
        returned(bytes);
        total += bytes;
    }
}

// Of chunks that have been waiting longest first.
uint64_t NodeHeap::return_slices(uint64_t keep)
{
    uint64_t total = 0;
    Guard guard(lock, may_wait_for_heap);
    while (guard && parts_go_back() && idle_first_plus_one_ != 0)
    {
        const uint64_t idle = idle_bytes();
        if (idle <= keep)
            break;
        const uint64_t part = return_slices_of(idle_first_plus_one_ - 1, divide_up(idle - keep, slice_bytes));
        total += part;
        if (part == 0)
            break; // it cannot be given back, as locked memory
    }
    return total;
}

// At most `most` slices of an open chunk.
uint64_t NodeHeap::return_slices_of(ChunkIndex index, uint64_t most)
{
    Chunk *const chunk = chunk_at(index);
    uint64_t total = 0;
    for (uint32_t idle = chunk->free & chunk->written; idle != 0 && most != 0;)
    {
        const auto first = static_cast<unsigned>(lowest_bit(idle));
        unsigned count = run_length(idle, first);
        count = count < most ? count : static_cast<unsigned>(most);
        const uint32_t mask = mask_of<uint32_t>(first, count);
        idle &= ~mask;
        most -= count;
        chunk->intact &= ~mask; // also where only a part of it can go
        if (!pages::discard(address_of_chunk(index) + first * slice_bytes, count * slice_bytes))
            break;
        break_up(index);
        chunk->written &= ~mask;
        chunk->filled.fetch_and(~mask, std::memory_order_relaxed);
        idle_changed(index, -static_cast<int>(count));
        chunks_.part_returned(index, count * slice_bytes);
        total += count * slice_bytes;
    }
    if (total != 0)
        returned_parts(total);
    return total;
}

bool NodeHeap::discard_taken(SliceIndex slice)
{
    const ChunkIndex index = slice / slices_per_chunk;
    Guard guard(lock, may_wait_for_heap);
    if (!guard || chunk_at(index)->pages == PageKind::huge || !pages::discard(address_of_slice(slice), slice_bytes))
        return false;
    chunk_at(index)->filled.fetch_and(~(uint32_t{1} << slice % slices_per_chunk), std::memory_order_relaxed);
    chunks_.part_returned(index, slice_bytes);
    returned_parts(slice_bytes);
    return true;
}

// Slices were taken that hold no memory: it may have been given back too early.
void NodeHeap::count_fresh(Need need)
{
    if (need == Need::again && fresh_slices_ != 0 && slack_.remembers_returns())
        taken_again(fresh_slices_ * slice_bytes);
    fresh_slices_ = 0;
}

void NodeHeap::returned(uint64_t bytes)
{
    slack_.returned(bytes, now_ms());
    demand_bytes_.store(slack_.demand(), std::memory_order_relaxed);
}

void NodeHeap::returned_parts(uint64_t bytes)
{
    returned_in_part_ += bytes;
    returned(bytes);
}

void NodeHeap::taken_again(uint64_t bytes)
{
    slack_.taken(bytes, live_bytes() + bytes, now_ms());
    demand_bytes_.store(slack_.demand(), std::memory_order_relaxed);
}

void NodeHeap::break_up(ChunkIndex index)
{
    if (chunk_at(index)->pages == PageKind::small || !chunks_.may_differ())
        return;
    leave_bucket(index); // it is in a list of its kind
    chunks_.break_up(index);
    enter_bucket(index);
    --open_huge_chunks_;
}

void NodeHeap::pages_returned(SliceIndex slice, uint64_t bytes)
{
    const ChunkIndex index = slice / slices_per_chunk;
    Chunk *const chunk = chunk_at(index);
    chunk->filled.fetch_and(~(uint32_t{1} << slice % slices_per_chunk), std::memory_order_relaxed);
    Guard guard(lock, may_wait_for_heap);
    if (!guard)
        return;
    chunk->dense = false;
    break_up(index);
    chunks_.part_returned(index, bytes);
    returned_parts(bytes);
}

void NodeHeap::split_broken()
{
    Guard guard(lock, may_wait_for_heap);
    if (guard)
        chunks_.split_broken();
}

void NodeHeap::pages_wanted(uint64_t bytes)
{
    Guard guard(lock, may_wait_for_heap);
    if (guard && slack_.remembers_returns())
        taken_again(bytes);
}

uint64_t NodeHeap::tick()
{
    uint64_t keep;
    {
        Guard guard(lock, may_wait_for_heap);
        if (!guard || idle_bytes() == 0)
            return UINT64_MAX;
        keep = slack_.pass_time(idle_bytes(), live_bytes(), now_ms());
        demand_bytes_.store(slack_.demand(), std::memory_order_relaxed);
    }
    return_free(keep);
    return keep;
}

} // namespace fastalloc
