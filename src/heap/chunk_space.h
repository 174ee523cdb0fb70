// SPDX-License-Identifier: MIT
//
// ChunkSpace: the whole chunks of one place: commits them, finds runs of free ones, gives their memory back.
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

// What is known of the pages of the span that begins with a slice.
inline SpanPages *span_pages_at(SliceIndex slice)
{
    return &window.region(slice / slices_per_region)->pages[slice % slices_per_region];
}

inline uint32_t offset_in_slice(const void *block)
{
    return static_cast<uint32_t>(reinterpret_cast<uintptr_t>(block) % slice_bytes);
}

// Blocks in the list of a small span of this class.
inline uint32_t listed_blocks(const Span *span, SizeClass size_class)
{
    if (!span->paged)
        return span->free_list_length();
    return span->free_list_length() - span_pages_at(slice_of(span))->unlisted(size_class);
}

inline uint32_t listed_blocks(const Span *span)
{
    return listed_blocks(span, span->size_class);
}

inline uintptr_t address_of_chunk(ChunkIndex index)
{
    return window_bounds.base + (uintptr_t{index} << chunk_shift);
}

class ChunkSpace
{
public:
    // Takes `count` free chunks in a row, of `wanted` kind if it can be: committing more, of the other kind only where
    // that fails. They become Open with all slices free. no_chunk if memory is refused, or a limit is in the way.
    // Requires: 1 <= count <= chunks_per_region.
    ChunkIndex take(unsigned count, PageKind wanted);

    // Takes exactly this Free chunk. Requires: it is held, as the limits count.
    void take_one(ChunkIndex index);

    // So many of `count` Free chunks in a row would be held anew.
    static unsigned not_held(ChunkIndex first, unsigned count);

    // Calls `tell` with the address and bytes of those, one call for all that lie in a row.
    void tell_of_not_held(ChunkIndex first, unsigned count, void (*tell)(uintptr_t, uint64_t, Node)) const;

    // An Open chunk whose slices are all free becomes Free.
    void give(ChunkIndex index);

    // Whether one more chunk may be of another kind than its neighbours: not where the process would have too many
    // mappings then.
    bool may_differ() const;

    // Part of an Open chunk that uses huge pages is about to be given back: it uses small ones from now on, until it is
    // given back as a whole. Requires: may_differ(); where it may not, the kernel may fill the part up again.
    void break_up(ChunkIndex index);

    // An Open chunk of small pages, all of them resident, is to use a huge one. Requires: may_differ().
    void make_huge(ChunkIndex index);

    // `bytes` of an Open chunk have gone back. Near a limit the system gets them now.
    void part_returned(ChunkIndex index, size_t bytes);

    // Sees to it that the system gets what was given back of broken chunks now instead of when it needs it.
    void split_broken();

    // Free chunks in a row whose memory may be given back: at most `most`, marked Leaving. The caller gives it back
    // with the lock released and then calls returned().
    struct Row
    {
        ChunkIndex first;
        unsigned count; // 0: there is none
    };
    Row take_slack(unsigned most);
    static bool discard(Row row); // whether all of it is gone
    void returned(Row row, bool discarded);

    // In the child of a fork: the thread that was giving chunks back is gone, they are slack again.
    void after_fork_in_child();

    Node place() const
    {
        return place_.load(std::memory_order_relaxed);
    }

    // Any thread, no lock; always the same value for one heap.
    void set_place(Node place)
    {
        place_.store(place, std::memory_order_relaxed);
    }

    // How often the kernel refused to be asked for this place. Any thread, relaxed: a figure.
    uint64_t refusals() const
    {
        return refusals_.load(std::memory_order_relaxed);
    }

    void count_refusal()
    {
        refusals_.fetch_add(1, std::memory_order_relaxed);
    }

    size_t committed_chunks() const
    {
        return committed_chunks_;
    }

    size_t slack_chunks() const
    {
        return slack_chunks_.load(std::memory_order_relaxed);
    }

    // An estimate of what was given back and the system does not have yet.
    uint64_t charged_bytes() const
    {
        return charged_pages_ * small_page_bytes;
    }

    // Chunks that used huge pages and are broken.
    size_t broken_chunks() const
    {
        return broken_chunks_;
    }

private:
    friend struct LayoutMaker; // heap/layout.h
    ChunkIndex find(unsigned count, PageKind kind, bool written_only) const;
    int give_region();
    void place_pages(uintptr_t address, size_t bytes);
    bool commit_more(unsigned count, PageKind kind);
    pages::Aimed commit_in(Region *region, unsigned count, PageKind kind);
    bool commit_step(Region *region, unsigned chunks, PageKind kind, pages::Aimed *outcome);
    void take_from_pool(ChunkIndex index);
    void set_pages(ChunkIndex index, PageKind kind);
    void forget_broken(ChunkIndex index);
    void split(ChunkIndex index);
    void go_home(ChunkIndex index);
    void count_slack(int chunks);
    void let_go(ChunkIndex first, unsigned count);
    void enter_free(ChunkIndex index);
    void leave_free(ChunkIndex index);

    std::atomic<Node> place_{0};
    std::atomic<uint64_t> refusals_{0};
    uintptr_t leaver_ = 0; // the thread that has a Row out, by its identity
    size_t committed_chunks_ = 0;
    std::atomic<size_t> slack_chunks_{0}; // written under the lock, read without it by NodeHeap::idle_bytes (relaxed)
    size_t broken_chunks_ = 0;
    size_t strangers_ = 0; // chunks that are not of their home kind
    size_t charged_pages_ = 0;
};

} // namespace fastalloc
