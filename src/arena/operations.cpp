// SPDX-License-Identifier: MIT
//
// What happens when the fast path falls out of an arena: the slow twins, and the operations of attached, empty and
// ending arenas.
#include "arena/allocate.h"
#include "arena/foreign.h"
#include "arena/misuse.h"
#include "arena/purge.h"
#include "arena/registry.h"
#include "heap/large.h"
#include "heap/outside.h"
#include "os/options.h"

#include <cerrno>

namespace fastalloc
{
namespace
{

// Above what a thread's arena serves: a run of slices, or a mapping of its own.
Allocation allocate_big(Node place, size_t size, size_t alignment)
{
    if (size <= large_max && alignment <= chunk_bytes)
    {
        const LargeBlock large = large_allocate(node_heap(place), size, alignment);
        if (large.block != nullptr)
            return {large.block, large.zeroed};
    }
    return {outside.allocate(size, alignment, place), true};
}

// The place of such a block for a thread with this one. Who asks for whole chunks may do so for others to fill them.
Node place_of_big(Node own, size_t size)
{
    return size < chunk_bytes ? own : topology::common_place();
}

// A block that belongs to no arena: a large one, an outside one, or none of ours. `record` is null outside the window.
void release_big(Span *record, void *block)
{
    if (record != nullptr && record->kind.load(std::memory_order_relaxed) == SpanKind::large)
    {
        NodeHeap &heap = node_heap_of(slice_of(record));
        if (!large_release(record, block))
            fatal_inside("free", block, large_usable(record));
        give_back_excess(heap, nullptr);
    }
    else if (!outside.release(block))
        foreign_release(Call::free, block);
}

// ---- attached: the usual -----------------------------------------------------------------------------------

Allocation attached_allocate(Arena *arena, size_t size, size_t alignment, Call)
{
    const SizeClass size_class = class_of(size, alignment);
    if (size_class == no_class)
        return allocate_big(place_of_big(arena->place, size), size, alignment);
    return is_small(size_class) ? arena->allocate_small(size_class) : arena->allocate_medium(size_class);
}

void attached_release(Arena *arena, void *block, Call)
{
    Span *const record = record_of(block);
    Arena *const owner = record != nullptr ? record->owner.load() : nullptr;
    if (owner == nullptr)
        release_big(record, block);
    else if (owner != arena)
        arena->release_remote(owner, record, block);
    else if (!is_small(record->size_class))
        arena->release_medium(record, block);
    else if (record->bin->head == block)
        fatal_double_free(block, class_bytes(record->size_class));
    else if (!block_begins(record, block))
        fatal_inside("free", block, class_bytes(record->size_class));
    else
        arena->release_small(record, block);
}

// ---- on a place that the caller names ---------------------------------------------------------------------------

// For whom no arena there is his own.
Allocation allocate_from(Node place, size_t size, size_t alignment)
{
    const SizeClass size_class = class_of(size, alignment);
    if (size_class == no_class)
        return allocate_big(place, size, alignment);
    Arena *const common = registry.common_arena(place);
    return common != nullptr ? common->allocate_locked(size_class) : Allocation{nullptr, false};
}

Allocation attached_allocate_on(Arena *arena, Node place, size_t size)
{
    if (arena->place == place && class_of(size, default_alignment) != no_class)
        return attached_allocate(arena, size, default_alignment, Call::malloc_on);
    return allocate_from(place, size, default_alignment);
}

// ---- homed: an attached thread's on several nodes --------------------------------------------------------------

// What one node's heap cannot have (a limit on addresses, say) another may have free.
FASTALLOC_SLOW Allocation allocate_elsewhere(Node refused, size_t size, size_t alignment)
{
    Allocation allocation{nullptr, false};
    for_each_node_heap([&](const NodeHeap &heap) {
        if (allocation.block == nullptr && heap.place() != refused)
            allocation = allocate_from(heap.place(), size, alignment);
    });
    return allocation;
}

Allocation homed_allocate(Arena *arena, size_t size, size_t alignment, Call call)
{
    Arena *const own = FASTALLOC_LIKELY(arena->homing.is_quiet()) ? arena : registry.follow(arena);
    const Allocation allocation = attached_allocate(own, size, alignment, call);
    if (FASTALLOC_UNLIKELY(allocation.block == nullptr) && own->place != unplaced) // else a policy would be broken
        return allocate_elsewhere(place_of_big(own->place, size), size, alignment);
    // Large blocks of a thread's own are new memory as spans are.
    if (size > medium_max && size < chunk_bytes && allocation.zeroed)
        own->homing.took_fresh(static_cast<unsigned>(size >> slice_shift));
    return allocation;
}

// ---- stray: for threads without an arena -------------------------------------------------------------------------

Allocation stray_allocate(Arena *, size_t size, size_t alignment, Call)
{
    return allocate_from(place_of_big(topology::place_of_thread(), size), size, alignment);
}

Allocation stray_allocate_on(Arena *, Node place, size_t size)
{
    return allocate_from(place, size, default_alignment);
}

void stray_release(Arena *, void *block, Call)
{
    Span *const record = record_of(block);
    Arena *const owner = record != nullptr ? record->owner.load() : nullptr;
    if (owner == nullptr)
        release_big(record, block);
    else if (!block_begins(record, block))
        fatal_inside("free", block, class_bytes(record->size_class));
    else
        owner->push_inbox(block, block, static_cast<uint32_t>(class_bytes(record->size_class)));
}

// ---- empty: not attached yet, or asked to flush -----------------------------------------------------------------

Arena *come_home()
{
    Arena *const self = thread_words.self;
    if (self == nullptr)
        return registry.attach();
    registry.flush_and_restore(self);
    return self;
}

Allocation empty_allocate(Arena *empty, size_t size, size_t alignment, Call call)
{
    Arena *const home = come_home();
    const bool never = thread_words.malloc_arena.load(std::memory_order_relaxed) != empty;
    if (home == nullptr && !never && class_of(size, alignment) != no_class)
        return {nullptr, false}; // no memory for an arena, which bigger blocks do not need
    Arena *const seen = malloc_view_of(home != nullptr ? home : &stray_arena);
    return seen->operations->allocate(seen, size, alignment, call);
}

// Before the first block there is none to free: a pointer from elsewhere needs no arena.
Arena *view_of_who_has_blocks()
{
    Arena *const home = window.regions() == 0 ? nullptr : come_home();
    return view_of(home != nullptr ? home : &stray_arena);
}

void empty_release(Arena *, void *block, Call call)
{
    Arena *const seen = view_of_who_has_blocks();
    seen->operations->release(seen, block, call);
}

void *empty_reallocate(Arena *, void *block, size_t size)
{
    Arena *const seen = view_of_who_has_blocks();
    return seen->operations->reallocate(seen, block, size);
}

Allocation empty_allocate_on(Arena *, Node place, size_t size)
{
    Arena *const home = come_home();
    Arena *const seen = malloc_view_of(home != nullptr ? home : &stray_arena);
    return seen->operations->allocate_on(seen, place, size);
}

BlockShape unattached_shape(Arena *, Call call, const void *block)
{
    Arena *const seen = view_of(&stray_arena);
    return seen->operations->shape(seen, call, block);
}

constinit const ArenaOperations empty_operations{
    .allocate = empty_allocate,
    .allocate_on = empty_allocate_on,
    .release = empty_release,
    .release_sized = plain_release_sized,
    .reallocate = empty_reallocate,
    .shape = unattached_shape,
};
// ---- ending: no arena any more; also where a thread stays that cannot get one --------------------------------------

Allocation ending_allocate(Arena *, size_t size, size_t alignment, Call call)
{
    Arena *const seen = view_of(&stray_arena);
    return seen->operations->allocate(seen, size, alignment, call);
}

Allocation ending_allocate_on(Arena *, Node place, size_t size)
{
    Arena *const seen = view_of(&stray_arena);
    return seen->operations->allocate_on(seen, place, size);
}

void ending_release(Arena *, void *block, Call call)
{
    Arena *const seen = view_of(&stray_arena);
    seen->operations->release(seen, block, call);
}

void *ending_reallocate(Arena *, void *block, size_t size)
{
    Arena *const seen = view_of(&stray_arena);
    return seen->operations->reallocate(seen, block, size);
}

constinit const ArenaOperations ending_operations{
    .allocate = ending_allocate,
    .allocate_on = ending_allocate_on,
    .release = ending_release,
    .release_sized = plain_release_sized,
    .reallocate = ending_reallocate,
    .shape = unattached_shape,
};

constinit std::atomic<bool> options_loaded{false};

// What the arena is asked that the calling thread looks at. No lambdas: they are to be part of the code that asks.
struct Request
{
    size_t size;
    size_t alignment;
    Call call;

