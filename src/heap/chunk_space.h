// SPDX-License-Identifier: MIT
//
// ChunkSpace: the whole chunks of one node: commits them, finds runs of free ones, gives their memory back.
//
// Invariant, per region: a bit in `free` for exactly the chunks in state Free; `slack` counts those of them that have a
// written slice. Summed over the node's regions: committed_chunks, slack_chunks.
// Owner: the node heap whose part it is; every function requires that heap's lock.
#pragma once

#include "heap/chunk.h"
#include "heap/window.h"

#include <atomic>

namespace fastalloc
{

// The record of a chunk that lies in a given region.
inline Chunk *chunk_at(ChunkIndex index)
{
    return &window.region(index / chunks_per_region)->chunks[index % chunks_per_region];
}

inline uintptr_t address_of_chunk(ChunkIndex index)
{
    return window_bounds.base + (uintptr_t{index} << chunk_shift);
}

class ChunkSpace
{
public:
    // Takes `count` free chunks in a row, of `wanted` kind if it can be: committing more, of the other kind only where
    // that fails. They become Open with all slices free. no_chunk if memory is refused.
    // Requires: 1 <= count <= chunks_per_region.
    ChunkIndex take(unsigned count, PageKind wanted);

    // Takes exactly this Free chunk.
    void take_one(ChunkIndex index);

    // An Open chunk whose slices are all free becomes Free.
    void give(ChunkIndex index);

    // Free chunks in a row whose memory may be given back: at most `most`, marked Leaving. The caller gives it back
    // with the lock released and then calls returned().
    struct Row
    {
        ChunkIndex first;
        unsigned count; // 0: there is none
    };
    Row take_slack(unsigned most);
    void returned(Row row, bool discarded);

    // In the child of a fork: the thread that was giving chunks back is gone, they are slack again.
    void after_fork_in_child();

    Node node() const
    {
        return node_.load(std::memory_order_relaxed);
    }

    // Any thread, no lock; always the same value for one heap.
    void set_node(Node node)
    {
        node_.store(node, std::memory_order_relaxed);
    }

    size_t committed_chunks() const
    {
        return committed_chunks_;
    }

    size_t slack_chunks() const
    {
        return slack_chunks_;
    }

private:
    ChunkIndex find(unsigned count, PageKind kind, bool written_only) const;
    bool commit_more(unsigned count, PageKind kind);
    bool commit_in(Region *region, unsigned count, PageKind kind);
    bool commit_step(Region *region, unsigned chunks, PageKind kind, pages::Aimed *outcome);
    void enter_free(ChunkIndex index);
    void leave_free(ChunkIndex index);

    std::atomic<Node> node_{0};
    uintptr_t leaver_ = 0; // the thread that has a Row out, by its identity
    size_t committed_chunks_ = 0;
    size_t slack_chunks_ = 0;
};

} // namespace fastalloc
