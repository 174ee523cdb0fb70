// SPDX-License-Identifier: MIT
//
// The lock: one word, and a futex to sleep on (src/os/lock.cpp).
//
// Three threads take it twice each; the third as whoever takes all locks at once does. A futex compares the low half of
// the word, in which two holders may look alike: the model compares the marks alone, as if all of them did.
//
//   - one holder at a time, who sees what the one before did;
//   - no lost wake-up: nobody sleeps when all others have finished;
//   - at the end the word is 0.
#include "memory.h"

#include "claims.h"

using namespace fastalloc_test;

namespace
{

constexpr const char *race = "two threads have the lock, or one does not see what the other did";
constexpr const char *lost_wake_up = "somebody waits for ever";
constexpr const char *left_taken = "the word is not 0 at the end";

// What the code does. A mutation changes one line.
struct Protocol
{
    std::memory_order lock = seq_cst;
    std::memory_order unlock = seq_cst;
    bool sleeper_leaves_its_mark = true; // who slept takes the word with the waiters bit
    bool marks_by_compare = true;        // the waiters bit is set by compare-and-swap
    bool sleeps_if_unchanged = true;     // the kernel compares before it lets a thread sleep
    bool unlocks_at_once = true;         // unlock is one exchange
    bool wakes = true;
};

enum Variable : unsigned
{
    word, // 0, or a thread's identity with marks
    variables
};

enum Plain : unsigned
{
    protected_data
};

constexpr int8_t waiters = 1;
constexpr int8_t marked = 2;
constexpr int8_t marks = 3;
constexpr unsigned marking_thread = 2;
constexpr uint8_t rounds = 2;

struct LockWord
{
    static constexpr unsigned threads = 3;

    enum class At : uint8_t
    {
        fast,
        spin,
        look,
        take,
        mark_waiters,
        wait,
        sleeping,
        taken,
        mark_taken,
        inside,
        unlock,
        clear,
        wake
    };

    struct Thread
    {
        At at;
        uint8_t rounds_done;
        int8_t seen;
    };

    struct State
    {
        Memory<threads, variables, 16> memory;
        Thread thread[threads];
        uint8_t unused[8 - (sizeof memory + sizeof thread) % 8];
        const char *broken;
    };

    Protocol protocol;

    State first() const
    {
        State state{};
        state.memory.set(word, 0);
        return state;
    }

    bool finished(const State &state, unsigned number) const
    {
        return state.thread[number].rounds_done == rounds;
    }

