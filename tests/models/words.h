// SPDX-License-Identifier: MIT
//
// words.h - the words of a thread, and who writes them: attach, a move to another arena, detach, a purge that asks all threads to flush, and
// the installer of a mode that lasts (src/arena/registry.cpp, src/arena/operations.cpp, ThreadWords in
// src/arena/arena.h).
//
// Two threads make three calls each, end, and make one more call in the destructor of a later key. The first moves in
// its second call, to another node's arena. A third one asks all
// to flush, installs a mode and takes it away. The two words of a thread are always written together: the model has
// one. The mode stands for any that swaps the words for an arena without bins: its installer does what
// ask_all_to_flush does, with another arena, and show writes that arena while the mode is in force.
//
//   - a word names its own thread's arena or one without bins, and nobody writes the words of a thread that is gone;
//   - two threads never have one arena;
//   - a call that begins when the installer has returned sees what was installed, whoever attaches meanwhile; "when":
//     the calling thread was told, by any means that orders memory;
//   - a thread that was asked to flush does so in its next call, or hands its arena over first.
#pragma once

#include "words_protocol.h"

namespace fastalloc_test::words_model
{

struct Words
{
    // What only the registry's lock gives away (lists, Arena::words, the mode) is part of the state as it is.
    static constexpr unsigned threads = users + 1;

    // `unlock` is ~Guard, from where it goes on to Thread::then; begin, swap and say are the installer's.
    enum class At : uint8_t
    {
        call,
        look,
        attach,
        attach_writes,
        hear,
        restore,
        restore_writes,
        flush,
        move,
        move_writes,
        move_leaves,
        end,
        detach,
        detach_writes,
        late_call,
        unlock,
        finished,
        begin,
        swap,
        say
    };

    struct Thread
    {
        At at;
        At then;
        uint8_t calls; // made; the installer: acts
        int8_t self;   // the arena attached to, or empty_arena
        int8_t heard;  // what it was told when its call began; the installer: the arena it has come to
        int8_t writes; // what show is going to write
        uint8_t has_key;
        int8_t left; // the arena it moves away from
    };

    struct State
    {
        Memory<threads, variables, 12> memory;
        Thread thread[threads];
        uint8_t asked[users];        // to flush, and has not
        uint8_t dead[users];         // gone with their words
        uint8_t attached_to[arenas]; // Arena::words: whose, or nobody
        uint8_t is_detached[arenas]; // in the list
        uint8_t made;                // arenas so far
        uint8_t mode;                // in force
        uint8_t unused[8 - (sizeof memory + sizeof thread + 2 * users + 2 * arenas + 2) % 8];
        const char *broken;
    };

    Protocol protocol;

    State first() const
    {
        State state{};
        for (unsigned variable = 0; variable < variables; ++variable)
            state.memory.set(variable, 0);
        for (uint8_t &whose : state.attached_to)
            whose = nobody;
        state.thread[installer].at = At::begin;
        return state;
    }

    bool finished(const State &state, unsigned number) const
    {
        return state.thread[number].at == At::finished;
    }

    // What show writes for a thread with this arena.
    int8_t in_force(const State &state, int8_t arena) const
    {
        return state.mode ? watched_arena : arena;
    }

    void show(State &state, unsigned writer, unsigned whose, int8_t arena) const
    {
        if (state.dead[whose])
            state.broken = gone;
        state.memory.store(writer, words + whose, arena, relaxed);
    }

    const char *step(State &state, unsigned number, Choices &choices) const
    {
        Thread &thread = state.thread[number];
        if (thread.at == At::unlock)
        {
            state.memory.give_lock(number, lock);
            thread.at = thread.then;
            thread.then = At::call;
            return "~Guard";
        }
        const char *const made = number == installer ? install_step(state) : user_step(state, number, choices);
        if (made != nullptr && thread.at == At::finished)
        {
            state.memory.retire(number);
            if (number != installer)
                state.dead[number] = 1;
        }
        return made;
    }