    FASTALLOC_INLINE Allocation operator()() const
    {
        Arena *const arena = thread_words.malloc_arena.load(std::memory_order_relaxed);
        return arena->operations->allocate(arena, size, alignment, call);
    }
};

struct RequestOnPlace
{
    size_t size;
    Node place;

    FASTALLOC_INLINE Allocation operator()() const
    {
        Arena *const arena = thread_words.malloc_arena.load(std::memory_order_relaxed);
        return arena->operations->allocate_on(arena, place, size);
    }
};

// What it says, within the limits.
template <typename Wanted>
FASTALLOC_INLINE Allocation ask_arena(Wanted request)
{
    if (FASTALLOC_UNLIKELY(!options_loaded.load(std::memory_order_relaxed)))
        load_options_once();
    if (FASTALLOC_UNLIKELY(request.size > size_max))
        return {nullptr, false};
    return within_limits(request);
}

} // namespace

constinit const ArenaOperations attached_operations{
    .allocate = attached_allocate,
    .allocate_on = attached_allocate_on,
    .release = attached_release,
    .release_sized = plain_release_sized,
    .reallocate = plain_reallocate,
    .shape = plain_shape,
};
constinit const ArenaOperations homed_operations{
    .allocate = homed_allocate,
    .allocate_on = attached_allocate_on,
    .release = attached_release,
    .release_sized = plain_release_sized,
    .reallocate = plain_reallocate,
    .shape = plain_shape,
};
constinit const ArenaOperations stray_operations{
    .allocate = stray_allocate,
    .allocate_on = stray_allocate_on,
    .release = stray_release,
    .release_sized = plain_release_sized,
    .reallocate = plain_reallocate,
    .shape = plain_shape,
};
constinit Arena empty_arena{&empty_operations};
constinit Arena ending_arena{&ending_operations};
constinit Arena stray_arena{&stray_operations};
constinit thread_local ThreadWords thread_words{&empty_arena, &empty_arena, nullptr, nullptr};

Allocation allocate(size_t size, size_t alignment, Call call)
{
    return ask_arena(Request{size, alignment, call});
}

Allocation allocate_on(Node place, size_t size)
{
    return ask_arena(RequestOnPlace{size, place});
}

void load_options_once()
{
    if (FASTALLOC_LIKELY(options_loaded.load(std::memory_order_relaxed)))
        return;
    options_loaded.store(true, std::memory_order_relaxed);
    options_load_at_start();
    forward_where_needed();
}

void *allocate_aligned(size_t size, size_t alignment, Call call)
{
    const SizeClass size_class = class_of(size, alignment);
    if (size_class < small_class_count)
    {
        Arena *const arena = thread_words.malloc_arena.load(std::memory_order_relaxed);
        Bin &bin = arena->bins[size_class];
        if (bin.head != nullptr)
            return bin.pop(arena->link_secret);
    }
    void *const block = allocate(size, alignment, call).block;
    if (FASTALLOC_UNLIKELY(block == nullptr))
        errno = ENOMEM;
    return block;
}

void *allocate_slow(size_t size)
{
    void *const block = ask_arena(Request{size, default_alignment, Call::malloc}).block;
    if (FASTALLOC_UNLIKELY(block == nullptr))
        errno = ENOMEM;
    return block;
}

void release(void *block, Call call)
{
    if (block == nullptr)
        return;
    Arena *const arena = thread_words.free_arena.load(std::memory_order_relaxed);
    arena->operations->release(arena, block, call);
}

void release_slow(void *block)
{
    release(block, Call::free);
}

} // namespace fastalloc
