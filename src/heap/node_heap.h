// SPDX-License-Identifier: MIT
//
// NodeHeap: the memory of one NUMA node, shared by all threads that run there.
//
// Gives and takes back runs of slices: spans for arenas, large blocks, arenas themselves. A run shorter than a chunk is
// packed into the fullest open chunk that has room for it, so that emptying chunks empty entirely; a longer one takes
// chunks in a row, and what it leaves of the last one is packed with others.
//
// Invariants: every committed chunk of the node is free (in the ChunkSpace), leaving, or open; an open chunk with
// free slices is in the packing list of its free count and in no other. Free whole chunks that are written
// (slack) never stay above Slack::bound() once give() has returned.
//
// Owner: its lock, taken after an arena's lock and before the window's. Functions lock for themselves unless they say
// so. `handed_out` and `charged` are written by arenas, relaxed: figures for bounds, which orders nothing.
#pragma once

#include "heap/chunk_space.h"
#include "heap/slack.h"

#include <atomic>

namespace fastalloc
{

class NodeHeap
{
public:
    struct Run
    {
        SliceIndex slice; // no_slice: memory is refused
        bool zeroed;      // never written since the kernel gave it
        bool intact;      // one slice, given back as an intact span and not touched since
    };

    // `slices` in a row, beginning at a multiple of `alignment` slices. The records of the run still say "free,
    // nobody". Requires: slices <= slices_per_region, alignment a power of two <= slices_per_chunk.
    Run take(unsigned slices, unsigned alignment = 1);

    // take() for a caller that holds the lock.
    Run take_locked(unsigned slices, unsigned alignment);

    // Takes slices [slice, slice + count) if they are all free: a large block, of which slice - 1 is the last, grows in
    // place. Requires: lock held.
    bool take_exactly(SliceIndex slice, unsigned count);

    // What slices that are given hold. An intact span is one slice with all its blocks in its list: who takes the slice
    // next for a span of the same class is told, and need not link the blocks again.
    enum class Contents
    {
        unknown,
        intact_span,
    };

    // Slices that were taken, or part of them. Requires: their records say "free, nobody" again.
    void give(SliceIndex slice, unsigned count, Contents contents = Contents::unknown);

    // give() for a caller that holds the lock and calls return_excess() when it has let it go.
    void give_locked(SliceIndex slice, unsigned count);
    void return_excess();

    // Gives back whole free chunks until at most `keep` bytes of them are resident. Returns the bytes given back.
    uint64_t return_slack(uint64_t keep);

    // Gives back every free slice of every chunk but `keep` bytes. Returns the bytes given back.
    uint64_t return_everything(uint64_t keep);

    // Called by slow paths now and then: lets demand decay and gives back what it no longer justifies.
    void tick();

    // Bytes of blocks that programs hold: handed out less what bins may hold.
    uint64_t live_bytes() const
    {
        const uint64_t out = handed_out.load(std::memory_order_relaxed);
        const uint64_t in_bins = charged.load(std::memory_order_relaxed);
        return out > in_bins ? out - in_bins : 0;
    }

    uint64_t open_bytes() const
    {
        return open_chunks_.load(std::memory_order_relaxed) * chunk_bytes;
    }

    struct Figures
    {
        uint64_t open_bytes;
        uint64_t huge_chunks; // open ones that ask for huge pages
        uint64_t slack_bytes;
        uint64_t committed_bytes;
        uint64_t demand_bytes;
        uint64_t returned_bytes;
    };
    // Requires: lock held.
    Figures figures() const;

    // The first thing that is wrong with chunks, bitmaps or lists, or null. Requires: lock held.
    const char *verify() const;

    void after_fork_in_child()
    {
        chunks_.after_fork_in_child();
    }

    void set_node(Node node)
    {
        chunks_.set_node(node);
    }

    Node node() const
    {
        return chunks_.node();
    }

    Lock lock;
    std::atomic<uint64_t> handed_out{0}; // class bytes in blocks outside the spans and large blocks
    std::atomic<uint64_t> charged{0};    // class bytes that bins of this node's arenas may hold

private:
    // All require the lock.
    Run take_packed(unsigned slices, unsigned alignment);
    Run take_chunks(unsigned slices);
    ChunkIndex open_chunks(unsigned count);
    void count_open(int chunks, PageKind pages);
    Run take_part(ChunkIndex index, unsigned first, unsigned count);
    void give_part(ChunkIndex index, unsigned first, unsigned count);
    void enter_bucket(ChunkIndex index);
    void leave_bucket(ChunkIndex index);
    uint64_t excess() const;

    struct Bucket // null-initialised means empty
    {
        ChunkIndex first_plus_one = 0;
    };

    ChunkSpace chunks_;
    Slack slack_;
    Bucket buckets_[slices_per_chunk];     // open chunks by the number of their free slices, 1 to 31
    uint32_t filled_buckets_ = 0;          // a bit per bucket that is not empty
    std::atomic<uint64_t> open_chunks_{0}; // written under the lock, read by arenas (relaxed)
    uint64_t open_huge_chunks_ = 0;
    ChunkIndex last_opened_plus_one_ = 0;
};

extern NodeHeap node_heaps[node_limit];

// The heap of a node; the first caller for a node makes it. All bytes of a heap nobody uses are zero and untouched.
NodeHeap &node_heap(Node node);

// Heaps that were asked for, in the order of their numbers.
template <typename Each>
void for_each_node_heap(Each each);

// The heap that has the region of a slice.
NodeHeap &node_heap_of(SliceIndex slice);

// A bit per word of used_nodes, and one per heap. node_heap() sets them in this order and adds the second by a release:
// who gets a heap by its acquire of that bit, and whoever hears from him, sees both. So a heap not listed was never
// locked.
constexpr unsigned node_words = node_limit / 64;
extern std::atomic<uint64_t> used_node_words;
extern std::atomic<uint64_t> used_nodes[node_words];

template <typename Each>
void for_each_node_heap(Each each)
{
    for (uint64_t words = used_node_words.load(std::memory_order_relaxed); words != 0; words &= words - 1)
    {
        const int word = lowest_bit(words);
        for (uint64_t nodes = used_nodes[word].load(std::memory_order_relaxed); nodes != 0; nodes &= nodes - 1)
            each(node_heaps[word * 64 + lowest_bit(nodes)]);
    }
}

} // namespace fastalloc
