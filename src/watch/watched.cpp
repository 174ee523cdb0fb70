// SPDX-License-Identifier: MIT
//
// watched_arena: what every thread looks at with check=on. It has no bins, so each call comes here, is held against
// live_blocks, and is then served by the arena behind it: the thread's own, or stray_arena for a thread that has none.
//
// Installed from the first call on (arena/registry.h, view_of), so there is no block it has not seen come.
#include "arena/allocate.h"
#include "arena/misuse.h"
#include "arena/registry.h"
#include "heap/large.h"
#include "os/options.h"
#include "watch/forwarding.h"
#include "watch/live_blocks.h"

namespace fastalloc
{
namespace
{

Arena *arena_behind()
{
    Arena *const self = thread_words.self;
    return self != nullptr ? self : &stray_arena;
}

// The size of a block that is not live but was; ends the process if `block` never was one. Its span may change
// meanwhile: then the words may be wrong, but not the verdict.
size_t size_of_freed(Call call, const void *block)
{
    Span *const record = record_of(block);
    if (record->owner.load() == nullptr)
    {
        const bool large = record->kind.load(std::memory_order_relaxed) == SpanKind::large;
        if (large && reinterpret_cast<uintptr_t>(block) != address_of(record))
            fatal_inside(name_of(call), block, large_usable(record));
        fatal_foreign(name_of(call), block);
    }
    const size_t bytes = class_bytes(record->size_class);
    if (!block_begins(record, block))
        fatal_inside(name_of(call), block, bytes);
    const Span *const span = head_of(record);
    if (!span->was_handed_out(block_number(span->size_class, reinterpret_cast<uintptr_t>(block) - address_of(span))))
        fatal_foreign(name_of(call), block);
    return bytes;
}

// Whether the link that became the head of a bin leads to anything but a free block of the arena.
bool leads_astray(const Arena *arena, const void *next)
{
    if (next == nullptr)
        return false;
    if (!in_window(reinterpret_cast<uintptr_t>(next)))
        return true;
    Span *const record = record_of(next);
    return record->owner.load() != arena || !block_begins(record, next) || live_blocks.contains(next);
}

// A block that was written to while it was free shows when it is handed out, before anybody follows its link.
void look_behind(const Arena *arena, SizeClass size_class, const void *block)
{
    if (size_class != no_class && leads_astray(arena, arena->bins[size_class].head))
        fatal_written_when_free(block);
}

// What the arena behind has handed out, unless it cannot be watched.
Allocation look_at(Arena *arena, const Allocation &allocation, SizeClass size_class)
{
    if (!in_window(reinterpret_cast<uintptr_t>(allocation.block)))
    {
        if (allocation.block != nullptr && size_class != no_class)
            fatal_broken_link(allocation.block);
        return allocation; // none, or in the registry of outside blocks
    }
    switch (live_blocks.add(allocation.block))
    {
    case LiveBlocks::Added::yes:
        look_behind(arena, size_class, allocation.block);
        return allocation;
    case LiveBlocks::Added::was_live:
        fatal_handed_out_twice(allocation.block);
    case LiveBlocks::Added::no_memory:
        break;
    }
    arena->operations->release(arena, allocation.block, Call::free);
    return {nullptr, false};
}

Allocation watched_allocate(Arena *, size_t size, size_t alignment, Call call)
{
    Arena *const arena = arena_behind();
    const Allocation allocation = arena->operations->allocate(arena, size, alignment, call);
    return look_at(arena_behind(), allocation, class_of(size, alignment));
}

Allocation watched_allocate_on(Arena *, Node place, size_t size)
{
    Arena *const arena = arena_behind();
    return look_at(arena, arena->operations->allocate_on(arena, place, size), class_of(size, default_alignment));
}

void watched_release(Arena *, void *block, Call call)
{
    if (in_window(reinterpret_cast<uintptr_t>(block)) && !live_blocks.remove(block))
        fatal_double_free(block, size_of_freed(Call::free, block));
    Arena *const arena = arena_behind();
    arena->operations->release(arena, block, call);
}

BlockShape watched_shape(Arena *arena, Call call, const void *block)
{
    if (in_window(reinterpret_cast<uintptr_t>(block)) && !live_blocks.contains(block))
        fatal_freed(name_of(call), block, size_of_freed(call, block));
    return plain_shape(arena, call, block);
}

constinit const ArenaOperations watched_operations{
    .allocate = watched_allocate,
    .allocate_on = watched_allocate_on,
    .release = watched_release,
    .release_sized = plain_release_sized,
    .reallocate = plain_reallocate,
    .shape = watched_shape,
};

constinit Arena watched_arena{&watched_operations};

} // namespace

Arena *first_view()
{
    if (Arena *const forwarding = forwarding_view())
        return forwarding;
    return options().check == Check::on ? &watched_arena : nullptr;
}

} // namespace fastalloc