    const char *user_step(State &state, unsigned number, Choices &choices) const
    {
        auto &memory = state.memory;
        Thread &thread = state.thread[number];
        switch (thread.at)
        {
        case At::call:
            if (thread.calls == calls)
            {
                // Never attached, or nobody tells.
                if (thread.self == empty_arena || !thread.has_key)
                    thread.at = At::finished;
                else
                    thread.at = At::end;
                return "the thread ends";
            }
            ++thread.calls;
            thread.heard = memory.load(number, told, acquire, choices);
            thread.at = At::look;
            return "a call begins";

        case At::look:
        {
            const int8_t word = memory.load(number, words + number, relaxed, choices);
            judge_word(state, number, word);
            if (word == empty_arena)
                thread.at = thread.self == empty_arena ? At::attach : At::restore;
            else if (number == 0 && thread.calls == call_that_moves && thread.self != empty_arena)
                thread.at = At::move;
            else
                thread.at = At::call;
            return "allocate_fast: thread_words.malloc_arena.load(relaxed)";
        }

        case At::attach:
            if (!protocol.attach_reads_mode_under_the_lock && thread.writes == 0)
            {
                thread.writes = in_force(state, first_arena);
                return "(mutation) the mode is read";
            }
            if (!state.memory.take_lock(number, lock))
                return nullptr;
            take_arena(state, number);
            thread.at = protocol.attach_writes_under_the_lock ? At::attach_writes : At::unlock;
            thread.then = protocol.attach_writes_under_the_lock ? At::hear : At::attach_writes;
            return "attach: Guard guard(lock); take_detached or new_arena; arena->words = &thread_words; self = arena";

        case At::attach_writes:
            show(state, number, number, thread.writes);
            thread.writes = 0;
            thread.at = protocol.attach_writes_under_the_lock ? At::unlock : At::hear;
            return "attach: show(&thread_words, arena)";

        case At::hear:
            thread.has_key = choices.pick(2) == 0;
            thread.at = thread.has_key || !protocol.unheard_end_detaches ? At::call : At::end;
            return thread.has_key ? "attach: pthread_setspecific" : "attach: pthread_setspecific fails";

        case At::restore:
            thread.writes = in_force(state, thread.self);
            if (protocol.restore_writes_under_the_lock && !state.memory.take_lock(number, lock))
                return nullptr;
            thread.at = At::restore_writes;
            return "flush_and_restore: Guard guard(lock)";

        case At::restore_writes:
            show(state, number, number, thread.writes);
            thread.writes = 0;
            thread.then = At::flush;
            thread.at = protocol.restore_writes_under_the_lock ? At::unlock : At::flush;
            return "flush_and_restore: show(&thread_words, arena)";

        case At::flush:
            state.asked[number] = 0;
            thread.at = At::call;
            return "flush_and_restore: arena->flush()";

        case At::move:
            if (!state.memory.take_lock(number, lock))
                return nullptr;
            thread.left = thread.self;
            take_arena(state, number);
            thread.at = protocol.move_writes_under_the_lock ? At::move_writes : At::unlock;
            thread.then = At::move_writes;
            return "move: Guard guard(lock); take_arena; arena->words = &thread_words; self = next";

        case At::move_writes:
            show(state, number, number, thread.writes);
            thread.writes = 0;
            thread.at = At::move_leaves;
            return "move: show(&thread_words, next)";

        case At::move_leaves:
            if (protocol.move_leaves_the_registry)
                state.attached_to[thread.left - first_arena] = nobody;
            state.is_detached[thread.left - first_arena] = 1;
            if (protocol.move_hands_over_under_the_lock)
                state.asked[number] = 0;
            thread.left = empty_arena;
            thread.at = protocol.move_writes_under_the_lock ? At::unlock : At::call;
            thread.then = At::call;
            return "move: leave(arena): words = nullptr; hand_over; put_detached";

        case At::end:
            state.asked[number] = 0;
            if (!protocol.detach_lists_it_last)
                state.is_detached[thread.self - first_arena] = 1;
            thread.at = At::detach;
            return "detach: arena->hand_over()";

        case At::detach:
            if (!protocol.detach_writes_under_the_lock && thread.writes == 0)
            {
                show(state, number, number, ending_arena);
                thread.writes = ending_arena;
                return "(mutation) show(&thread_words, &ending_arena)";
            }
            if (!state.memory.take_lock(number, lock))
                return nullptr;
            thread.at = At::detach_writes;
            return "detach: Guard guard(lock)";

        case At::detach_writes:
            if (thread.writes == 0 && protocol.detach_ends_the_words)
                show(state, number, number, ending_arena);
            leave_arena(state, number);
            thread.at = At::unlock;
            thread.then = thread.has_key ? At::late_call : At::call;
            return "detach: show(&thread_words, &ending_arena); arena->words = nullptr; put_detached(arena)";

        case At::late_call:
        {
            const int8_t word = memory.load(number, words + number, relaxed, choices);
            if (word != ending_arena)
                state.broken = word == empty_arena ? came_back : not_own;
            thread.at = At::finished;
            return "a later key's destructor calls: thread_words.malloc_arena.load(relaxed); then the thread is gone";
        }

        default:
            return nullptr;
        }
    }

