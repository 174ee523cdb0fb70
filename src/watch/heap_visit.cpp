// SPDX-License-Identifier: MIT
#include "watch/heap_visit.h"

#include "arena/registry.h"
#include "os/barrier.h"
#include "os/clock.h"

#include <sched.h>

namespace fastalloc
{
namespace
{

// How often a list is begun anew that led astray or had another head at the end of the walk: its thread may have been in
// an operation, but not in many.
constexpr int attempts = 4;

// The next free block. Its own thread may just hand this one out, and then it leads anywhere.
const void *peek_next(const void *block)
{
    return reinterpret_cast<const void *>(peek(static_cast<const uint64_t *>(block)) ^ window_bounds.link_secret);
}

// What ends a list badly: a link that leads to no block of its kind, or back. Null if it ends well.
//
// A circle is seen by a block that is kept in mind while twice as many are passed as the time before.
template <typename Belongs>
const void *take_out_list(HeapSnapshot *snapshot, const void *block, Belongs belongs)
{
    const void *in_mind = nullptr;
    for (uint64_t passed = 0, turn = 1; block != nullptr; ++passed)
    {
        if (block == in_mind || !in_window(reinterpret_cast<uintptr_t>(block)) ||
            !belongs(span_of(reinterpret_cast<uintptr_t>(block))) || !snapshot->take_out(block))
            return block;
        if (passed == turn)
        {
            in_mind = block;
            passed = 0;
            turn *= 2;
        }
        block = peek_next(block);
    }
    return nullptr;
}

// The stacks of a bin. They may change places, by one operation at most, so the active one is
// looked at again.
void take_out_bin(HeapSnapshot *snapshot, const Arena *arena, unsigned index)
{
    const auto belongs = [=](const Span *record) {
        return record->owner.load() == arena && record->size_class == index;
    };
    const void *astray = nullptr;
    for (int attempt = 0; attempt < attempts; ++attempt)
    {
        const void *const active = arena->first_in(Arena::FreeList::active, index);
        astray = take_out_list(snapshot, active, belongs);
        if (astray == nullptr)
            astray = take_out_list(snapshot, arena->first_in(Arena::FreeList::spare, index), belongs);
        if (astray == nullptr && arena->first_in(Arena::FreeList::active, index) == active)
            return;
        barrier::heavy();
    }
    if (astray != nullptr)
        snapshot->breaks("a free block leads astray, or was freed twice: a bin has one that leads to", astray);
}

bool has_owner(const Span *record)
{
    return record->owner.load() != nullptr;
}

// Blocks that a thread has freed for others. What it hands over goes on in the owner's inbox.
template <typename Head>
void take_out_freed_for_others(HeapSnapshot *snapshot, Head head)
{
    const void *astray = nullptr;
    for (int attempt = 0; attempt < attempts; ++attempt)
    {
        astray = take_out_list(snapshot, head(), has_owner);
        if (astray == nullptr)
            return;
        barrier::heavy();
    }
    snapshot->breaks("a block on its way to another thread leads astray, or was freed twice: to", astray);
}

// A stopped thread needs no lock for it. Not for one that does not get on, as when it is being debugged.
void wait_for_hand_over(const Arena *arena)
{
    constexpr uint64_t longest_ms = 1000;
    const bool runs = arena->words != nullptr && arena != thread_words.self;
    if (!runs || !arena->is_handing_over())
        return;
    for (const uint64_t begin = now_ms(); arena->is_handing_over() && now_ms() - begin < longest_ms;)
        sched_yield();
}

// The blocks that spans have handed out and no program has. Medium ones in bins have a bit in their span. In the order
// in which blocks travel: what leaves one place meanwhile is seen in the next.
void take_out_waiting(HeapSnapshot *snapshot)
{
    registry.for_each_arena([=](const Arena &arena) {
        for (unsigned index = 0; index < small_class_count; ++index)
            take_out_bin(snapshot, &arena, index);
        for (unsigned slot = 0; slot < outbox_slots; ++slot)
            take_out_freed_for_others(snapshot, [&] { return arena.first_in(Arena::FreeList::outbox, slot); });
        wait_for_hand_over(&arena);
    });
    registry.for_each_arena([=](const Arena &arena) {
        take_out_freed_for_others(snapshot, [&arena] { return arena.first_in(Arena::FreeList::inbox); });
    });
}

} // namespace

SnapshotState take_snapshot(HeapSnapshot *snapshot)
{
    if (!registry.stop_all())
        return SnapshotState::busy;
    const bool taken = snapshot->take();
    if (taken)
        take_out_waiting(snapshot);
    registry.unlock_all();
    return taken ? SnapshotState::taken : SnapshotState::failed;
}

} // namespace fastalloc
