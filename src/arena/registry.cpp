// SPDX-License-Identifier: MIT
#include "arena/registry.h"

#include "arena/arena_guard.h"
#include "heap/root.h"
#include "os/clock.h"
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
constinit Lock samples_lock;

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

// All require the registry's lock.

void show(ThreadWords *words, Arena *malloc_arena, Arena *free_arena)
{
    words->malloc_arena.store(malloc_arena, std::memory_order_relaxed);
    words->free_arena.store(free_arena, std::memory_order_relaxed);
}

void show_end()
{
    show(&thread_words, &ending_arena, &ending_arena);
}

extern "C" void fastalloc_thread_exits(void *arena)
{
    registry.thread_exits(static_cast<Arena *>(arena));
}

} // namespace

bool may_wait()
{
    bool holds = !may_wait_for_heap();
    registry.for_each_arena([&](const Arena &arena) { holds |= arena.lock.held_by_me(); });
    return !holds;
}

// ---- arenas ---------------------------------------------------------------------------------------------

Arena *Registry::new_arena(Node place, Arena::Purpose purpose)
{
    const NodeHeap::Run run = node_heap(place).take(1, 1, NodeHeap::Blocks::larger); // a page or two of it
    if (run.slice == no_slice)
        return nullptr;
    span_at(run.slice)->kind.store(SpanKind::metadata, std::memory_order_relaxed);
    auto *memory = reinterpret_cast<void *>(address_of_slice(run.slice));
    if (!run.zeroed && !node_heap(place).discard_taken(run.slice))
        memset(memory, 0, sizeof(Arena));
    const bool homed = topology::has_homes();
    Arena *arena = new (memory) Arena(homed ? &homed_operations : &attached_operations, place, purpose);
    arena->homed = homed;
    if (attached_operations_ != nullptr)
        arena->operations.set(attached_operations_);
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

Arena *Registry::take_detached(Node place)
{
    for (Arena **link = &detached_; *link != nullptr; link = &(*link)->next_detached)
    {
        Arena *const arena = *link;
        if (arena->place != place)
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

Arena *Registry::common_arena(Node place)
{
    // Paired with the store below: whoever sees the arena sees what is in it.
    Arena *common = common_[place].load(std::memory_order_acquire);
    if (common != nullptr)
        return common;
    Guard guard(lock, may_wait);
    if (!guard)
        return nullptr;
    common = common_[place].load(std::memory_order_relaxed);
    if (common == nullptr)
    {
        common = new_arena(place, Arena::Purpose::common);
        common_[place].store(common, std::memory_order_release);
    }
    return common;
}

Arena *Registry::new_arena_for_samples(Node place)
{
    Guard guard(lock, may_wait);
    return guard ? new_arena(place, Arena::Purpose::samples) : nullptr;
}

// ---- attach and detach --------------------------------------------------------------------------------------

// tests/models/words.h and owner.h check these, a purge, and adoption against each other.

// One that nobody is attached to, or a new one; null if there is no memory for it. Requires: the lock.
Arena *Registry::take_arena(Node place)
{
    Arena *const arena = take_detached(place);
    if (arena == nullptr)
        return new_arena(place, Arena::Purpose::thread);
    ArenaGuard guard(arena); // an adopter that holds it has seen the arena detached
    arena->attached.store(true, std::memory_order_relaxed);
    if (arena->abandoned)
        arena->settle();
    count_warm(arena->warm, -1);
    arena->warm = false;
    return arena;
}

// The calling thread's words name the arena from now on. Requires: the lock.
void Registry::begin_with(Arena *arena)
{
    arena->words = &thread_words;
    thread_words.self = arena;
    show_view(&thread_words, arena);
}

// The calling thread, whose words name another arena already, leaves this one to others. Requires: the lock.
void Registry::leave(Arena *arena, Arena::Bins bins)
{
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
            show_end(); // nobody would tell us when this thread ends
            return nullptr;
        }
        arena = take_arena(topology::place_of_thread());
        if (arena == nullptr)
            return nullptr;
        arena->exit_rounds = 0;
        arena->homing = {};
        begin_with(arena);
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
    show_end();
    thread_words.self = nullptr;
    leave(arena, bins);
}

// ---- from node to node ----------------------------------------------------------------------------------------

Arena *Registry::follow(Arena *arena)
{
    Homing &homing = arena->homing;
    const auto [cpu, here] = topology::spot_of_thread();
    bool settled = false;
    if (here == arena->place)
        homing.at_home(cpu);
    else
        settled = homing.has_settled(here, now_ms) ||
                  (homing.is_new_there(now_ms) && !topology::thread_may_run_on(homing.home_cpu()));
    if (!homing.is_to_look_at_policy() && !settled)
        return arena;
    Node home = arena->place;
    if (topology::thread_has_policy())
        home = unplaced;
    else if (settled || home == unplaced)
        home = here;
    if (home == arena->place)
    {
        homing.stays();
        return arena;
    }
    Arena *const next = move(arena, home);
    if (next->place == here)
        next->homing.at_home(cpu); // no more on the CPU it has left
    return next;
}

Arena *Registry::move(Arena *arena, Node place)
{
    Arena *next = nullptr;
    {
        // Not in a signal handler that interrupted this thread where it holds a lock.
        const bool quiet = may_wait();
        Guard guard(lock, may_wait);
        next = quiet && guard && thread_words.self == arena ? take_arena(place) : nullptr;
        if (next == nullptr)
        {
            arena->homing.stays();
            return arena;
        }
        next->exit_rounds = arena->exit_rounds;
        next->homing = arena->homing;
        if (place != unplaced && arena->place != unplaced)
            next->homing.moved(now_ms);
        else
            next->homing.changes_policy();
        begin_with(next);
        leave(arena, Arena::Bins::emptied);
    }
    if (key_made_)
        (void)pthread_setspecific(key_, next); // which has a value already, so there is memory for it
    return next;
}

// ---- purge --------------------------------------------------------------------------------------------------

void Registry::ask_all_to_flush()
{
    Guard guard(lock, may_wait);
    if (guard)
        send_all_home();
}

// Every other thread comes by the registry's lock at its next call, and flushes. Requires: the lock.
void Registry::send_all_home()
{
    for_each_arena([](const Arena &arena) {
        if (arena.words != nullptr && arena.words != &thread_words)
            show(arena.words, &empty_arena, &empty_arena);
    });
}

void Registry::flush_and_restore(Arena *arena)
{
    {
        Guard guard(lock, may_wait);
        if (!guard)
            return;
        show_view(&thread_words, arena);
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
    }
    // Blocks whose spans were adopted have been forwarded, also to arenas that came earlier: drained once more.
    for_each_arena([keep](Arena &arena) {
        arena.drain();
        const ArenaGuard arena_guard(&arena);
        if (arena_guard)
            arena.discard_idle(keep);
    });
}

Registry::Figures Registry::figures() const
{
    Figures figures{};
    for_each_arena([&](const Arena &arena) {
        ++figures.arenas;
        figures.attached += arena.words != nullptr;
    });
    return figures;
}

} // namespace fastalloc
