// SPDX-License-Identifier: MIT
//
// Span: a run of slices with one purpose, and the record that describes it.
//
// Each slice of the window has one record of 64 bytes in the side table. The record of a span's first
// slice (its *head*) describes the span; the other records of a medium span repeat owner and bin, so that
// free finds them from any block, and how far back the head is. Blocks of a span:
//
//     |<- handed out before: fresh of them ->|<- never handed out ->|
//     ^ block number `start`, going on at block 0 behind the last one
//     capacity >= fresh >= handed_out, and the free list holds fresh - handed_out blocks
//
// Spans begin at multiples of 64 KiB, which all fall into the same sets of a cache. So each hands out its blocks from
// another page on: the few blocks in use of many spans do not push each other out.
//
// A block in a thread's bin, outbox or inbox counts as handed out. Medium spans have a bit per free block instead of a
// list, and one per block in the owner's bin, so a double free is seen at the call.
//
// Who may touch it: owner and bin are read by any thread's free; they change only under the lock of
// the owning arena, and never away from an attached thread's arena. The rest belongs to the owning arena's lock, or
// for large runs and free slices (owner null, "nobody") to the node heap's.
#pragma once

#include "base/index_list.h"
#include "base/size_class.h"
#include "base/word.h"

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace fastalloc
{

class Arena; // arena/arena.h: here only an identity
struct Bin;  // arena/bin.h: the same

enum class SpanKind : uint8_t
{
    free,     // belongs to a chunk
    small,    // blocks of one small class
    medium,   // blocks of one medium class
    part,     // a slice of a medium span behind its head
    large,    // one large block
    metadata, // an arena
    lost,     // given back by a signal handler that had interrupted the node heap
};

// A slice by its number from the window's base. 0 is a valid slice; `no_slice` is none.
using SliceIndex = uint32_t;
constexpr SliceIndex no_slice = no_index;

// 2^32 / block size, rounded up: see Span::begins_block.
constexpr uint32_t stride_of(SizeClass size_class)
{
    return static_cast<uint32_t>(((uint64_t{1} << 32) + class_bytes(size_class) - 1) / class_bytes(size_class));
}

constexpr uint32_t stride_remainder = 1u << 17;

struct Span
{
    // Read by every free and compared with the reader's own arena: equal means that this thread itself
    // wrote it, or got it with its arena under the registry's lock. Written under the owner's lock.
    Word<Arena *> owner;
    Bin *bin; // of the owner, for blocks that come back; changes with the owner
    SizeClass size_class;
    std::atomic<SpanKind> kind; // read by any thread that frees a large block, relaxed, before it takes the lock
    uint16_t uncounted;         // small: blocks at the head of the list that are not in the counts of SpanPages
    uint32_t slices;            // of the whole span, in its head
    uint32_t back;              // slices to the head, 0 in the head
    uint16_t capacity;          // blocks
    uint16_t handed_out;        // blocks
    uint16_t fresh;             // blocks handed out at least once: the cursor
    uint16_t start;             // small: the block that was handed out first
    bool zeroed;                // blocks from the cursor on have never been written
    bool listed;                // in its bin's list of partial spans
    uint8_t reckoned;           // pages of it that may be idle
    bool paged;                 // its SpanPages says something, maybe of a span that began here before
    union
    {
        void *free_list; // small: blocks that came back, linked
        // Medium: a bit per free block; also read by the owner without the lock (relaxed).
        std::atomic<uint64_t> free_blocks;
    };
    SliceIndex next; // neighbours in the bin's list of partial spans
    SliceIndex previous;
    union
    {
        uint32_t stride; // small: see begins_block
        // Medium: a bit per block in the owner's bin; written by the attached thread (relaxed).
        std::atomic<uint64_t> binned;
    };

    // Small: the block behind the cursor. Requires: fresh < capacity.
    uint32_t next_fresh() const
    {
        const uint32_t number = uint32_t{start} + fresh;
        return number < capacity ? number : number - capacity;
    }

    // Small: whether block `number` was ever handed out.
    bool was_handed_out(uint32_t number) const
    {
        const uint32_t age = number >= start ? number - start : number + capacity - start;
        return age < fresh;
    }

    // Small: whether the block size divides the address's offset into the span. With stride = 2^32 / size, rounded up,
    // the product's low half is below 2^16 if it does, and at least 2^32 / small_max = 2^18 if it does not.
    FASTALLOC_INLINE bool begins_block(const void *address) const
    {
        const auto offset = static_cast<uint16_t>(reinterpret_cast<uintptr_t>(address));
        return offset * stride < stride_remainder;
    }

    bool has_room() const
    {
        return handed_out < capacity;
    }

    uint32_t free_list_length() const
    {
        return static_cast<uint32_t>(fresh - handed_out);
    }
};

constexpr unsigned record_shift = 6;
static_assert((uint64_t{1} << 32) / small_max > stride_remainder && slice_bytes <= stride_remainder);
static_assert(sizeof(Span) == size_t{1} << record_shift); // read from core files too: tests/api/core_file.py
static_assert(detail::shapes[small_class_count].capacity <= 64, "a medium span's blocks fit a 64-bit mask");

} // namespace fastalloc
