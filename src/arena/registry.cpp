// SPDX-License-Identifier: MIT
#include "arena/registry.h"

#include "heap/outside.h"
#include "heap/root.h"
#include "os/options.h"

#include <climits>
#include <cstring>
#include <new>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace fastalloc
{

constinit Registry registry;

Arena *view_of(Arena *own)
{
    return options().check == Check::on ? &watched_arena : own;
}

namespace
{

// Arenas that may wait for their next thread with filled bins, at most one budget each.
constexpr int warm_max = 4;

// ThreadSanitizer lets go of a thread in the last round, before the destructors of later keys run.
constexpr uint8_t exit_rounds_max = PTHREAD_DESTRUCTOR_ITERATIONS - (thread_sanitizer ? 2 : 1);

bool on_main_thread()
{
    return syscall(SYS_gettid) == getpid();
}

// Requires: the registry's lock.
void show(ThreadWords *words, Arena *arena)
{
    words->malloc_arena.store(arena, std::memory_order_relaxed);
    words->free_arena.store(arena, std::memory_order_relaxed);
}

extern "C" void fastalloc_thread_exits(void *arena)
{
    registry.thread_exits(static_cast<Arena *>(arena));
}

} // namespace

bool may_wait()
{
    bool holds = window.lock.held_by_me() || outside.lock.held_by_me();
    for_each_node_heap([&](const NodeHeap &heap) { holds |= heap.lock.held_by_me(); });
    for (Arena *arena = registry.first(); arena != nullptr; arena = arena->next_arena.load(std::memory_order_acquire))
        holds |= arena->lock.held_by_me();
    return !holds;
}

// ---- arenas ---------------------------------------------------------------------------------------------

Arena *Registry::new_arena(Node node, Arena::Purpose purpose)
{
    const NodeHeap::Run run = node_heap(node).take(1, 1, NodeHeap::Blocks::larger); // a page or two of it
    if (run.slice == no_slice)
        return nullptr;
    span_at(run.slice)->kind.store(SpanKind::metadata, std::memory_order_relaxed);
    auto *memory = reinterpret_cast<void *>(address_of_slice(run.slice));
    if (!run.zeroed && !node_heap(node).discard_taken(run.slice))
        memset(memory, 0, sizeof(Arena));
    Arena *arena = new (memory) Arena(&attached_operations, node, purpose);
    arena->link_secret = window_bounds.link_secret;
    // Attached to one thread or to everybody: nobody may adopt its spans.
    arena->attached.store(true, std::memory_order_relaxed);
    // Paired with the acquire in first() and in the walks along `next`.
    fastalloc_root.registry = this;
    if (last_ == nullptr)
        first_.store(arena, std::memory_order_release);
    else
        last_->next_arena.store(arena, std::memory_order_release);
    last_ = arena;
    return arena;
}

Arena *Registry::take_detached(Node node)
{
    for (Arena **link = &detached_; *link != nullptr; link = &(*link)->next_detached)
    {
        Arena *const arena = *link;
        if (arena->node != node)
            continue;
        *link = arena->next_detached;
        detached_count_.fetch_sub(1, std::memory_order_relaxed);
        return arena;
    }
    return nullptr;
}

void Registry::put_detached(Arena *arena)
{
    arena->next_detached = detached_;
    detached_ = arena;
    detached_count_.fetch_add(1, std::memory_order_relaxed);
}

Arena *Registry::common_arena(Node node)
{
    for (Arena *arena = first(); arena != nullptr; arena = arena->next_arena.load(std::memory_order_acquire))
        if (arena->is_common && arena->node == node)
            return arena;
    Guard guard(lock, may_wait);
    if (!guard)
        return nullptr;
    for (Arena *arena = first(); arena != nullptr; arena = arena->next_arena.load(std::memory_order_acquire))
        if (arena->is_common && arena->node == node)
            return arena;
    return new_arena(node, Arena::Purpose::common);
}

// ---- attach and detach --------------------------------------------------------------------------------------

// tests/models/words.h and owner.h check these, a purge, and adoption against each other.

Arena *Registry::attach()
{
    Arena *arena = nullptr;
    {
        Guard guard(lock, may_wait);
        if (!guard)
            return nullptr;
        if (!key_made_ && !key_refused_)
        {
            pthread_key_t key;
            key_made_ = pthread_key_create(&key, fastalloc_thread_exits) == 0;
            key_refused_ = !key_made_;
            key_ = key_made_ ? key : 0;
        }
        if (key_refused_ && !on_main_thread())
        {
            show(&thread_words, view_of(&ending_arena)); // nobody would tell us when this thread ends
            return nullptr;
        }
        const Node node = topology::current_node();
        arena = take_detached(node);
        if (arena == nullptr)
            arena = new_arena(node, Arena::Purpose::thread);
        if (arena == nullptr)
            return nullptr;
        {
            ArenaGuard arena_guard(arena); // an adopter that holds it has seen the arena detached
            arena->attached.store(true, std::memory_order_relaxed);
            if (arena->abandoned)
                arena->settle();
            count_warm(arena->warm, -1);
            arena->warm = false;
        }
        arena->words = &thread_words;
        arena->exit_rounds = 0;
        thread_words.self = arena;
        show(&thread_words, view_of(arena));
    }
    // For keys above 31 this calls calloc, which is served by now, if there is memory. If not, nobody would tell us when
    // this thread ends.
    if (key_made_ && pthread_setspecific(key_, arena) != 0 && !on_main_thread())
    {
        detach(arena);
        return nullptr;
    }
    return arena;
}

void Registry::thread_exits(Arena *arena)
{
    // Destructors of other keys may allocate and free in every round: stay until the last.
    if (arena->exit_rounds < exit_rounds_max)
    {
        ++arena->exit_rounds;
        if (pthread_setspecific(key_, arena) == 0)
            return;
    }
    detach(arena);
}

void Registry::detach(Arena *arena)
{
    // Read without the lock: a few more or less than warm_max do not matter.
    const bool room = warm_count_.load(std::memory_order_relaxed) < warm_max;
    const Arena::Bins bins = arena->hand_over(room ? Arena::Bins::kept : Arena::Bins::emptied);
    Guard guard(lock, may_wait);
    show(&thread_words, view_of(&ending_arena));
    thread_words.self = nullptr;
    arena->words = nullptr;
    if (bins == Arena::Bins::emptied)
        arena->hand_over(bins); // what a signal handler has put into them since
    {
        ArenaGuard arena_guard(arena);
        arena->attached.store(false, std::memory_order_relaxed);
        arena->warm = bins == Arena::Bins::kept;
        count_warm(arena->warm, 1);
    }
    put_detached(arena);
}

// ---- purge --------------------------------------------------------------------------------------------------

void Registry::ask_all_to_flush()
{
    Guard guard(lock, may_wait);
    if (!guard)
        return;
    for (Arena *arena = first(); arena != nullptr; arena = arena->next_arena.load(std::memory_order_acquire))
    {
        if (arena->words != nullptr && arena->words != &thread_words)
            show(arena->words, &empty_arena);
    }
}

void Registry::flush_and_restore(Arena *arena)
{
    {
        Guard guard(lock, may_wait);
        if (!guard)
            return;
        show(&thread_words, view_of(arena));
    }
    arena->flush();
}

void Registry::tidy(uint64_t keep)
{
    for (Arena *arena = first(); arena != nullptr; arena = arena->next_arena.load(std::memory_order_acquire))
    {
        if (!arena->attached.load(std::memory_order_relaxed))
        {
            Guard guard(lock, may_wait);
            if (!guard)
                return;
            const ArenaGuard arena_guard(arena);
            if (arena_guard && !arena->attached.load(std::memory_order_relaxed))
                arena->settle();
        }
        arena->drain();
        const ArenaGuard arena_guard(arena);
        if (arena_guard)
            arena->discard_idle(keep);
    }
}

Registry::Figures Registry::figures() const
{
    Figures figures{};
    for (Arena *arena = first(); arena != nullptr; arena = arena->next_arena.load(std::memory_order_acquire))
    {
        ++figures.arenas;
        figures.attached += arena->words != nullptr;
    }
    return figures;
}

// ---- everything at once, and fork ------------------------------------------------------------------------------

namespace
{

// In the order in which they are taken.
template <typename Visitor>
void for_each_lock(Visitor visit)
{
    visit(registry.lock);
    for (Arena *arena = registry.first(); arena != nullptr; arena = arena->next_arena.load(std::memory_order_acquire))
        visit(arena->lock);
    for_each_node_heap([&](NodeHeap &heap) { visit(heap.lock); });
    visit(window.lock);
    visit(outside.lock);
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
    for (Arena *arena = first(); arena != nullptr; arena = arena->next_arena.load(std::memory_order_acquire))
        arena->drain_if_full(); // for a pusher that could not
}

bool Registry::lock_all()
{
    return take_all_for(Lock::Purpose::standstill);
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
