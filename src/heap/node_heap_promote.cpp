// SPDX-License-Identifier: MIT
//
// Which chunks of small pages become huge: those that are full and filled at two looks at least a half-life apart, so
// that it costs no memory and pays for long. Copying two MiB takes as long as some hundred thousand fast calls, and the
// system may have to make room first: so it is done seldom, and with no lock held.
#include "heap/node_heap.h"

#include "os/clock.h"
#include "os/options.h"

namespace fastalloc
{
namespace
{

// From here on what is open exceeds what processors translate without a walk through page tables.
constexpr uint64_t promote_from = 16 * mebibyte;

// Between two chunks.
constexpr uint64_t promote_interval_ms = 20;

} // namespace

void NodeHeap::promote_now_and_then()
{
    if (open_bytes() < promote_from)
        return;
    const uint64_t now = now_ms();
    if (now < promote_again_ms_.load(std::memory_order_relaxed))
        return;
    promote_again_ms_.store(now + promote_interval_ms, std::memory_order_relaxed);
    promote();
}

bool NodeHeap::promote()
{
    ChunkIndex index;
    {
        Guard guard(lock, may_wait_for_heap);
        index = guard ? find_dense() : no_chunk;
        if (index == no_chunk)
            return false;
        chunks_.make_huge(index);
        ++open_huge_chunks_;
        ++promoted_;
    }
    // If the chunk is broken meanwhile its pages stay small: the system obeys what was advised last.
    pages::make_huge(address_of_chunk(index), chunk_bytes);
    return true;
}

// In rounds, in which each chunk is looked at once: the next that was full and filled in the round before, and still is.
// no_chunk: the round is over. Requires: lock held.
ChunkIndex NodeHeap::find_dense()
{
    if (options().huge != Huge::automatic || open_bytes() < promote_from || pages::page_bytes() != small_page_bytes ||
        !chunks_.may_differ())
        return no_chunk;
    const ChunkIndex end = window.regions() * chunks_per_region;
    if (look_at_ >= end)
    {
        const uint64_t now = now_ms();
        if (now - round_began_ms_ < options().demand_half_life || pages::huge_pages_are_forbidden())
            return no_chunk;
        round_began_ms_ = now;
        look_at_ = 0;
    }
    while (look_at_ < end)
    {
        const ChunkIndex index = look_at_++;
        Chunk *const chunk = chunk_at(index);
        if (chunk->state != ChunkState::open || chunk->pages != PageKind::small ||
            window.region(index / chunks_per_region)->place != place())
            continue;
        const bool was_dense = chunk->dense;
        chunk->dense = chunk->free_count == 0 && chunk->filled.load(std::memory_order_relaxed) == whole_chunk;
        if (chunk->dense && was_dense)
            return index;
    }
    return no_chunk;
}

void NodeHeap::slice_is_filled(SliceIndex slice)
{
    const uint32_t bit = uint32_t{1} << slice % slices_per_chunk;
    chunk_at(slice / slices_per_chunk)->filled.fetch_or(bit, std::memory_order_relaxed);
}

} // namespace fastalloc
