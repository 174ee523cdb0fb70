// SPDX-License-Identifier: MIT
//
// Arena: what a thread allocates from, and the whole fast path.
//
//     malloc: words.malloc_arena -> class -> bin -> pop            empty bin or big size: allocate_slow
//     free:   window -> record -> owner is words.free_arena -> bin -> push     anything else: release_slow
//
// The *private* part (heads and rooms of bins, outbox) belongs to the attached thread alone, without a lock, and is
// bounded in bytes. Everything else is under the arena's lock, which the owner takes once per slow path and anybody
// else who needs it takes too: purge, statistics, heap check, fork, a thread that drains the inbox.
//
// Modes never touch the fast path: they swap the words a thread looks at for an arena whose bins are empty and whose
// operations differ (empty_arena: not attached yet, or asked to purge; ending_arena: the thread is nearly gone;
// watched_arena: every call is looked at). All a fast path may reach hangs off the arena.
//
// Locks are taken in this order: registry, arena, node heap, window, outside registry; a second arena by try_lock only.
#pragma once

#include "arena/bin.h"
#include "arena/countdown.h"
#include "arena/ebb.h"
#include "arena/homing.h"
#include "arena/operations.h"
#include "heap/node_heap.h"
#include "heap/window.h"

#include <atomic>

namespace fastalloc
{

// A thread's own: initial-exec TLS. The first two are written under the registry's lock only, by their thread or by an
// installer, and read by their thread without one (relaxed). tests/models/words.h checks this protocol.
struct ThreadWords
{
    std::atomic<Arena *> malloc_arena; // never null
    std::atomic<Arena *> free_arena;   // never null
    Arena *self;                       // the arena this thread is attached to, null before and after
    std::atomic<const void *> calls;   // the callbacks it is in, null if in none: watch/hooks.cpp
};
static_assert(sizeof(ThreadWords) == 32, "TLS is scarce: dlopen must find room for ours");

extern constinit thread_local ThreadWords thread_words;

// Remote frees held back, for one owner each.
struct OutboxSlot
{
    Arena *owner;
    void *first;
    void *last;
    uint32_t bytes;
};

constexpr unsigned no_bin = class_count; // always empty and full: what records of medium spans name
constexpr unsigned default_bins = class_count + 1;

// Numbers of slices plus one: all zero is empty. A span with blocks to be counted waits for that first.
struct SpanQueue
{
    uint32_t first_plus_one = 0;
    uint32_t last_plus_one = 0;
};
constexpr uint8_t idle_queue = 0;
constexpr uint8_t uncounted_queue = 1;

class Arena
{
public:
    enum class Purpose
    {
        thread,
        common,  // for threads that have none of their own
        samples, // its blocks are looked up when they are freed: watch/sampler.h
    };

    explicit constexpr Arena(const ArenaOperations *its_operations, Node its_place = 0,
                             Purpose purpose = Purpose::thread)
        : operations(its_operations),
          place(its_place),
          has_samples(purpose == Purpose::samples),
          is_common(purpose != Purpose::thread)
    {
    }

    // ---- slow paths of the attached thread -------------------------------------------------------------

    // A block of a class whose active stack is empty: from the spare, or from spans, which fill the bin too.
    Allocation allocate_small(SizeClass size_class);

    // A block of ours, of a small class, that its active stack has no room for.
    void release_small(Span *record, void *block);

    // The slow twins' own bins for medium blocks: as the fast path's for small ones, and a bit per block to see double
    // frees.
    Allocation allocate_medium(SizeClass size_class);
    void release_medium(Span *record, void *block);

    // A block of another arena: into the outbox, or on to its owner's inbox.
    void release_remote(Arena *owner, Span *record, void *block);

    // Everything private back to the spans and to other owners, all leases given back. Also for a thread that has the
    // lock of an arena nobody is attached to.
    void flush();

    // At the end of a thread: as flush(), but bins may stay filled for the next thread, as far as they need no lease.
    enum class Bins
    {
        emptied,
        kept,
    };
    Bins hand_over(Bins wanted);

