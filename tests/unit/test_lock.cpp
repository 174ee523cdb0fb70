// SPDX-License-Identifier: MIT
//
// Claims about os/lock.h: one holder at a time, nobody forgotten, and a holder that meets itself is told.
#include "os/lock.h"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <ctime>
#include <latch>
#include <thread>
#include <vector>

#include "layers.h"

using namespace fastalloc_test;

namespace
{

using Outcome = Lock::Outcome;

void wait_milliseconds(long milliseconds)
{
    const timespec wait = {0, milliseconds * 1'000'000};
    nanosleep(&wait, nullptr);
}

// What another thread gets.
Outcome tried_elsewhere(Lock &lock)
{
    Outcome outcome = Outcome::taken;
    std::thread([&] {
        outcome = lock.try_lock();
        if (outcome == Outcome::taken)
            lock.unlock();
    }).join();
    return outcome;
}

void a_lock_has_one_holder(void **)
{
    Lock lock;
    assert_false(lock.held_by_me());
    assert_true(lock.lock() == Outcome::taken);
    assert_true(lock.held_by_me());
    assert_true(tried_elsewhere(lock) == Outcome::busy);
    lock.unlock();
    assert_false(lock.held_by_me());
    assert_true(tried_elsewhere(lock) == Outcome::taken);
}

void a_guard_holds_for_its_scope(void **)
{
    Lock lock;
    {
        const Guard guard(lock);
        assert_true(static_cast<bool>(guard));
        assert_true(lock.held_by_me());
    }
    assert_false(lock.held_by_me());
    {
        const Guard guard(lock, Guard::Try{});
        assert_true(static_cast<bool>(guard));
        assert_true(lock.held_by_me());
    }
    assert_false(lock.held_by_me());
}

void what_was_taken_and_waited_for_is_counted(void **)
{
    Lock lock;
    const uint64_t waits = Lock::waits();
    {
        const Guard guard(lock);
    }
    {
        const Guard guard(lock, Guard::Try{});
    }
    assert_int_equal(Lock::waits(), waits);
    assert_true(lock.lock() == Outcome::taken);
    assert_int_equal(lock.times_taken(), 3);
    std::thread waiter([&] { const Guard guard(lock); });
    while (Lock::waits() == waits)
        wait_milliseconds(1);
    lock.unlock();
    waiter.join();
    assert_int_equal(Lock::waits(), waits + 1);
    assert_int_equal(lock.times_taken(), 4);
}

// Not atomic: only the lock keeps the additions apart.
void additions_under_the_lock_are_not_lost(void **)
{
    constexpr unsigned rounds = 20'000;
    Lock lock;
    uint64_t sum = 0;
    std::vector<std::thread> threads;
    for (unsigned number = 0; number < 4; number++)
        threads.emplace_back([&, number] {
            for (unsigned round = 0; round < rounds; round++)
            {
                if (number == 0)
                    while (lock.try_lock() != Outcome::taken)
                        sched_yield();
                else
                    lock.lock();
                sum++;
                lock.unlock();
            }
        });
    for (std::thread &thread : threads)
        thread.join();
    assert_int_equal(sum, 4 * rounds);
}

void all_that_sleep_on_a_lock_are_woken_one_after_the_other(void **)
{
    Lock lock;
    std::atomic<unsigned> passed{0};
    std::latch started(3);
    lock.lock();
    std::vector<std::thread> threads;
    for (unsigned number = 0; number < 3; number++)
        threads.emplace_back([&] {
            started.count_down();
            errno = ERANGE;
            require(lock.lock() == Outcome::taken);
            require(errno == ERANGE);
            passed++;
            lock.unlock();
        });
    started.wait();
    wait_milliseconds(30); // longer than they look before they sleep
    assert_int_equal(passed, 0);
    lock.unlock();
    for (std::thread &thread : threads)
        thread.join();
    assert_int_equal(passed, 3);
}

void a_thread_that_meets_its_own_lock_is_not_left_waiting(void **)
{
    Lock lock;
    lock.lock();
    assert_true(lock.lock() == Outcome::interrupted);
    assert_true(lock.try_lock() == Outcome::interrupted);
    {
        const Guard guard(lock);
        const Guard tried(lock, Guard::Try{});
        assert_false(static_cast<bool>(guard));
        assert_false(static_cast<bool>(tried));
    }
    assert_true(lock.held_by_me()); // neither guard has let it go
    lock.unlock();
    assert_true(lock.lock() == Outcome::taken);
    lock.unlock();
}

void a_forking_thread_passes_through_its_locks_and_nobody_else_does(void **)
{
    Lock held;
    Lock other;
    held.lock();
    assert_false(Lock::passes_now());
    Lock::begin_fork();
    assert_true(Lock::passes_now());
    assert_true(held.lock() == Outcome::passed);
    {
        const Guard guard(held);
        const Guard tried(held, Guard::Try{});
        assert_true(static_cast<bool>(guard));
        assert_true(static_cast<bool>(tried));
    }
    assert_true(held.held_by_me());
    assert_true(other.lock() == Outcome::taken); // one it does not hold is taken as ever
    other.unlock();
    assert_true(tried_elsewhere(held) == Outcome::busy);
    std::thread([] { require(!Lock::passes_now()); }).join();
    Lock::end_fork();
    assert_false(Lock::passes_now());
    assert_true(held.lock() == Outcome::interrupted);
    held.unlock();
}

// The holder's identity is the same in the child of a fork.
void a_lock_taken_before_a_fork_belongs_to_the_child(void **)
{
    Lock lock;
    lock.lock();
    assert_alone([&lock] {
        require(lock.held_by_me());
        lock.unlock();
        require(tried_elsewhere(lock) == Outcome::taken);
    });
    assert_true(lock.held_by_me());
    lock.unlock();
}

void a_lock_whose_holder_is_gone_can_be_reset(void **)
{
    Lock lock;
    std::thread([&lock] { lock.lock(); }).join();
    lock.reset();
    assert_true(lock.lock() == Outcome::taken);
    lock.unlock();
}

void who_takes_all_locks_leaves_those_it_interrupted_to_their_holder(void **)
{
    Lock interrupted;
    Lock free;
    interrupted.lock();
    assert_false(interrupted.take_for(Lock::Purpose::fork));
    assert_true(free.take_for(Lock::Purpose::fork));
    assert_true(free.held_by_me());
    assert_true(free.lock() == Outcome::interrupted);
    assert_true(tried_elsewhere(free) == Outcome::busy);
    interrupted.unlock_if_taken_for(Lock::Purpose::fork);
    free.unlock_if_taken_for(Lock::Purpose::fork);
    assert_true(interrupted.held_by_me());
    assert_false(free.held_by_me());
    interrupted.unlock();
    interrupted.unlock_if_taken_for(Lock::Purpose::fork); // nothing to let go of
    assert_true(tried_elsewhere(interrupted) == Outcome::taken);
}

// A handler forks while the call it interrupted has taken all locks to look at the heap.
void a_lock_taken_for_one_purpose_is_not_let_go_for_another(void **)
{
    Lock lock;
    assert_true(lock.take_for(Lock::Purpose::standstill));
    assert_false(lock.try_take_for(Lock::Purpose::fork));
    assert_false(lock.is_taken_for(Lock::Purpose::fork));
    lock.unlock_if_taken_for(Lock::Purpose::fork);
    assert_true(lock.held_by_me());
    lock.unlock_if_taken_for(Lock::Purpose::standstill);
    assert_false(lock.held_by_me());
}

void nobody_waits_for_a_lock_that_was_given_up(void **)
{
    Lock lost;
    std::thread([&] { lost.lock(); }).join();
    lost.give_up_if_held();
    assert_true(lost.lock() == Outcome::interrupted);
    assert_false(lost.take_for(Lock::Purpose::fork));
    assert_false(lost.try_take_for(Lock::Purpose::fork));
    assert_true(tried_elsewhere(lost) == Outcome::interrupted);

    Lock free;
    free.give_up_if_held();
    assert_true(free.lock() == Outcome::taken);
    free.give_up_if_held();
    assert_true(free.held_by_me());
    free.unlock();
}

// A handler forks while the call it interrupted sleeps on a lock of another thread.
void nobody_goes_on_sleeping_on_a_lock_that_was_given_up(void **)
{
    signal(SIGUSR1, [](int) {});
    Lock lost;
    lost.lock();
    std::latch started(1);
    std::atomic<bool> told{false};
    std::thread waiter([&] {
        started.count_down();
        require(lost.lock() == Outcome::interrupted);
        told = true;
    });
    started.wait();
    wait_milliseconds(20);
    in_thread([&] { lost.give_up_if_held(); });
    for (unsigned attempt = 0; attempt < 500 && !told; attempt++)
    {
        pthread_kill(waiter.native_handle(), SIGUSR1);
        wait_milliseconds(10);
    }
    assert_true(told);
    waiter.join();
    assert_true(lost.lock() == Outcome::interrupted);
    assert_true(tried_elsewhere(lost) == Outcome::interrupted);
    signal(SIGUSR1, SIG_DFL);
}

void taking_a_busy_lock_for_a_fork_ends(void **)
{
    Lock lock;
    std::latch taken(1), tried(1);
    std::thread holder([&] {
        lock.lock();
        taken.count_down();
        tried.wait();
        lock.unlock();
    });
    taken.wait();
    assert_false(lock.try_take_for(Lock::Purpose::fork));
    tried.count_down();
    holder.join();
    assert_true(lock.try_take_for(Lock::Purpose::fork));
    lock.unlock_if_taken_for(Lock::Purpose::fork);
}

void letting_a_marked_lock_go_wakes_who_sleeps(void **)
{
    Lock lock;
    lock.take_for(Lock::Purpose::fork);
    std::latch started(1);
    std::thread waiter([&] {
        started.count_down();
        lock.lock();
        lock.unlock();
    });
    started.wait();
    wait_milliseconds(20);
    lock.unlock_if_taken_for(Lock::Purpose::fork);
    waiter.join();
    assert_true(lock.lock() == Outcome::taken);
    lock.unlock();
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(a_lock_has_one_holder),
        cmocka_unit_test(a_guard_holds_for_its_scope),
        cmocka_unit_test(what_was_taken_and_waited_for_is_counted),
        cmocka_unit_test(additions_under_the_lock_are_not_lost),
        cmocka_unit_test(all_that_sleep_on_a_lock_are_woken_one_after_the_other),
        cmocka_unit_test(a_thread_that_meets_its_own_lock_is_not_left_waiting),
        cmocka_unit_test(a_forking_thread_passes_through_its_locks_and_nobody_else_does),
        cmocka_unit_test(a_lock_taken_before_a_fork_belongs_to_the_child),
        cmocka_unit_test(a_lock_whose_holder_is_gone_can_be_reset),
        cmocka_unit_test(who_takes_all_locks_leaves_those_it_interrupted_to_their_holder),
        cmocka_unit_test(a_lock_taken_for_one_purpose_is_not_let_go_for_another),
        cmocka_unit_test(nobody_waits_for_a_lock_that_was_given_up),
        cmocka_unit_test(nobody_goes_on_sleeping_on_a_lock_that_was_given_up),
        cmocka_unit_test(taking_a_busy_lock_for_a_fork_ends),
        cmocka_unit_test(letting_a_marked_lock_go_wakes_who_sleeps),
    };
    return cmocka_run_group_tests_name("lock", tests, nullptr, nullptr);
}
