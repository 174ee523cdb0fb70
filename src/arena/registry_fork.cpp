// SPDX-License-Identifier: MIT
//
// Every lock at once: for whoever needs the whole allocator to stand still, and around a fork.
#include "arena/registry.h"

#include "arena/purge.h"
#include "heap/memory_events.h"
#include "heap/outside.h"
#include "os/barrier.h"

namespace fastalloc
{
namespace
{

// In the order in which they are taken.
template <typename Visitor>
void for_each_lock(Visitor visit)
{
    visit(registry.lock);
    registry.for_each_arena([&](Arena &arena) { visit(arena.lock); });
    for_each_node_heap([&](NodeHeap &heap) { visit(heap.lock); });
    visit(window.lock);
    visit(outside.lock);
    visit(memory_events.lock);
    visit(samples_lock);
}

} // namespace

bool Registry::take_all_for(Lock::Purpose purpose)
{
    bool interrupted = false;
    for_each_lock([&](const Lock &each) { interrupted |= each.held_by_me(); });
    if (interrupted)
        return false;
    bool all = true;
    for_each_lock([&](Lock &each) { all &= each.take_for(purpose); });
    if (!all) // a fork has left one behind
        unlock_all_taken_for(purpose);
    return all;
}

void Registry::unlock_all_taken_for(Lock::Purpose purpose)
{
    for_each_lock([&](Lock &each) { each.unlock_if_taken_for(purpose); });
    for_each_arena([](Arena &arena) { arena.look_at_inbox(); });
}

bool Registry::lock_all()
{
    return take_all_for(Lock::Purpose::standstill);
}

bool Registry::stop_all()
{
    if (!lock_all())
        return false;
    send_all_home();
    barrier::heavy();
    return true;
}

void Registry::unlock_all()
{
    unlock_all_taken_for(Lock::Purpose::standstill);
}

void Registry::fork_prepare()
{
    if (take_all_for(Lock::Purpose::fork))
        Lock::begin_fork();
    else if (lock.is_taken_for(Lock::Purpose::fork))
        ++forks_inside_;
    else
        for_each_lock([](Lock &each) { each.try_take_for(Lock::Purpose::fork); });
}

void Registry::fork_parent()
{
    end_fork();
}

bool Registry::fork_child()
{
    const bool stands_still = Lock::passes_now();
    if (!stands_still)
    {
        for_each_lock([](Lock &each) { each.give_up_if_held(); });
        Lock::end_fork(); // a fork of a thread that is gone
    }
    for_each_node_heap([stands_still](NodeHeap &heap) {
        // Used for the first time after all were taken, by a thread that then waited for the window's lock: it has no
        // memory yet, and its lock has lost its holder.
        if (stands_still && !heap.lock.held_by_me())
            heap.lock.reset();
        if (heap.lock.is_taken_for(Lock::Purpose::fork))
            heap.after_fork_in_child();
    });
    for (Arena *arena = first(); arena != nullptr; arena = arena->next_arena.load(std::memory_order_acquire))
    {
        if (arena->words == nullptr || arena->words == &thread_words)
            continue;
        arena->words = nullptr;
        arena->abandoned = true;
        // Else one of both was in the middle of something: the arena stays where it is, and nobody's.
        if (lock.is_taken_for(Lock::Purpose::fork) && arena->lock.is_taken_for(Lock::Purpose::fork))
        {
            arena->attached.store(false, std::memory_order_relaxed);
            put_detached(arena);
        }
    }
    end_fork();
    forget_who_was_telling();
    return stands_still;
}

void Registry::end_fork()
{
    if (lock.is_taken_for(Lock::Purpose::fork) && forks_inside_ != 0)
    {
        --forks_inside_;
        return;
    }
    if (Lock::passes_now())
        Lock::end_fork();
    unlock_all_taken_for(Lock::Purpose::fork);
}

} // namespace fastalloc
