// SPDX-License-Identifier: MIT
//
// Medium blocks, 20 to 256 KiB: bins like those of small blocks, but only the slow twins push and pop them, and they
// keep two bits per block in the span's record: free (in the span) and binned (in the owner's bin). So a double free is
// seen at the call. Their bins begin with limit 0 and live on leases. The binned bit follows the push and the pop: a
// thread that a fork cuts off in between leaves a block whose double free is not seen, or one that nobody has.
#include "arena/arena.h"

#include "arena/misuse.h"

namespace fastalloc
{
namespace
{

FASTALLOC_INLINE uint64_t bit_of(const Span *head, const void *block)
{
    const uintptr_t offset = reinterpret_cast<uintptr_t>(block) - address_of(head);
    const uint32_t number = block_number(head->size_class, offset);
    const size_t bytes = class_bytes(head->size_class);
    if (FASTALLOC_UNLIKELY(number * bytes != offset || number >= head->capacity))
        fatal_inside("free", block, bytes);
    return uint64_t{1} << number;
}

// Bits that one thread at a time changes and others read.
void change(std::atomic<uint64_t> *bits, uint64_t set, uint64_t clear)
{
    bits->store((bits->load(std::memory_order_relaxed) | set) & ~clear, std::memory_order_relaxed);
}

// A block that is in its span or its owner's bin is not the program's to free.
void refuse_double_free(const Span *head, const void *block, uint64_t bit)
{
    const uint64_t kept =
        head->free_blocks.load(std::memory_order_relaxed) | head->binned.load(std::memory_order_relaxed);
    if (FASTALLOC_UNLIKELY(kept & bit))
        fatal_double_free(block, class_bytes(head->size_class));
}

} // namespace

Allocation Arena::allocate_medium(SizeClass size_class)
{
    Bin &bin = bins[size_class];
    if (bin.head == nullptr && !take_spare(size_class))
        return refill(size_class);
    void *const block = bin.pop(link_secret);
    unmark_binned(block);
    return {block, false};
}

void Arena::unmark_binned(const void *block)
{
    Span *const head = head_of(span_of(reinterpret_cast<uintptr_t>(block)));
    change(&head->binned, 0, bit_of(head, block));
}

void Arena::release_medium(Span *record, void *block)
{
    Span *const head = head_of(record);
    const uint64_t bit = bit_of(head, block);
    refuse_double_free(head, block, bit);
    Bin &bin = bins[head->size_class];
    if (bin.room.load() == 0 && !make_spare(head->size_class))
        return overflow(head, block);
    bin.push(block, link_secret);
    change(&head->binned, bit, 0);
}

// One block: the lowest that has memory, else the lowest.
void Arena::take_medium(Span *span, Chain *chain)
{
    SpanPages *const pages = span_pages_at(slice_of(span));
    const uint64_t free = span->free_blocks.load(std::memory_order_relaxed);
    const uint64_t present = free & ~pages->absent();
    const auto number = static_cast<unsigned>(lowest_bit(present != 0 ? present : free));
    const uint64_t bit = uint64_t{1} << number;
    const size_t bytes = class_bytes(span->size_class);
    change(&span->free_blocks, 0, bit);
    ++span->handed_out;
    chain->zeroed = (pages->absent() & bit) != 0;
    pages->set_absent(pages->absent() & ~bit);
    if (number >= span->fresh)
        span->fresh = static_cast<uint16_t>(number + 1);
    else if (chain->zeroed)
    {
        heap().pages_wanted(bytes);
        may_exceed_ = true; // demand may have decayed
    }
    chain->first = reinterpret_cast<void *>(address_of(span) + number * bytes);
    chain->count = 1;
}

// A block that is in no bin back to its span.
void Arena::give_medium(Span *head, void *block)
{
    const uint64_t bit = bit_of(head, block);
    refuse_double_free(head, block, bit);
    change(&head->free_blocks, bit, 0);
    --head->handed_out;
    count_handed_out(-static_cast<int64_t>(class_bytes(head->size_class)));
    if (head->handed_out == 0)
        give_span(head);
    else
    {
        reckon_idle(head);
        if (!head->listed)
            list_span(head);
    }
}

} // namespace fastalloc
