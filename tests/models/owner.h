// SPDX-License-Identifier: MIT
//
// owner.h - a span changes its owner while its blocks come back: adoption, detach, attach, remote frees and the drainer
// that forwards (src/arena/spans.cpp, src/arena/remote.cpp, src/arena/registry.cpp, src/arena/budget.cpp).
//
// What the arenas are and what they all do is here; what the threads do, in owner.cpp.
//
//   - who changes the span holds the lock of the arena that owns it, and nobody else is at it;
//   - a bin holds blocks of its own arena's spans;
//   - blocks handed out are never below zero, and in the end are those that are not in the span's list;
//   - in the end every inbox is empty: each block that was freed is in the list of its span, or in a bin.
#pragma once

#include "memory.h"

namespace fastalloc_test::owner_model
{

constexpr const char *not_owner = "a span is changed without the lock of its owner";
constexpr const char *span_race = "two threads change a span at a time";
constexpr const char *bin_race = "two threads use the bins of an arena at a time";
constexpr const char *left_bin = "a bin holds a block of a span that has left";
constexpr const char *too_many = "more blocks come back than were handed out";
constexpr const char *miscounted = "the blocks handed out are miscounted";
constexpr const char *stranded = "a block stays in an inbox";

// What the code does. A mutation changes one line.
struct Protocol
{
    bool drainer_forwards = true;
    bool holder_looks_again = true;
    bool adopts_under_the_lock = true;       // of the arena that has the span
    bool adopter_looks_again = true;         // at `attached`, under the lock
    bool adopter_settles = true;             // empties the bins of a warm arena
    bool attaches_under_the_lock = true;     // of the arena
    bool hands_over_before_it_leaves = true; // `attached` falls last
    bool hands_over_again = true;            // what a signal handler freed meanwhile
};

// Arenas, as owners and as numbers of their variables.
constexpr uint8_t a = 0;
constexpr uint8_t b = 1;
constexpr unsigned arenas = 2;

// Atomic variables.
constexpr unsigned lock = 0; // of A; B's follows
constexpr unsigned inbox = lock + arenas;
constexpr unsigned registry_lock = inbox + arenas;
constexpr unsigned owner = registry_lock + 1;
constexpr unsigned attached = owner + 1; // A's
constexpr unsigned variables = attached + 1;

// Plain ones.
constexpr unsigned span = 0;
constexpr unsigned bins = 1; // of A

constexpr unsigned blocks = 5;
constexpr uint8_t freed_by_owner = 0;
constexpr uint8_t freed_remotely = 1;
constexpr uint8_t free_at_first = 2;
constexpr uint8_t freed_by_handler = 3;

enum class Place : uint8_t
{
    program,
    bin_a,
    bin_b,
    span_list,
    on_its_way
};

struct Spans
{
    static constexpr unsigned threads = 4;
    static constexpr unsigned deepest = 6;

    // By function: free, detach, refill with adopt_span, attach with a flush, and what all of them call.
    enum class At : uint8_t
    {
        free,
        hand_over,
        enter_registry,
        hand_over_again,
        leave_arena,
        put_detached,
        refill,
        adopt_look,
        adopt_try,
        adopt_look_again,
        adopt_drain,
        adopt,
        gather,
        next_refill,
        take_detached,
        attach,
        leave_registry,
        pop,
        flush,
        push,
        try_drain,
        unlock,
        look,
        take,
        sort,
        done,
    };

    // A function that is under way.
    struct Frame
    {
        At at;
        uint8_t arena;
        uint8_t list; // blocks, a bit each
    };

    struct Thread
    {
        uint8_t depth;
        uint8_t refills; // done
        uint8_t keeps;   // the bins filled, at its end
        Frame frames[deepest];
    };

    struct State
    {
        Memory<threads, variables, 4> memory;
        Thread thread[threads];
        Place place[blocks];
        uint8_t handed_out;
        uint8_t warm;
        uint8_t is_detached; // A is in the registry's list
        uint8_t unused[8 - (sizeof memory + sizeof thread + blocks + 3) % 8];
        const char *broken;
    };

    Protocol protocol;

    static void call(Thread &thread, At at, unsigned arena, unsigned list = 0)
    {
        if (thread.depth == deepest)
            abort();
        thread.frames[thread.depth++] = {at, static_cast<uint8_t>(arena), static_cast<uint8_t>(list)};
    }

