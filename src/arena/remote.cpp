// SPDX-License-Identifier: MIT
//
// Remote frees: blocks of another arena travel in batches from the freeing thread's outbox to the owner's inbox.
//
//     free -> outbox slot of that owner --full--> owner's inbox --> owner's next slow path sorts it into its spans
//                                                         '--above its bound--> the pusher sorts it, so that a
//                                                                              sleeping owner's memory is not stranded
//
// A push is one compare-and-swap, the inbox is taken whole by one exchange: there is no half-linked state, so a thread
// may be preempted, killed or forked away anywhere. A span may have changed its owner since its block was pushed: the
// drainer keeps what is the arena's and forwards the rest. tests/models/inbox.cpp and owner.h check this protocol.
#include "arena/arena.h"

#include "arena/arena_guard.h"
#include "arena/misuse.h"
#include "base/probes.h"
#include "os/barrier.h"

namespace fastalloc
{
namespace
{

// Arenas are slices, so their slice numbers differ in the low bits.
unsigned slot_of(const Arena *owner)
{
    return reinterpret_cast<uintptr_t>(owner) / slice_bytes % outbox_slots;
}

// On several nodes. The blocks were freed just now, so their links are at hand; whose they are is read from the region,
// for the owner's lines are its own thread's.
FASTALLOC_SLOW void count_freed_for_others(NodeHeap *freers, const void *first, const void *last)
{
    NodeHeap &owners = node_heap_of(slice_of(record_of(first)));
    if (&owners == freers)
        return;
    // A block that was freed twice, or written to since, leads astray: who sorts the batch in says so.
    constexpr uint64_t most = outbox_bytes / sizeof(void *);
    uint64_t blocks = 1;
    for (const void *block = first; block != last && blocks < most; ++blocks)
    {
        block = next_of(block);
        if (!in_window(reinterpret_cast<uintptr_t>(block)))
            break;
    }
    freers->count_freed_for(&owners, blocks);
}

} // namespace

FASTALLOC_INLINE void Arena::count_batch(const void *first, const void *last, uint32_t bytes)
{
    remote_batches_.store(remote_batches_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    remote_bytes_.store(remote_bytes_.load(std::memory_order_relaxed) + bytes, std::memory_order_relaxed);
    if (FASTALLOC_UNLIKELY(homed))
        count_freed_for_others(&heap(), first, last);
}

// Sends a slot on. Returns whether there was anything.
bool Arena::flush_slot(OutboxSlot *slot)
{
    if (slot->first == nullptr)
        return false;
    Arena *const owner = slot->owner;
    void *const first = slot->first;
    void *const last = slot->last;
    const uint32_t bytes = slot->bytes;
    // Out of the slot before it is in the inbox: a fork in between loses a batch in the child, but never has it twice.
    outbox_total_.store(outbox_total_.load(std::memory_order_relaxed) - bytes, std::memory_order_relaxed);
    is_handing_over_.store(true, std::memory_order_relaxed);
    barrier::release(); // whoever finds the slot empty finds this
    *slot = {};
    std::atomic_signal_fence(std::memory_order_release);
    count_batch(first, last, bytes);
    FASTALLOC_PROBE3(hand_over, this, owner, bytes);
    owner->link_into_inbox(first, last);
    is_handing_over_.store(false, std::memory_order_release);
    owner->inbox_grew(bytes);
    return true;
}

void Arena::release_remote(Arena *owner, Span *record, void *block)
{
    const auto bytes = static_cast<uint32_t>(class_bytes(record->size_class));
    if (FASTALLOC_UNLIKELY(!block_begins(record, block)))
        fatal_inside("free", block, bytes);
    if (bytes >= outbox_bytes)
    {
        count_batch(block, block, bytes);
        FASTALLOC_PROBE3(hand_over, this, owner, bytes);
        return owner->push_inbox(block, block, bytes);
    }
    OutboxSlot *const slot = &outbox_[slot_of(owner)];
    if (slot->owner != owner)
    {
        flush_slot(slot);
        slot->owner = owner;
    }
    if (FASTALLOC_UNLIKELY(slot->first == block))
        fatal_double_free(block, bytes);
    set_next(block, slot->first);
    if (slot->first == nullptr)
        slot->last = block;
    std::atomic_signal_fence(std::memory_order_release); // as in Bin::push
    slot->first = block;
    slot->bytes += bytes;
    const uint32_t total = outbox_total_.load(std::memory_order_relaxed) + bytes;
    outbox_total_.store(total, std::memory_order_relaxed);
    if (total > outbox_bytes)
        flush_slot(slot);
}

FASTALLOC_INLINE void Arena::link_into_inbox(void *first, void *last)
{
    void *head = inbox_.load(std::memory_order_relaxed);
    do
    {
        // In the inbox already, and nothing has come since: no block of the program's can be its head.
        if (FASTALLOC_UNLIKELY(head == first))
            fatal_double_free(first, class_bytes(record_of(first)->size_class));
        set_next(last, head);
    } while (!inbox_.compare_exchange_weak(head, first, std::memory_order_release, std::memory_order_relaxed));
}

FASTALLOC_INLINE void Arena::inbox_grew(uint32_t bytes)
{
    // Sequentially consistent, like the attempt at the lock that follows: see ArenaGuard's destructor.
    if (inbox_bytes_.fetch_add(bytes) + bytes <= inbox_bound)
        return;
    drain_if_full();
    give_back_excess(heap(), nullptr);
}

void Arena::push_inbox(void *first, void *last, uint32_t bytes)
{
    link_into_inbox(first, last);
    inbox_grew(bytes);
}

void Arena::drain_if_full()
{
    do
    {
        Guard guard(lock, Guard::Try{});
        if (!guard)
            return; // the holder looks again when it has unlocked
        drain_locked();
    } while (inbox_bytes_.load() > inbox_bound);
}

void Arena::drain()
{
    ArenaGuard guard(this);
    if (!guard)
        return;
    drain_locked();
    give_back_excess(heap(), this);
}

void Arena::drain_locked()
{
    void *block = inbox_.exchange(nullptr, std::memory_order_acquire);
    int64_t drained = 0;
    while (block != nullptr)
    {
        const auto address = reinterpret_cast<uintptr_t>(block);
        if (FASTALLOC_UNLIKELY(!in_window(address)))
            fatal_broken_link(block);
        Span *const record = span_of(address);
        Arena *const owner = record->owner.load();
        if (FASTALLOC_UNLIKELY(owner == nullptr))
            fatal_foreign("free", block);
        const size_t bytes = class_bytes(record->size_class);
        drained += static_cast<int64_t>(bytes);
        void *next = next_of(block);
        if (owner != this)
            owner->push_inbox(block, block, static_cast<uint32_t>(bytes));
        else if (!is_small(record->size_class))
            give_medium(head_of(record), block);
        else
        {
            // A run of one span is spliced in at once.
            void *last = block;
            uint32_t run = 1;
            for (; (reinterpret_cast<uintptr_t>(next) ^ address) < slice_bytes; ++run)
            {
                if (FASTALLOC_UNLIKELY(run > record->handed_out)) // a circle: a block freed twice
                    fatal_too_many_blocks(record);
                last = next;
                next = next_of(last);
            }
            drained += static_cast<int64_t>((run - 1) * bytes);
            splice(record, block, last, run);
        }
        block = next;
    }
    inbox_bytes_.fetch_sub(drained, std::memory_order_relaxed);
}

} // namespace fastalloc
