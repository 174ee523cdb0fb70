// SPDX-License-Identifier: MIT
//
// What must hold of a node heap's chunks, bitmaps and packing lists, as a function that looks and changes nothing.
#include "heap/node_heap.h"

namespace fastalloc
{

const char *NodeHeap::verify() const
{
    uint64_t listed = 0;
    for (unsigned number = page_kinds; number < page_kinds * slices_per_chunk; ++number)
    {
        const unsigned count = number / page_kinds;
        const unsigned kind = number % page_kinds;
        ChunkIndex previous = no_chunk;
        for (ChunkIndex index = buckets_[kind][count].first_plus_one - 1; index != no_chunk;
             index = chunk_at(index)->next)
        {
            const Chunk *chunk = chunk_at(index);
            if (chunk->state != ChunkState::open || chunk->free_count != count || chunk->bucket != count ||
                static_cast<unsigned>(chunk->pages) != kind)
                return "a chunk is in the packing list of another fill or kind";
            if (chunk->previous != previous)
                return "a packing list is broken";
            previous = index;
            ++listed;
        }
    }
    uint64_t open = 0;
    uint64_t open_huge = 0;
    uint64_t slack = 0;
    uint64_t with_room = 0;
    uint64_t idle = 0;
    uint64_t broken = 0;
    for (unsigned number = 0; number < window.regions(); ++number)
    {
        const Region *region = window.region(number);
        for (unsigned position = 0; region->place == place() && position < chunks_per_region; ++position)
        {
            const Chunk &chunk = region->chunks[position];
            const unsigned kind = static_cast<unsigned>(chunk.pages);
            const bool marked = region->free[kind][position / 64] >> (position % 64) & 1;
            if (marked != (chunk.state == ChunkState::free))
                return "a region's map of free chunks is wrong";
            if (chunk.state == ChunkState::unused || chunk.state == ChunkState::taken)
                continue;
            if (chunk.free_count != static_cast<unsigned>(__builtin_popcount(chunk.free)))
                return "a chunk's count of free slices is wrong";
            const bool is_open = chunk.state == ChunkState::open;
            if (is_open == (chunk.free_count == slices_per_chunk))
                return "a chunk's state contradicts its free slices";
            if (chunk.idle.queued != (is_open && (chunk.free & chunk.written) != 0))
                return "a chunk with idle slices does not wait to give them back, or one without does";
            open += is_open;
            open_huge += is_open && chunk.pages == PageKind::huge;
            with_room += is_open && chunk.free_count != 0;
            idle += is_open ? static_cast<unsigned>(__builtin_popcount(chunk.free & chunk.written)) : 0;
            if ((chunk.broken && chunk.pages == PageKind::huge) || (chunk.dense && chunk.free_count != 0))
                return "a chunk is broken and huge, or dense and not full";
            broken += chunk.broken;
            slack += chunk.state == ChunkState::free && chunk.written != 0;
        }
    }
    if (listed != with_room)
        return "an open chunk with room is in no packing list";
    if (open * chunk_bytes != open_bytes() || open_huge != open_huge_chunks_ || slack != chunks_.slack_chunks())
        return "a node heap's counts are wrong";
    if (idle != idle_slices_.load(std::memory_order_relaxed) || broken != chunks_.broken_chunks())
        return "a node heap's counts of what is given back are wrong";
    return nullptr;
}

} // namespace fastalloc
