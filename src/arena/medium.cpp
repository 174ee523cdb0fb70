// SPDX-License-Identifier: MIT
//
// Medium blocks and single blocks: what is taken from and given to spans directly, under the arena's lock. Medium spans keep a bit per free
// block in their record; nothing is written into a free block.
#include "arena/arena.h"

#include "arena/misuse.h"

namespace fastalloc
{

void* Arena::take_medium(SizeClass size_class, bool* zeroed)
{
    Span* span = span_with_room(size_class);
    if (span == nullptr)
        return nullptr;
    const auto number = static_cast<unsigned>(lowest_bit(span->free_blocks));
    span->free_blocks &= span->free_blocks - 1;
    ++span->handed_out;
    *zeroed = span->zeroed && number >= span->fresh;
    if (number >= span->fresh)
        span->fresh = static_cast<uint16_t>(number + 1);
    if (!span->has_room())
        unlist_span(span);
    count_handed_out(static_cast<int64_t>(class_bytes(size_class)));
    return reinterpret_cast<void*>(address_of(span) + number * class_bytes(size_class));
}

Allocation Arena::allocate_locked(SizeClass size_class)
{
    ArenaGuard guard(this);
    if (!guard)
        return {nullptr, false};
    if (inbox_.load(std::memory_order_relaxed) != nullptr)
        drain_locked();
    slow_path_done();
    if (is_small(size_class))
    {
        Chain chain;
        gather(size_class, 1, &chain);
        return {chain.first, false};
    }
    bool zeroed = false;
    void* block = take_medium(size_class, &zeroed);
    return {block, zeroed};
}

void Arena::release_medium_locked(Span* head, void* block)
{
    const size_t bytes = class_bytes(head->size_class);
    const uintptr_t offset = reinterpret_cast<uintptr_t>(block) - address_of(head);
    const auto number = static_cast<unsigned>(offset / bytes);
    if (FASTALLOC_UNLIKELY(number * bytes != offset || number >= head->capacity))
        fatal_inside("free", block, bytes);
    const uint64_t bit = uint64_t{1} << number;
    if (FASTALLOC_UNLIKELY(head->free_blocks & bit))
        fatal_double_free(block, bytes);
    head->free_blocks |= bit;
    --head->handed_out;
    count_handed_out(-static_cast<int64_t>(bytes));
    if (head->handed_out == 0)
        give_span(head);
    else if (!head->listed)
        list_span(head);
}

void Arena::release_medium(Span* record, void* block)
{
    ArenaGuard guard(this);
    if (!guard)
    {
        push_inbox(block, block, static_cast<uint32_t>(class_bytes(record->size_class)));
        return;
    }
    release_medium_locked(head_of(record), block);
    slow_path_done();
}

} // namespace fastalloc