    // ---- for any thread --------------------------------------------------------------------------------

    // One block straight from a span, for threads without an arena.
    Allocation allocate_locked(SizeClass size_class);

    // Blocks first .. last, linked, go to this arena's inbox; whoever fills it above its bound drains it.
    void push_inbox(void *first, void *last, uint32_t bytes);

    // Sorts the inbox into the spans, unless somebody holds the lock, who will look again himself.
    void drain_if_full();
    void drain();

    // For who has just unlocked: drains if a pusher filled the inbox and could not.
    void look_at_inbox()
    {
        // Sequentially consistent like the pusher's addition and its failed attempt at the lock: one of both sees the
        // other.
        if (FASTALLOC_UNLIKELY(inbox_bytes_.load() > inbox_bound))
            drain_if_full();
    }

    // The private part of an arena that nobody is attached to but whose bins are filled, or whose thread did not
    // survive a fork: back to the spans. Requires: lock held.
    void settle();

    // Finds out what is idle of this arena's spans until at most `keep` bytes of its node may be. Requires: lock held.
    void count_idle(uint64_t keep);

    // Whether spans of this arena may have idle pages: a hint, any thread.
    bool may_have_idle() const
    {
        return may_have_idle_.load(std::memory_order_relaxed);
    }

    // Gives back idle pages of this arena's spans until at most `keep` bytes of its node are idle. Requires: lock held.
    void discard_idle(uint64_t keep);

    // Where its lists of free blocks begin, by bin or outbox slot, for a look at a thread that may be in the middle of an
    // operation: arena/verify.cpp. While it hands over, a batch is out of the outbox and not yet in the owner's inbox.
    enum class FreeList
    {
        active,
        spare,
        outbox,
        inbox,
    };
    const void *first_in(FreeList list, unsigned number = 0) const;
    bool is_handing_over() const;

    // The first broken invariant of what is not private, or null. Requires: lock held.
    const char *verify() const;

    // The first broken invariant of the bins, or null. Requires: called by the attached thread, or no thread is
    // attached.
    const char *verify_bins() const;

    struct Figures
    {
        uint64_t cached_bytes; // with those in the outbox
        uint64_t outbox_bytes; // which are other arenas'
        uint64_t inbox_bytes;
        uint64_t refills;
        uint64_t overflows;
        uint64_t remote_batches;
        uint64_t remote_bytes;  // in those batches
        uint64_t charged_bytes; // that bins may hold
        int64_t handed_out_pending;
        int64_t idle_pending;
        int64_t held_bytes; // in blocks of its spans that are handed out
    };
    // Requires: lock held; without it each figure is as it was at some time.
    Figures figures() const;

    // Blocks of a class in its bin, of both stacks. The same.
    uint32_t blocks_in_bin(unsigned index) const;

    // Bytes that wait in the outbox for one owner; for all owners of a place. The same.
    uint64_t outbox_bytes_for(const Arena *owner) const;
    uint64_t outbox_bytes_on(Node of_place) const;

    // The blocks in inbox and outbox are added to `blocks`, by class; those of one node's memory, or all if that is null.
    // Blocks move on while other threads run: each is looked at before its link is followed, so no walk leads astray.
    void count_boxed(const NodeHeap *of, uint64_t *blocks) const;

    NodeHeap &heap() const
    {
        return node_heap(place);
    }

    // The bin a request names.
    FASTALLOC_INLINE Bin &bin_at(size_t offset)
    {
        return *reinterpret_cast<Bin *>(reinterpret_cast<char *>(bins) + offset);
    }

    // What it does when nobody has given it another table.
    const ArenaOperations *usual_operations() const;

    Bin bins[default_bins] = {};
    CurrentOperations operations;
    uint64_t link_secret = 0; // the window's, at hand for the fast path

    Lock lock;
    Node place; // all its spans lie there

