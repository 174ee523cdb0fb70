// SPDX-License-Identifier: MIT
//
// What can be known and done about a live block: its shape, the predicate that realloc and sized free share, and both.
#include "arena/allocate.h"

#include "arena/foreign.h"
#include "arena/misuse.h"
#include "arena/purge.h"
#include "heap/large.h"
#include "heap/outside.h"

#include <cerrno>
#include <cstring>

namespace fastalloc
{
namespace
{

// What a block that grows to `size` is given: above small sizes a quarter more, of which only what is used is touched,
// so that growing step by step does not copy at each step. accepted() holds for it and `size`.
size_t with_room_to_grow(size_t size)
{
    return size > small_max && size <= medium_max - medium_max / 4 ? size + size / 4 : size;
}

// A new block with the old contents.
void *move_block(void *block, size_t usable, size_t size)
{
    void *const moved =
        allocate(size > usable ? with_room_to_grow(size) : size, default_alignment, Call::realloc).block;
    if (moved == nullptr)
    {
        errno = ENOMEM;
        return nullptr;
    }
    memcpy(moved, block, usable < size ? usable : size);
    release(block, Call::realloc);
    return moved;
}

void *reallocate_large(Span *head, void *block, size_t size)
{
    const size_t usable = large_usable(head);
    if (size <= large_max && size > medium_max && large_resize(head, size))
    {
        give_back_excess(node_heap_of(slice_of(head)), nullptr);
        return block;
    }
    if (size > usable && usable >= carry_out_min)
    {
        void *const carried = outside.carry_out(reinterpret_cast<uintptr_t>(block), usable, size, large_place(head));
        if (carried != nullptr)
        {
            release(block, Call::realloc);
            return carried;
        }
    }
    return move_block(block, usable, size);
}

void *reallocate_outside(void *block, size_t usable, size_t size)
{
    if (size > medium_max)
    {
        void *const resized = within_limits([=] { return outside.reallocate(block, size); });
        if (resized == nullptr)
            errno = ENOMEM;
        return resized;
    }
    return move_block(block, usable, size);
}

BlockShape shape_in_span(Call call, Span *record, const void *block)
{
    const size_t bytes = class_bytes(record->size_class);
    if (!block_begins(record, block))
        fatal_inside(name_of(call), block, bytes);
    return {bytes, record->size_class, false};
}

} // namespace

BlockShape shape_of_block(Call call, const void *block)
{
    Span *const record = record_of(block);
    Arena *const arena = thread_words.free_arena.load(std::memory_order_relaxed);
    if (record == nullptr || record->owner.load() != arena)
        return arena->operations->shape(arena, call, block);
    return shape_in_span(call, record, block);
}

BlockShape plain_shape(Arena *, Call call, const void *block)
{
    Span *const record = record_of(block);
    if (record != nullptr && record->owner.load() != nullptr)
        return shape_in_span(call, record, block);
    if (record != nullptr && record->kind.load(std::memory_order_relaxed) == SpanKind::large)
    {
        if (reinterpret_cast<uintptr_t>(block) != address_of(record))
            fatal_inside(name_of(call), block, large_usable(record));
        return {large_usable(record), no_class, false};
    }
    const size_t usable = outside.usable(block);
    return {usable, no_class, usable == 0};
}

size_t usable_size(Call call, void *block)
{
    const BlockShape shape = shape_of_block(call, block);
    return shape.foreign ? foreign_usable(block) : shape.usable;
}

bool accepted(const BlockShape &shape, size_t size, size_t alignment)
{
    if (size > shape.usable)
        return false;
    if (size > shape.usable / 2)
        return true;
    if (shape.size_class != no_class)
        return class_of(size, alignment) == shape.size_class;
    // A large or outside block of which less than half is asked for was rounded up to a slice or a page.
    return class_of(size, alignment) == no_class && (size == 0 ? 1 : size) + slice_bytes > shape.usable;
}

void *plain_reallocate(Arena *, void *block, size_t size)
{
    const BlockShape shape = shape_of_block(Call::realloc, block);
    if (FASTALLOC_UNLIKELY(shape.foreign))
        return foreign_reallocate(block, size);
    if (accepted(shape, size, default_alignment))
        return block;
    if (FASTALLOC_UNLIKELY(size > size_max))
    {
        errno = ENOMEM;
        return nullptr;
    }
    if (shape.size_class != no_class)
        return move_block(block, shape.usable, size);
    Span *const record = record_of(block);
    if (record != nullptr && record->kind.load(std::memory_order_relaxed) == SpanKind::large)
        return reallocate_large(record, block, size);
    return reallocate_outside(block, shape.usable, size);
}

void plain_release_sized(Arena *, void *block, size_t size, size_t alignment, Call call)
{
    const BlockShape shape = shape_of_block(call, block);
    if (shape.foreign)
        return foreign_release(call, block);
    const bool aligned = is_power_of_two(alignment) && (reinterpret_cast<uintptr_t>(block) & (alignment - 1)) == 0;
    if (!aligned || !accepted(shape, size, alignment))
        fatal_wrong_size(name_of(call), block, size, shape.usable);
    if (!release_fast(block))
        release(block, call);
}

void *reallocate(void *block, size_t size)
{
    Arena *const arena = thread_words.free_arena.load(std::memory_order_relaxed);
    return arena->operations->reallocate(arena, block, size);
}

} // namespace fastalloc