    // The frame goes on at `then`, when the called function has returned.
    void call_then(State &state, unsigned number, Frame &frame, At then, At called, unsigned arena,
                   unsigned list = 0) const
    {
        frame.at = then;
        call(state.thread[number], called, arena, list);
    }

    static void leave(Thread &thread)
    {
        thread.frames[--thread.depth] = {};
    }

    bool owned_by(const State &state, uint8_t arena) const
    {
        return state.memory.newest(owner) == arena;
    }

    // Blocks of the span that are somewhere, a bit each.
    static unsigned all_in(const State &state, Place place)
    {
        unsigned list = 0;
        for (unsigned block = 0; block < blocks; ++block)
            if (state.place[block] == place)
                list |= 1u << block;
        return list;
    }

    // Requires: the blocks have been taken from where they were.
    void splice(State &state, unsigned number, uint8_t arena, unsigned list) const
    {
        if (!owned_by(state, arena) || !state.memory.has_lock(number, lock + arena))
            state.broken = not_owner;
        else if (!state.memory.touch(number, span))
            state.broken = span_race;
        for (unsigned block = 0; block < blocks; ++block)
            if (list >> block & 1)
            {
                if (state.handed_out == 0)
                    state.broken = too_many;
                --state.handed_out;
                state.place[block] = Place::span_list;
            }
    }

    // A's bins back to its spans.
    void return_bins(State &state, unsigned number) const
    {
        if (!state.memory.touch(number, bins))
            state.broken = bin_race;
        const unsigned list = all_in(state, Place::bin_a);
        if (list != 0 && !owned_by(state, a))
            state.broken = left_bin;
        else if (list != 0)
            splice(state, number, a, list);
    }

    static void move(State &state, unsigned list, Place place)
    {
        for (unsigned block = 0; block < blocks; ++block)
            if (list >> block & 1)
                state.place[block] = place;
    }

    // ---- all threads: push_inbox, drain_if_full, drain_locked, ~ArenaGuard; frame.arena is whose inbox

    const char *common_step(State &state, unsigned number, Frame &frame, Choices &choices) const
    {
        auto &memory = state.memory;
        const unsigned its_lock = lock + frame.arena;
        const unsigned its_inbox = inbox + frame.arena;
        switch (frame.at)
        {
        case At::push:
            memory.exchange(number, its_inbox, static_cast<int8_t>(memory.newest(its_inbox) | frame.list), release);
            memory.keep_newest(its_inbox);
            frame = {At::try_drain, frame.arena, 0};
            return "push_inbox: inbox_.compare_exchange_weak";

        case At::try_drain:
            if (memory.take_lock(number, its_lock))
                call_then(state, number, frame, At::unlock, At::take, frame.arena);
            else
                frame.at = At::done; // of another thread, or of this one: the holder looks again
            return "drain_if_full: Guard guard(lock, Try)";

        case At::unlock:
            if (frame.arena == registry_lock)
            {
                memory.give_lock(number, registry_lock);
                frame.at = At::done;
                return "~Guard";
            }
            memory.give_lock(number, its_lock);
            frame.at = protocol.holder_looks_again ? At::look : At::done;
            return "~ArenaGuard: unlock";

        case At::look:
            frame.at = memory.newest(its_inbox) != 0 ? At::try_drain : At::done;
            return "~ArenaGuard: inbox_bytes_.load() > inbox_bound";

        case At::take:
            frame.list = static_cast<uint8_t>(memory.exchange(number, its_inbox, 0, acquire));
            memory.keep_newest(its_inbox);
            frame.at = frame.list != 0 ? At::sort : At::done;
            return "drain_locked: inbox_.exchange(nullptr)";

        case At::sort:
        {
            const unsigned block = frame.list & -frame.list;
            const auto whose = static_cast<uint8_t>(memory.load(number, owner, relaxed, choices));
            frame.list = static_cast<uint8_t>(frame.list & ~block);
            frame.at = frame.list != 0 ? At::sort : At::done;
            if (whose == frame.arena || !protocol.drainer_forwards)
            {
                splice(state, number, frame.arena, block);
                return "drain_locked: splice";
            }
            call(state.thread[number], At::push, whose, block);
            return "drain_locked: owner->push_inbox";
        }

        default:
            return nullptr;
        }
    }
};

} // namespace fastalloc_test::owner_model