    // The registry's, under its lock; `attached` is also changed under this arena's lock and read relaxed before trying
    // that.
    std::atomic<bool> attached{false};
    bool has_samples;        // see Purpose
    bool is_common;          // serves threads without an arena, never adopted
    bool abandoned = false;  // its thread did not survive a fork: settle() before use
    bool warm = false;       // nobody is attached, its bins are filled: settle() before a span is adopted. Its lock's
    bool homed = false;      // its thread has a home: there are several nodes
    uint8_t exit_rounds = 0; // times the key's destructor has run for this thread
    ThreadWords *words = nullptr; // of the attached thread
    Countdown to_next_sample;     // the same
    Arena *next_detached = nullptr;
    Homing homing;                            // of the attached thread
    std::atomic<Arena *> next_arena{nullptr}; // all arenas there ever were, see Registry

private:
    friend struct LayoutMaker; // heap/layout.h
    struct Chain
    {
        void *first = nullptr;
        uint32_t count = 0;
        bool zeroed = false; // the one block of it is
    };

    Allocation refill(SizeClass size_class);
    void overflow(Span *record, void *block);
    bool make_spare(unsigned index);
    bool take_spare(unsigned index);
    const char *verify_stack(const void *block, unsigned index, uint32_t count) const;

    // All require the lock.
    uint32_t blocks_ready(SizeClass size_class) const;
    void gather(SizeClass size_class, uint32_t wanted, Chain *chain);
    void take_listed(Span *span, uint32_t wanted, Chain *chain);
    void take_fresh(Span *span, uint32_t wanted, Chain *chain);
    void take_medium(Span *span, Chain *chain);
    Span *span_with_room(SizeClass size_class);
    Span *adopt_span(SizeClass size_class);
    Span *new_span(SizeClass size_class);
    void give_span(Span *span);
    void list_span(Span *span);
    void unlist_span(Span *span);
    void splice(Span *span, void *first, void *last, uint32_t count);
    void return_blocks(void *first, uint32_t count);
    void return_colder(Bin *bin, uint32_t keep);
    void return_spare(unsigned index);
    void unmark_binned(const void *block);
    void give_medium(Span *head, void *block);
    void drain_locked();
    void count_handed_out(int64_t bytes);
    void flush_locked();
    void recover_locked();
    bool flush_slot(OutboxSlot *slot);
    void count_batch(const void *first, const void *last, uint32_t bytes);
    void link_into_inbox(void *first, void *last);
    void inbox_grew(uint32_t bytes);

    // arena/idle.cpp
    void reckon_idle(Span *span);
    void put_in_queue(Span *span, uint32_t reckoned, uint8_t queue);
    void tell_idle();
    void look_at_bound();
    void forget_idle(Span *span);
    void count_blocks(Span *span);
    void discard_pages(Span *span);
    uint64_t discard_small(Span *span);
    void unlist_discarded(Span *span, uint32_t listed);
    uint64_t discard_medium(Span *span);
    void restore_blocks(Span *span);
    static void tell_if_filled(const Span *span);

    // arena/budget.cpp
    void adjust_limit(unsigned index);
    void raise_limit(unsigned index);
    void lower_limit(unsigned index, uint32_t limit);
    void set_charged(uint64_t bytes);
    bool holds_lease() const;
    uint64_t own_share() const;
    uint64_t bytes_in_bins() const;
    bool owes_lease() const;
    bool ebbs();
    void empty_bins();
    void slow_path_done();
    void verify_or_die() const;
    void look_for_unused_bins();

    BinBack backs_[class_count] = {};
    uint64_t charged_ = 0;   // sum of 2 x limit x block size over all bins
    int64_t handed_out_ = 0; // not yet in the node's total
    int64_t held_ = 0;       // bytes in blocks of its spans that are handed out
    Ebb ebb_;
    unsigned given_ = 0;      // slices given back to the node heap, less those taken since
    int64_t idle_ = 0;        // bytes of its spans that may have become idle, not yet in the node's total
    bool may_exceed_ = false; // more may be idle, or the bound be lower, since somebody looked
    SpanQueue queues_[2];     // spans that may have idle pages, linked through their SpanPages
    std::atomic<bool> may_have_idle_{false}; // whether one of them is not empty; read without the lock (relaxed)
    uint32_t slow_paths_ = 0;
    Arena *adopt_cursor_ = nullptr; // where the last search for detached arenas stopped
    uint64_t refills_ = 0;
    uint64_t overflows_ = 0;

