// SPDX-License-Identifier: MIT
//
// What threads look at: their own arenas, or what a mode puts in their place.
#include "arena/registry.h"
#include "os/barrier.h"

namespace fastalloc
{

Arena *view_of(Arena *own)
{
    Arena *const over = registry.over_.load(std::memory_order_relaxed);
    if (over != nullptr)
        return over;
    Arena *const first = first_view();
    return first != nullptr ? first : own;
}

Arena *malloc_view_of(Arena *own)
{
    Arena *const view = view_of(own);
    Arena *const over = registry.over_malloc_.load(std::memory_order_relaxed);
    return view == own && over != nullptr ? over : view;
}

// Requires: the registry's lock.
void Registry::show_view(ThreadWords *words, Arena *own)
{
    words->malloc_arena.store(malloc_view_of(own), std::memory_order_relaxed);
    words->free_arena.store(view_of(own), std::memory_order_relaxed);
}

// A thread that was asked to flush looks its words up when it does, under the lock.
void Registry::show_to_all(const View &view)
{
    {
        Guard guard(lock);
        if (!guard)
            return;
        attached_operations_ = view.attached;
        stray_arena.operations.set(view.stray != nullptr ? view.stray : &stray_operations);
        over_.store(view.over, std::memory_order_relaxed);
        over_malloc_.store(view.over_malloc, std::memory_order_relaxed);
        for_each_arena([&](Arena &arena) {
            arena.operations.set(view.attached != nullptr ? view.attached : arena.usual_operations());
            if (arena.words != nullptr && arena.words->malloc_arena.load(std::memory_order_relaxed) != &empty_arena)
                show_view(arena.words, &arena);
        });
    }
    barrier::heavy();
}

bool Registry::calls_anywhere(const void *calls)
{
    Guard guard(lock);
    bool found = false;
    if (guard)
        for_each_arena([&](const Arena &arena) {
            found |= arena.words != nullptr && arena.words != &thread_words &&
                     arena.words->calls.load(std::memory_order_acquire) == calls;
        });
    return found;
}

} // namespace fastalloc