    void take_arena(State &state, unsigned number) const
    {
        Thread &thread = state.thread[number];
        int8_t arena = 0;
        while (arena < state.made && arena < static_cast<int8_t>(arenas - 1) && !state.is_detached[arena])
            ++arena;
        if (arena == state.made)
            ++state.made;
        state.is_detached[arena] = 0;
        state.attached_to[arena] = static_cast<uint8_t>(number);
        thread.self = static_cast<int8_t>(first_arena + arena);
        if (state.thread[1 - number].self == thread.self)
            state.broken = shared;
        // The mutation has read the mode before.
        const bool watched = protocol.attach_reads_mode_under_the_lock ? state.mode : thread.writes == watched_arena;
        thread.writes = watched ? watched_arena : thread.self;
    }

    void leave_arena(State &state, unsigned number) const
    {
        Thread &thread = state.thread[number];
        const int arena = thread.self - first_arena;
        if (protocol.detach_leaves_the_registry)
            state.attached_to[arena] = nobody;
        state.is_detached[arena] = 1;
        state.asked[number] = 0;
        thread.self = empty_arena;
        thread.writes = 0;
    }

    void judge_word(State &state, unsigned number, int8_t word) const
    {
        const Thread &thread = state.thread[number];
        if (word >= first_arena && word != thread.self)
            state.broken = not_own;
        if (word == ending_arena && thread.self != empty_arena)
            state.broken = not_own;
        if (thread.heard > purge && state.asked[number] && word != empty_arena)
            state.broken = not_flushed;
        // The mode's own act has returned, and the one that takes it away has not begun.
        if (thread.heard == install + 1 && state.mode && word >= first_arena)
            state.broken = unseen;
        if (thread.heard == remove_mode + 1 && word == watched_arena)
            state.broken = still_seen;
    }

    const char *install_step(State &state) const
    {
        auto &memory = state.memory;
        Thread &thread = state.thread[installer];
        switch (thread.at)
        {
        case At::begin:
            if (protocol.installer_takes_the_lock && !state.memory.take_lock(installer, lock))
                return nullptr;
            if (thread.calls == install)
                state.mode = 1;
            if (thread.calls == remove_mode)
                state.mode = 0;
            thread.heard = 0;
            thread.at = At::swap;
            return thread.calls == purge ? "ask_all_to_flush: Guard guard(lock)" : "(a mode) Guard guard(lock)";

        case At::swap:
        {
            if (thread.heard == static_cast<int8_t>(state.made))
            {
                thread.at = protocol.installer_takes_the_lock ? At::unlock : At::say;
                thread.then = At::say;
                return "ask_all_to_flush: that was the last arena";
            }
            const uint8_t whose = state.attached_to[thread.heard];
            const auto arena = static_cast<int8_t>(first_arena + thread.heard);
            ++thread.heard;
            if (whose == nobody)
                return "ask_all_to_flush: arena->words == nullptr";
            if (thread.calls == purge)
            {
                show(state, installer, whose, empty_arena);
                state.asked[whose] = 1;
                return "ask_all_to_flush: show(arena->words, &empty_arena)";
            }
            // What is at empty_arena comes to the mode by flush_and_restore.
            if (!protocol.installer_passes_over_who_was_asked || memory.newest(words + whose) != empty_arena)
                show(state, installer, whose, in_force(state, arena));
            return "(a mode) show(arena->words, ...)";
        }

        case At::say:
            ++thread.calls;
            memory.store(installer, told, static_cast<int8_t>(thread.calls), release);
            thread.at = thread.calls == acts ? At::finished : At::begin;
            return "the installer has returned, and says so";

        default:
            return nullptr;
        }
    }

    const char *broken_at_end(const State &state) const
    {
        for (const uint8_t whose : state.attached_to)
            if (whose != nobody)
                return gone;
        return nullptr;
    }
};

} // namespace fastalloc_test::words_model