    // Private part: the attached thread only.
    OutboxSlot outbox_[outbox_slots] = {};
    std::atomic<uint32_t> outbox_total_{0};   // bytes; read by statistics, relaxed
    std::atomic<uint64_t> remote_batches_{0}; // the same
    std::atomic<bool> is_handing_over_{false};
    std::atomic<uint64_t> remote_bytes_{0}; // the same

    // The inbox: a stack of batches. Push: compare-and-swap (release); taken whole by exchange (acquire). Written by
    // all threads, so on a line of its own.
    alignas(64) std::atomic<void *> inbox_{nullptr};
    std::atomic<int64_t> inbox_bytes_{
        0}; // pushed and not yet drained; lags behind, below 0 even, while a push is under way
};

static_assert(sizeof(Arena) <= 4096, "an arena's every-day part is one page");

// See Lock::MayWait.
bool may_wait();

extern Arena empty_arena;  // where every thread's words start; also: somebody wants this thread to flush
extern Arena ending_arena; // where they end: each call looks at what stray_arena's callers look at just then
extern Arena stray_arena;  // serves threads that have no arena

extern const ArenaOperations attached_operations;
extern const ArenaOperations homed_operations; // the same where threads have homes
extern const ArenaOperations stray_operations;

inline const ArenaOperations *Arena::usual_operations() const
{
    return homed ? &homed_operations : &attached_operations;
}

// ---- giving back, arena/idle.cpp ------------------------------------------------------------------------

// If more than `most` bytes are idle on a node, gives back what exceeds `keep`, which is less where it would otherwise be
// the same again soon: chunks, slices, then pages of spans, for which it takes the locks of arenas that nobody holds.
// `mine`: an arena whose lock the caller has, or null. Requires: no lock of a node heap.
void give_back(NodeHeap &heap, uint64_t keep, uint64_t most, Arena *mine);

// The same down to the bound, if more is idle.
void give_back_excess(NodeHeap &heap, Arena *mine);

// ---- the fast path ------------------------------------------------------------------------------------

// The slow twins: operations of the arena the words name. allocate_slow sets errno to ENOMEM where it returns null.
FASTALLOC_SLOW void *allocate_slow(size_t size);
FASTALLOC_SLOW void release_slow(void *block);

// A block that is in the bin, or null: the slow twin's work. Requires: size <= small_max.
FASTALLOC_INLINE void *allocate_fast(size_t size)
{
    Arena *const arena = thread_words.malloc_arena.load(std::memory_order_relaxed);
    Bin &bin = arena->bin_at(bin_offset_of(size));
    if (FASTALLOC_UNLIKELY(bin.head == nullptr))
        return nullptr;
    return bin.pop(arena->link_secret);
}

// Whether the block went to its bin; else it is the slow twin's. `block` may be any pointer.
FASTALLOC_INLINE bool release_fast(void *block)
{
    const uintptr_t base = window_bounds.base;
    const uintptr_t offset = reinterpret_cast<uintptr_t>(block) - base;
    if (FASTALLOC_UNLIKELY(offset >= window_bounds.limit_bytes.get()))
        return false;
    const Span *const record = span_at_offset(base, offset);
    Arena *const arena = thread_words.free_arena.load(std::memory_order_relaxed);
    if (FASTALLOC_UNLIKELY(record->owner.get() != arena))
        return false;
    Bin &bin = *record->bin;
    if (FASTALLOC_UNLIKELY(bin.head == block) || FASTALLOC_UNLIKELY(!record->begins_block(block)))
        return false;
    return bin.push(block, arena->link_secret);
}

} // namespace fastalloc
