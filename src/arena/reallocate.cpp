// SPDX-License-Identifier: MIT
//
// What can be known and done about a live block: its shape, the predicate that realloc and sized free share, realloc.
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
    void *const moved = allocate(size > usable ? with_room_to_grow(size) : size, default_alignment).block;
    if (moved == nullptr)
    {
        errno = ENOMEM;
        return nullptr;
    }
    memcpy(moved, block, usable < size ? usable : size);
    release_slow(block);
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
            release_slow(block);
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

} // namespace

BlockShape shape_of_block(const char *call, const void *block)
{
    Span *const record = record_of(block);
    Arena *const owner = record != nullptr ? record->owner.load() : nullptr;
    const Arena *const arena = thread_words.free_arena.load(std::memory_order_relaxed);
    if (owner != arena)
        arena->operations->inspect(call, block);
    if (owner != nullptr)
    {
        if (!block_begins(record, block))
            fatal_inside(call, block, class_bytes(record->size_class));
        return {class_bytes(record->size_class), record->size_class};
    }
    if (record != nullptr && record->kind.load(std::memory_order_relaxed) == SpanKind::large)
    {
        if (reinterpret_cast<uintptr_t>(block) != address_of(record))
            fatal_inside(call, block, large_usable(record));
        return {large_usable(record), no_class};
    }
    return {outside.usable(block), no_class};
}

size_t usable_size(const char *call, void *block)
{
    const size_t usable = shape_of_block(call, block).usable;
    return usable != 0 ? usable : foreign_usable(block);
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

void *reallocate(void *block, size_t size)
{
    const BlockShape shape = shape_of_block("realloc", block);
    if (FASTALLOC_UNLIKELY(shape.usable == 0))
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

} // namespace fastalloc
