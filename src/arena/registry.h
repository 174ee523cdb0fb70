// SPDX-License-Identifier: MIT
//
// Registry: all arenas, and who is attached to which.
//
// Arenas are never destroyed; there are as many as there were threads at a time. A thread attaches at its first call,
// taking a detached arena of its place whole, or a new one; its key's destructor detaches it in the last round. Threads
// that cannot have an arena (their key's destructors have run, no key is left) use their place's common arena. On several
// nodes a thread that has moved to another one for good changes its arena.
//
// Owner: the registry's lock, first in the order. Under it: the list's growth, attach and detach, the words of all
// threads. The list of all arenas is also walked without it: it only grows, at its end (store release, load acquire).
#pragma once

#include "arena/arena.h"

namespace fastalloc
{

// What a thread looks at that would look at `own`, its arena or stray_arena: where all calls are looked at, all threads
// look at the same arena without bins, whose operations ask the one beneath it in the end.
Arena *view_of(Arena *own);

// The same for malloc alone, which may be looked at while free is not.
Arena *malloc_view_of(Arena *own);

// Defined in watch/: what all threads look at from the first call of the process on, null for their own.
Arena *first_view();

// How all threads go by from now on.
struct View
{
    Arena *over;                     // what they look at, null for first_view() or their own arenas
    Arena *over_malloc;              // what malloc looks at in place of their own arenas, null for these
    const ArenaOperations *attached; // what arenas with threads do, null for the usual
    const ArenaOperations *stray;    // the same of stray_arena
};

class Registry
{
public:
    // The calling thread's arena; null if there is no memory for one, or in a signal handler inside the registry. A
    // thread whose end nobody would tell (no key is left, or no memory for its value) gets null too, and its words end
    // at ending_arena.
    Arena *attach();

    // Called by the key's destructor.
    void thread_exits(Arena *arena);

    // The arena of a place for threads without one of their own, or of their own there. Null if there is no memory for
    // it.
    Arena *common_arena(Node place);

    // On several nodes, in a slow path of the calling thread: the arena it goes on with, another one if it has come to
    // another node to stay, or has a memory policy of its own now, or none any more. Requires: no lock held.
    Arena *follow(Arena *arena);

    // Calls that begin when this has returned go by `view`. Requires: no lock held.
    void show_to_all(const View &view);

    // Whether any attached thread but the calling one is in the callbacks `calls`.
    bool calls_anywhere(const void *calls);

    // An arena for sampled blocks. Null if there is no memory for it.
    Arena *new_arena_for_samples(Node place);

    // Asks every other thread to flush at its next call.
    void ask_all_to_flush();

    // Stops all other threads: every lock taken, as by lock_all(), and all words shown empty_arena, so that a next call
    // waits for the registry's lock. A thread may still be in the one operation on its own bins and outbox that it had
    // begun. unlock_all() lets them go on. False as lock_all().
    bool stop_all();

    // The calling thread was asked: flushes and looks at its own arena again.
    void flush_and_restore(Arena *arena);

    // Drains and, where no thread is attached, flushes every arena; what was on its way to another one is drained there,
    // too. Then gives back idle pages of each until at most `keep` bytes of its node are idle.
    void tidy(uint64_t keep);

    Arena *first() const
    {
        return first_.load(std::memory_order_acquire);
    }

    // Calls `each` with every arena; with no lock held those that come meanwhile may be left out.
    template <typename Each>
    void for_each_arena(Each each) const
    {
        for (Arena *arena = first(); arena != nullptr; arena = arena->next_arena.load(std::memory_order_acquire))
            each(*arena);
    }

    // Arenas that may be adopted from, relaxed: a hint.
    unsigned detached_count() const
    {
        return detached_count_.load(std::memory_order_relaxed);
    }

    // An arena becomes warm or stops being it.
    void count_warm(bool concerned, int change)
    {
        if (concerned)
            warm_count_.fetch_add(change, std::memory_order_relaxed);
    }

    struct Figures
    {
        uint64_t arenas;
        uint64_t attached;
    };
    // Requires: lock held.
    Figures figures() const;

    // Every lock there is, in order: for whoever needs the whole allocator to stand still. False, and none taken, if
    // this thread holds one already: it is a signal handler that interrupted the allocator, and others may wait for it.
    bool lock_all();
    void unlock_all();

    // fork: prepare locks all, and its thread passes through; the other two let go. In the child every other thread's
    // arena is detached where it stood. In a signal handler that interrupted the allocator prepare locks what it gets
    // soon; what other threads hold is given up in the child, where allocation may fail from then on.
    // fork_child() says whether all were taken.
    void fork_prepare();
    void fork_parent();
    bool fork_child();

    Lock lock;

private:
    friend struct LayoutMaker; // heap/layout.h
    friend Arena *view_of(Arena *own);
    friend Arena *malloc_view_of(Arena *own);

    static void show_view(ThreadWords *words, Arena *own);
    Arena *new_arena(Node place, Arena::Purpose purpose);
    Arena *take_detached(Node place);
    Arena *take_arena(Node place);
    void begin_with(Arena *arena);
    void leave(Arena *arena, Arena::Bins bins);
    Arena *move(Arena *arena, Node place);
    void detach(Arena *arena);
    void put_detached(Arena *arena);
    bool take_all_for(Lock::Purpose purpose);
    void unlock_all_taken_for(Lock::Purpose purpose);
    void end_fork();
    void send_all_home();

    // The view in force. Written under the lock; read by threads that look their words up without it (relaxed): who
    // writes them has the lock.
    std::atomic<Arena *> over_{nullptr};
    std::atomic<Arena *> over_malloc_{nullptr};
    const ArenaOperations *attached_operations_ = nullptr;

    std::atomic<Arena *> first_{nullptr};
    Arena *last_ = nullptr;
    std::atomic<Arena *> common_[place_limit]{};
    Arena *detached_ = nullptr; // the one detached last first: its memory is the warmest
    std::atomic<unsigned> detached_count_{0};
    std::atomic<int> warm_count_{0}; // of warm arenas; each changes under its own lock
    unsigned forks_inside_ = 0;      // by handlers that interrupted a fork between its handlers
    bool key_made_ = false;
    bool key_refused_ = false;
    unsigned key_ = 0; // pthread_key_t
};

extern Registry registry;

// The lock of the table of samples (watch/sampler.h), the last in the order: here, for who takes all locks takes it too.
extern Lock samples_lock;

} // namespace fastalloc
