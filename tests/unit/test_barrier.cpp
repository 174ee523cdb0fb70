// SPDX-License-Identifier: MIT
//
// Claims about os/barrier.cpp, and about what Registry::stop_all makes of it: a thread that was not in an operation when
// the others were stopped begins none.
#include "os/barrier.h"

#include <atomic>
#include <cerrno>

#include "layers.h"

using namespace fastalloc_test;

namespace
{

void errno_is_kept(void **)
{
    errno = 77;
    barrier::heavy(); // registers
    barrier::heavy();
    assert_int_equal(errno, 77);
}

// What one thread has seen of two plain stores the other sees, too, if it makes the barrier: the test of Dekker, in which
// only one side has a fence.
void loads_and_stores_of_others_are_in_order_around_it(void **)
{
    static std::atomic<unsigned> mine, yours, round;
    static std::atomic<unsigned> seen;
    std::thread other([] {
        for (unsigned turn = 1; turn <= 2000; turn++)
        {
            while (round.load(std::memory_order_acquire) != turn)
                std::this_thread::yield();
            yours.store(turn, std::memory_order_relaxed);
            std::atomic_signal_fence(std::memory_order_seq_cst);
            seen.store(mine.load(std::memory_order_relaxed) + 1, std::memory_order_release);
        }
    });
    bool both_missed = false;
    for (unsigned turn = 1; turn <= 2000; turn++)
    {
        seen.store(0, std::memory_order_relaxed);
        round.store(turn, std::memory_order_release);
        mine.store(turn, std::memory_order_relaxed);
        barrier::heavy();
        const bool missed = yours.load(std::memory_order_relaxed) != turn;
        unsigned others = 0;
        while ((others = seen.load(std::memory_order_acquire)) == 0)
            std::this_thread::yield();
        both_missed |= missed && others - 1 != turn;
    }
    other.join();
    assert_false(both_missed);
}

void stopped_threads_begin_no_operation(void **)
{
    assert_alone([] {
        std::atomic<uint64_t> operations{0};
        std::atomic<bool> stop{false};
        std::thread thread([&] {
            while (!stop.load(std::memory_order_relaxed))
            {
                release_block(allocate_block(64));
                operations.fetch_add(1, std::memory_order_relaxed);
            }
        });
        for (unsigned round = 0; round < 50; round++)
        {
            const uint64_t begun = operations.load();
            while (operations.load() < begun + 1000)
                std::this_thread::yield();
            require(registry.stop_all());
            // It is in at most one call of the two, so it adds at most one.
            const uint64_t stopped = operations.load();
            for (unsigned turn = 0; turn < 200; turn++)
                std::this_thread::yield();
            require(operations.load() <= stopped + 1);
            registry.unlock_all();
        }
        stop = true;
        thread.join();
        require_whole_heap();
    });
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(errno_is_kept),
        cmocka_unit_test(loads_and_stores_of_others_are_in_order_around_it),
        cmocka_unit_test(stopped_threads_begin_no_operation),
    };
    return cmocka_run_group_tests_name("barrier", tests, nullptr, nullptr);
}
