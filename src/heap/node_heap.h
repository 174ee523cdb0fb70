// SPDX-License-Identifier: MIT
//
// NodeHeap: the memory of one place: of a NUMA node, shared by all threads that run there, or of none in particular.
//
// Gives and takes back runs of slices: spans for arenas, large blocks, arenas themselves. A run shorter than a chunk is
// packed into the fullest open chunk that has room for it, so that emptying chunks empty entirely; a longer one takes
// chunks in a row, and what it leaves of the last one is packed with others.
//
// *Idle* is what holds memory and is nobody's: free whole chunks (slack), free slices of open chunks, and pages of spans,
// which arenas count. What exceeds Slack::bound() goes back at once, chunks first, then slices, then pages: the first two
// by whoever frees them, pages by arenas that see exceeds().
//
// Invariants: every committed chunk of the node is free (in the ChunkSpace), leaving, or open; an open chunk with
// free slices is in the packing list of its free count and in no other. While arenas have no idle pages, idle bytes stay
// below the bound and a step once give() has returned.
//
// Owner: its lock, taken after an arena's lock and before the window's. Functions lock for themselves unless they say
// so. `handed_out` and `charged` are written by arenas, relaxed: figures for bounds, which orders nothing.
#pragma once

#include "heap/chunk_space.h"
#include "heap/density.h"
#include "heap/slack.h"
#include "os/options.h"

#include <atomic>

namespace fastalloc
{

// How many chunks are opened before one is looked at: until then its blocks should be in use.
constexpr unsigned density_samples = 4;

class NodeHeap
{
public:
    struct Run
    {
        SliceIndex slice; // no_slice: memory is refused
        bool zeroed;      // never written since the kernel gave it
        bool intact;      // one slice, given back as an intact span and not touched since
    };

    // What is known of the blocks a run is for: of those of at most a page every page is touched. Others are kept off huge
    // pages unless they are known to be dense.
    enum class Blocks
    {
        up_to_a_page,
        larger,
    };

    // Whether the taker may have given as much back: only then it was given back to the kernel too early. What others gave
    // back before they fell asleep says nothing of those that begin.
    enum class Need
    {
        first,
        again,
    };

    // `slices` in a row, beginning at a multiple of `alignment` slices. The records of the run still say "free,
    // nobody". Requires: slices <= slices_per_region, alignment a power of two <= slices_per_chunk.
    Run take(unsigned slices, unsigned alignment = 1, Blocks blocks = Blocks::up_to_a_page, Need need = Need::again);

    // take() for a caller that holds the lock.
    Run take_locked(unsigned slices, unsigned alignment, Blocks blocks, Need need = Need::again);

    // The memory of a slice that was taken goes back, unless it is part of a huge page. False: it holds what it held.
    bool discard_taken(SliceIndex slice);

    // Takes slices [slice, slice + count) if they are all free: a large block, of which slice - 1 is the last, grows in
    // place. Requires: lock held.
    bool take_exactly(SliceIndex slice, unsigned count);

    // What slices that are given hold. An intact span is one slice that is as its record, its list and its SpanPages say:
    // who takes the slice next for a span of the same class is told, and need not link the blocks again.
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

    // Idle bytes that may stay, and whether there are more, by a step: then it is worth giving back.
    uint64_t bound() const;
    bool exceeds() const;

    uint64_t idle_bytes() const
    {
        return free_bytes() + bytes_in_spans();
    }

    // Whether parts of chunks can be given back: not where memory comes from the pool of hugetlbfs.
    static bool parts_go_back()
    {
        return options().huge != Huge::hugetlb;
    }

    // Gives back free chunks, then free slices, until at most `keep` bytes are idle. Returns the bytes given back.
    uint64_t return_free(uint64_t keep);

    int64_t idle_in_spans() const
    {
        return idle_in_spans_.load(std::memory_order_relaxed);
    }

    // Arenas tell what of their spans may be idle has become more or less.
    void count_idle_in_spans(int64_t bytes)
    {
        idle_in_spans_.fetch_add(bytes, std::memory_order_relaxed);
    }

    // `bytes` of pages of a span have gone back, which begins with this slice; are wanted again.
    void pages_returned(SliceIndex slice, uint64_t bytes);
    void pages_wanted(uint64_t bytes);

