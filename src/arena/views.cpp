// SPDX-License-Identifier: MIT
//
// What threads look at: their own arenas, or what a mode puts in their place.
#include "arena/lending.h"
#include "arena/registry.h"
#include "os/barrier.h"

#include <new>

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
    const bool lends = view == own && own->has_face.load(std::memory_order_acquire) &&
                       registry.faces_.load(std::memory_order_relaxed) != nullptr;
    return lends ? &face_of(own)->arena : view;
}

// Requires: the registry's lock.
void Registry::show_view(ThreadWords *words, Arena *own)
{
    words->malloc_arena.store(malloc_view_of(own), std::memory_order_relaxed);
    words->free_arena.store(view_of(own), std::memory_order_relaxed);
}

// Requires: the lock.
void Registry::make_face(Arena *arena)
{
    const ArenaOperations *const operations = faces_.load(std::memory_order_relaxed);
    if (operations == nullptr || arena->is_common || arena->has_face)
        return;
    new (face_of(arena)) Face(operations);
    arena->has_face.store(true, std::memory_order_release); // acquire in malloc_view_of
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
        faces_.store(view.faces, std::memory_order_relaxed);
        for (Arena *arena = first(); arena != nullptr; arena = arena->next_arena.load(std::memory_order_acquire))
        {
            arena->operations.set(view.attached != nullptr ? view.attached : arena->usual_operations());
            make_face(arena);
        }
        barrier::heavy(); // a thread whose word names a face sees what is in it
        for (Arena *arena = first(); arena != nullptr; arena = arena->next_arena.load(std::memory_order_acquire))
            if (arena->words != nullptr && arena->words->malloc_arena.load(std::memory_order_relaxed) != &empty_arena)
                show_view(arena->words, arena);
    }
    barrier::heavy();
}

bool Registry::calls_anywhere(const void *calls)
{
    Guard guard(lock);
    for (Arena *arena = first(); guard && arena != nullptr; arena = arena->next_arena.load(std::memory_order_acquire))
        if (arena->words != nullptr && arena->words != &thread_words &&
            arena->words->calls.load(std::memory_order_acquire) == calls)
            return true;
    return false;
}

} // namespace fastalloc
