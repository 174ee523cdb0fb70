// SPDX-License-Identifier: MIT
#include "arena/lending.h"

namespace fastalloc
{

// The active stack passes to the face, if all of it may be handed out and the face has none.
void Arena::lend(SizeClass size_class)
{
    Face *const face = face_of(this);
    Bin &bin = bins[size_class];
    Bin &lent = face->arena.bins[size_class];
    const uint32_t count = bin.count();
    const uint64_t bytes = count * class_bytes(size_class);
    if (bin.head == nullptr || lent.head != nullptr || bytes > face->left_bytes[size_class])
        return;
    face->left_bytes[size_class] -= bytes;
    lent.room.store(lent_limit - count);
    lent.head = bin.head;
    std::atomic_signal_fence(std::memory_order_release); // as in Bin::push
    bin.head = nullptr;
    bin.room.store(bin.limit);
}

uint64_t Arena::bytes_lent() const
{
    if (!has_face)
        return 0;
    const Bin *const lent = face_of(this)->arena.bins;
    uint64_t bytes = 0;
    for (unsigned index = 0; index < class_count; ++index)
        bytes += lent[index].count() * class_bytes(static_cast<SizeClass>(index));
    return bytes;
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
