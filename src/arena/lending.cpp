// SPDX-License-Identifier: MIT
#include "arena/lending.h"

#include "arena/misuse.h"
#include "os/barrier.h"

namespace fastalloc
{

namespace
{

// Where not all of a stack may be handed out: to find where to cut it, as many links are followed.
constexpr uint32_t part_max = 64;

// The last of the first `count` blocks of a stack.
void *block_in_stack(void *first, uint32_t count)
{
    void *block = first;
    for (uint32_t step = 1; step < count; ++step)
    {
        block = next_of(block);
        if (FASTALLOC_UNLIKELY(!in_window(reinterpret_cast<uintptr_t>(block))))
            fatal_broken_link(block);
    }
    return block;
}

} // namespace

// The active stack passes to the face, or the part of it that may be handed out. Requires: the face has none.
void Arena::lend(SizeClass size_class)
{
    Face *const face = face_of(this);
    Bin &bin = bins[size_class];
    Bin &lent = face->arena.bins[size_class];
    uint64_t &left = face->left_bytes[size_class];
    const size_t bytes = class_bytes(size_class);
    const uint32_t all = bin.count();
    if (FASTALLOC_LIKELY(all * bytes <= left))
    {
        left -= all * bytes;
        lent.room.store(lent_limit - all);
        lent.head = bin.head;
        std::atomic_signal_fence(std::memory_order_release); // as in Bin::push
        bin.head = nullptr;
        bin.room.store(bin.limit);
        return;
    }
    const uint64_t fit = left / bytes;
    const uint32_t count = fit < part_max ? static_cast<uint32_t>(fit) : part_max;
    if (count == 0)
        return;
    left -= count * bytes;
    void *const first = bin.head;
    void *const last = block_in_stack(first, count);
    // A fork in between loses the part in the child, but never has it twice; a heap visit waits.
    is_handing_over_.store(true, std::memory_order_relaxed);
    barrier::release();
    bin.head = next_of(last);
    bin.room.store(bin.room.load() + count);
    std::atomic_signal_fence(std::memory_order_release);
    set_next(last, nullptr);
    lent.room.store(lent_limit - count);
    std::atomic_signal_fence(std::memory_order_release);
    lent.head = first;
    is_handing_over_.store(false, std::memory_order_release);
}

// Requires: the lock, and what return_blocks requires.
void Arena::return_lent()
{
    if (!has_face)
        return;
    Face *const face = face_of(this);
    for (unsigned index = 0; index < class_count; ++index)
    {
        Bin &lent = face->arena.bins[index];
        if (lent.head == nullptr)
            continue;
        const uint32_t count = lent.count();
        face->left_bytes[index] += count * class_bytes(static_cast<SizeClass>(index));
        return_blocks(lent.head, count);
        lent.head = nullptr;
        lent.room.store(lent_limit);
    }
}

} // namespace fastalloc