    // Every page of this slice was handed out as blocks of at most a page, so programs have touched it, and none has gone
    // back since. Any lock.
    static void slice_is_filled(SliceIndex slice);

    // What was given back out of huge pages goes to the system now.
    void split_broken();

    // Called by slow paths now and then: lets time pass and gives back free chunks and slices that need not stay.
    // Returns how many bytes may be idle, for arenas.
    uint64_t tick();

    // The same: puts a chunk of small pages onto a huge one where that is worth it, if the last was not just now.
    void promote_now_and_then();

    // The same whenever the last was. False if there is none.
    bool promote();

    // Bytes of blocks that programs hold: handed out less what bins may hold.
    uint64_t live_bytes() const
    {
        const uint64_t out = handed_out.load(std::memory_order_relaxed);
        const uint64_t in_bins = charged.load(std::memory_order_relaxed);
        return out > in_bins ? out - in_bins : 0;
    }

    // Of these, those in spans.
    uint64_t live_in_spans() const
    {
        const uint64_t live = live_bytes();
        const uint64_t large = in_large_.load(std::memory_order_relaxed);
        return live > large ? live - large : 0;
    }

    // Large blocks have come or gone. Requires: lock held.
    void count_large(int64_t bytes)
    {
        handed_out.fetch_add(static_cast<uint64_t>(bytes), std::memory_order_relaxed); // wraps where it sinks
        in_large_.store(in_large_.load(std::memory_order_relaxed) + static_cast<uint64_t>(bytes),
                        std::memory_order_relaxed);
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
        uint64_t idle_bytes; // with slack
        uint64_t broken_chunks;
        uint64_t charged_bytes;
        uint64_t committed_bytes;
        uint64_t demand_bytes;
        uint64_t returned_bytes;
        uint64_t returned_in_part; // of these, not as whole chunks
        uint64_t promoted_chunks;
        uint64_t huge_unused_bytes; // of open chunks that use huge pages, in no span or run
        uint64_t spans_of_locals;   // taken by arenas, a running total; so are the next
        uint64_t spans_of_movers;
        uint64_t freed_for_others; // blocks, by threads of this place
        uint64_t freed_by_others;  // the reverse
        uint64_t refusals;         // of the kernel to be asked for this place
    };
    // Requires: lock held.
    Figures figures() const;

    // The one of them that needs no walk along the chunks. Requires: lock held.
    uint64_t returned_bytes() const
    {
        return slack_.returned_total();
    }

    // The first thing that is wrong with chunks, bitmaps or lists, or null. Requires: lock held.
    const char *verify() const;

    void after_fork_in_child()
    {
        chunks_.after_fork_in_child();
    }

    void set_place(Node place)
    {
        chunks_.set_place(place);
    }

    Node place() const
    {
        return chunks_.place();
    }

    // The kernel has refused to be asked for this place.
    void count_refusal()
    {
        chunks_.count_refusal();
    }

    // An arena has taken a span, for a thread that has moved here or one that began here.
    void count_span(bool for_who_moved)
    {
        (for_who_moved ? spans_of_movers_ : spans_of_locals_).fetch_add(1, std::memory_order_relaxed);
    }

    // Blocks of another place were freed by a thread of this one.
    void count_freed_for(NodeHeap *owners, uint64_t blocks)
    {
        freed_for_others_.fetch_add(blocks, std::memory_order_relaxed);
        owners->freed_by_others_.fetch_add(blocks, std::memory_order_relaxed);
    }

    Lock lock;
    std::atomic<uint64_t> handed_out{0}; // class bytes in blocks outside the spans and large blocks
    std::atomic<uint64_t> charged{0};    // class bytes that bins of this node's arenas may hold

private:
    friend struct LayoutMaker; // heap/layout.h
    // Arenas tell late: the sum may be below 0 for a while.
    uint64_t bytes_in_spans() const
    {
        const int64_t in_spans = idle_in_spans_.load(std::memory_order_relaxed);
        return in_spans > 0 ? static_cast<uint64_t>(in_spans) : 0;
    }

    uint64_t free_bytes() const
    {
        const uint64_t slices = parts_go_back() ? idle_slices_.load(std::memory_order_relaxed) : 0;
        return chunks_.slack_chunks() * chunk_bytes + slices * slice_bytes;
    }