    const char *step(State &state, unsigned number, Choices &choices) const
    {
        if (finished(state, number))
            return nullptr;
        auto &memory = state.memory;
        Thread &thread = state.thread[number];
        const auto self = static_cast<int8_t>((number + 1) << 2);
        const std::memory_order failed = protocol.lock == acq_rel ? acquire : protocol.lock;
        const auto swap = [&](int8_t &expected, int value) {
            return memory.compare_exchange(number, word, expected, static_cast<int8_t>(value), protocol.lock, failed,
                                           choices);
        };
        int8_t expected = 0;
        switch (thread.at)
        {
        case At::fast:
            thread.at = swap(expected, self) ? At::taken : At::spin;
            return "lock: word_.compare_exchange_strong(0, thread_identity())";

        case At::spin:
            thread.at = swap(expected, self) ? At::taken : At::look;
            return "lock_slow: the last try_lock of its spins";

        case At::look:
            thread.seen = memory.load(number, word, relaxed, choices);
            thread.at = thread.seen == 0 ? At::take : thread.seen & waiters ? At::wait : At::mark_waiters;
            return "lock_slow: seen = word_.load(relaxed)";

        case At::take:
            thread.at = swap(expected, protocol.sleeper_leaves_its_mark ? self | waiters : self) ? At::taken : At::look;
            return "lock_slow: word_.compare_exchange_strong(0, self | waiters)";

        case At::mark_waiters:
            expected = thread.seen;
            if (!protocol.marks_by_compare)
                memory.store(number, word, static_cast<int8_t>(thread.seen | waiters), seq_cst);
            else if (!swap(expected, thread.seen | waiters))
            {
                thread.at = At::look;
                return "lock_slow: word_.compare_exchange_strong(seen, seen | waiters): it has changed";
            }
            thread.at = At::wait;
            return "lock_slow: word_.compare_exchange_strong(seen, seen | waiters)";

        case At::wait:
            // The kernel reads the word under the lock that the waker takes too.
            if (protocol.sleeps_if_unchanged && (memory.newest(word) & marks) != ((thread.seen | waiters) & marks))
                thread.at = At::look;
            else
                thread.at = At::sleeping;
            return "lock_slow: futex(FUTEX_WAIT, seen | waiters)";

        case At::sleeping:
            return nullptr;

        case At::taken:
            if (!memory.touch(number, protected_data))
                state.broken = race;
            thread.at = number == marking_thread ? At::mark_taken : At::inside;
            return "the holder begins";

        case At::mark_taken:
            memory.exchange(number, word, memory.newest(word) | marked, relaxed);
            thread.at = At::inside;
            return "take_for: word_.fetch_or(purpose, relaxed)";

        case At::inside:
            if (!memory.touch(number, protected_data))
                state.broken = race;
            thread.at = At::unlock;
            return "the holder ends";

        case At::unlock:
            if (!protocol.unlocks_at_once)
            {
                thread.seen = memory.load(number, word, acquire, choices);
                thread.at = At::clear;
                return "(mutation) seen = word_.load()";
            }
            thread.seen = memory.exchange(number, word, 0, protocol.unlock);
            leave(state, number);
            return "unlock: word_.exchange(0) & waiters";

        case At::clear:
            memory.store(number, word, 0, release);
            leave(state, number);
            return "(mutation) word_.store(0)";

        case At::wake:
            wake_one(state, choices);
            end_round(state, number);
            return "wake_one: futex(FUTEX_WAKE, 1)";
        }
        return nullptr;
    }

    void leave(State &state, unsigned number) const
    {
        if (protocol.wakes && (state.thread[number].seen & waiters) != 0)
            state.thread[number].at = At::wake;
        else
            end_round(state, number);
    }

    void wake_one(State &state, Choices &choices) const
    {
        Thread *sleepers[threads];
        unsigned count = 0;
        for (Thread &thread : state.thread)
            if (thread.at == At::sleeping)
                sleepers[count++] = &thread;
        if (count != 0)
            sleepers[choices.pick(count)]->at = At::look;
    }

    void end_round(State &state, unsigned number) const
    {
        Thread &thread = state.thread[number];
        thread = {At::fast, static_cast<uint8_t>(thread.rounds_done + 1), 0};
        if (finished(state, number))
            state.memory.retire(number);
    }

    const char *broken_at_end(const State &state) const
    {
        return state.memory.newest(word) == 0 ? nullptr : left_taken;
    }
};

void the_lock_has_one_holder_and_forgets_nobody(void **)
{
    assert_holds("lock", LockWord{}, 10'000);
}

// The inbox is what needs more.
void acquire_and_release_are_enough_for_the_lock_itself(void **)
{
    assert_holds("acquire and release", LockWord{{.lock = acquire, .unlock = release}}, 10'000);
}

void each_line_of_the_lock_is_needed(void **)
{
    assert_breaks("lock relaxed", LockWord{{.lock = relaxed}}, race);
    assert_breaks("unlock relaxed", LockWord{{.unlock = relaxed}}, race);
    assert_breaks("taken without the mark", LockWord{{.sleeper_leaves_its_mark = false}}, lost_wake_up);
    assert_breaks("marked by a store", LockWord{{.marks_by_compare = false}}, lost_wake_up);
    assert_breaks("sleeps whatever the word is", LockWord{{.sleeps_if_unchanged = false}}, lost_wake_up);
    assert_breaks("unlock by load and store", LockWord{{.unlocks_at_once = false}}, lost_wake_up);
    assert_breaks("nobody is woken", LockWord{{.wakes = false}}, lost_wake_up);
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(the_lock_has_one_holder_and_forgets_nobody),
        cmocka_unit_test(acquire_and_release_are_enough_for_the_lock_itself),
        cmocka_unit_test(each_line_of_the_lock_is_needed),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