    // All require the lock.
    Run take_packed(unsigned slices, unsigned alignment, Blocks blocks);
    Run take_fullest(bool huge_too, unsigned slices, unsigned alignment);
    Run take_from(PageKind pages, unsigned fill, unsigned slices, unsigned alignment);
    Run take_chunks(unsigned slices, Blocks blocks);
    ChunkIndex open_chunks(unsigned count, Blocks blocks);
    bool wants_huge(unsigned count, Blocks blocks);
    void look_at_samples();
    ChunkIndex find_dense();
    void open(ChunkIndex index);
    void close(ChunkIndex index);
    uint64_t return_slack(uint64_t keep);
    uint64_t return_slices(uint64_t keep);
    uint64_t return_slices_of(ChunkIndex index, uint64_t most);
    void break_up(ChunkIndex index);
    void idle_changed(ChunkIndex index, int slices);
    void count_fresh(Need need);
    void returned(uint64_t bytes);
    void returned_parts(uint64_t bytes);
    void taken_again(uint64_t bytes);
    Run take_part(ChunkIndex index, unsigned first, unsigned count);
    void give_part(ChunkIndex index, unsigned first, unsigned count);
    void enter_bucket(ChunkIndex index);
    void leave_bucket(ChunkIndex index);

    struct Bucket // null-initialised means empty
    {
        ChunkIndex first_plus_one = 0;
    };

    ChunkSpace chunks_;
    Slack slack_;
    Bucket buckets_[page_kinds][slices_per_chunk]; // open chunks by the number of their free slices, 1 to 31
    uint32_t filled_buckets_[page_kinds] = {};     // a bit per bucket that is not empty
    std::atomic<uint64_t> open_chunks_{0};         // written under the lock, read by arenas (relaxed)
    uint64_t open_huge_chunks_ = 0;
    uint64_t returned_in_part_ = 0;
    uint64_t fresh_slices_ = 0;            // taken without memory since count_fresh()
    std::atomic<uint64_t> in_large_{0};    // bytes of large blocks; as open_chunks_
    std::atomic<uint64_t> idle_slices_{0}; // free and written, of open chunks; as open_chunks_
    uint32_t idle_first_plus_one_ = 0;     // queue of the chunks that have them
    uint32_t idle_last_plus_one_ = 0;
    std::atomic<uint64_t> demand_bytes_{0};   // slack_'s; as open_chunks_
    std::atomic<int64_t> idle_in_spans_{0};   // arenas add to it (relaxed)
    ChunkIndex last_opened_plus_one_[2] = {}; // by Blocks
    Density density_;
    ChunkIndex samples_plus_one_[density_samples] = {}; // the last small chunks that were opened for larger blocks
    unsigned next_sample_ = 0;
    ChunkIndex look_at_ = no_chunk; // next in the round that looks for dense chunks; beyond the last: it is over
    std::atomic<uint64_t> promote_again_ms_{0}; // by any thread (relaxed): at worst two look
    uint64_t round_began_ms_ = 0;
    uint64_t promoted_ = 0; // chunks, a running total
    // Figures, by any thread (relaxed).
    std::atomic<uint64_t> spans_of_locals_{0};
    std::atomic<uint64_t> spans_of_movers_{0};
    std::atomic<uint64_t> freed_for_others_{0};
    std::atomic<uint64_t> freed_by_others_{0};
};

extern NodeHeap node_heaps[place_limit];

// The heap of a place; the first caller for a place makes it. All bytes of a heap nobody uses are zero and untouched.
NodeHeap &node_heap(Node place);

// See Lock::MayWait. There are several such locks and no order among them: who has one waits for no other.
bool may_wait_for_heap();

// Heaps that were asked for, in the order of their numbers.
template <typename Each>
void for_each_node_heap(Each each);

// The heap that has the region of a slice.
NodeHeap &node_heap_of(SliceIndex slice);

// A bit per word of used_nodes, and one per heap. node_heap() sets them in this order and adds the second by a release:
// who gets a heap by its acquire of that bit, and whoever hears from him, sees both. So a heap not listed was never
// locked.
constexpr unsigned node_words = node_limit / 64 + 1;
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
