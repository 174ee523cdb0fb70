// SPDX-License-Identifier: MIT
//
// Claims about what registry.h does for fork and for signal handlers: a call that meets locks of its own thread does not
// wait, and the child of a fork goes on with the arenas of threads it does not have, wherever they stood.
#include "arena/budget.h"

#include <atomic>
#include <cerrno>
#include <latch>
#include <pthread.h>
#include <thread>
#include <vector>

#include "layers.h"

using namespace fastalloc_test;

namespace
{

constexpr size_t kib = kibibyte;

// A signal handler that interrupted a call finds this thread's own locks taken.
void a_call_that_meets_its_own_locks_fails_or_defers(void **)
{
    assert_alone([] {
        const std::vector<void *> blocks = allocate_blocks(1000, 32);
        void *const medium = allocate_block(20 * kib);
        require(registry.lock_all());
        errno = 0;
        require(allocate_slow(900) == nullptr && errno == ENOMEM);
        require(allocate_slow(20 * kib) == nullptr && allocate_slow(300 * kib) == nullptr);
        release_blocks(blocks);
        release_block(medium);
        Arena *const mine = thread_words.self;
        require(mine->lock.held_by_me() && mine->figures().inbox_bytes >= 20 * kib);
        require(!registry.lock_all()); // what check_heap calls busy
        require(mine->lock.held_by_me());
        registry.unlock_all();
        registry.tidy(0);
        require(figures_of(mine).inbox_bytes == 0);
        require_whole_heap();
    });
}

// Its call holds the node heap's lock, or another arena's; another thread has its arena's, or the registry's, and waits
// for that.
void a_call_does_not_wait_for_who_waits_for_what_it_interrupted(void **)
{
    assert_alone([] {
        release_blocks(allocate_blocks(8, 64));
        void *const large = allocate_block(medium_max + 1);
        Arena *const mine = thread_words.self;
        in_thread([] { allocate_block(64); });
        Arena *const another = mine->next_arena;
        require(another != nullptr && another != mine);
        for (Lock *const interrupted : {&mine->heap().lock, &another->lock})
            for (Lock *const wanted : {&mine->lock, &registry.lock})
            {
                std::latch held(1);
                std::thread other;
                {
                    Guard guard(*interrupted);
                    other = std::thread([&] {
                        Guard guard_of_other(*wanted);
                        held.count_down();
                        Guard behind(*interrupted);
                    });
                    held.wait();
                    if (wanted == &registry.lock)
                        registry.flush_and_restore(mine);
                    else
                        require(allocate_slow(900) == nullptr && errno == ENOMEM);
                }
                other.join();
            }
        release_block(allocate_slow(900));
        release_block(large);
        require_whole_heap();
    });
}

void the_child_of_a_fork_goes_on_with_the_arenas_of_both(void **)
{
    assert_alone([] {
        hook_fork();
        std::latch filled(1), done(1);
        const std::vector<void *> mine = allocate_blocks(50, 64);
        std::vector<void *> others;
        std::thread thread([&] {
            others = allocate_blocks(1000, 64);
            release_blocks(allocate_blocks(200, 640)); // some stay in its bins
            release_block(mine.front());               // and one in its outbox
            filled.count_down();
            done.wait();
            release_blocks(others);
        });
        filled.wait();
        const int status = status_of_child([&] {
            require_whole_heap();
            require(registry.detached_count() == 1 && thread_words.self->attached);
            release_blocks(others);
            registry.tidy(0);
            require(registry.detached_count() == 1);
            require_whole_heap();
            release_blocks(allocate_blocks(1000, 640));
            thread_words.self->flush();
            registry.tidy(0);
            require_whole_heap();
            require(handed_out_bytes() == (mine.size() - 1) * 64);
        });
        require(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        require_whole_heap();
        done.count_down();
        thread.join();
        require_whole_heap();
    });
}

void leases_of_threads_lost_in_a_fork_come_back(void **)
{
    assert_alone([] {
        hook_fork();
        allocate_block(8);
        std::latch filled(1), done(1);
        std::thread thread([&] {
            for (unsigned round = 0; round < 20; round++)
                release_blocks(allocate_blocks(5000, 64));
            filled.count_down();
            done.wait();
        });
        filled.wait();
        require(fund.leased() > 0);
        const int status = status_of_child([] {
            registry.tidy(0);
            require(fund.leased() == 0 && handed_out_bytes() <= 4 * kib); // what my refill brought
            require_whole_heap();
        });
        done.count_down();
        thread.join();
        require(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    });
}

// A thread that is cut off in the middle of a push or a pop: its bin's stack is right, its count is not.
void bins_cut_off_by_a_fork_are_counted_anew(void **)
{
    assert_alone([] {
        hook_fork();
        allocate_block(8);
        std::latch cut(1), done(1);
        std::thread thread([&] {
            for (const size_t size : {size_t{64}, size_t{128}})
                release_blocks(allocate_blocks(8, size));
            Arena *const arena = thread_words.self;
            Bin &pushed = arena->bins[class_of(64)];
            void *const block = allocate_block(64);
            set_next(block, pushed.head);
            pushed.head = block;
            Bin &popped = arena->bins[class_of(128)];
            popped.head = next_of(popped.head);
            cut.count_down();
            done.wait();
            pushed.pop(arena->link_secret); // all is as it was, but that one block of each class is held
            pushed.room.store(pushed.room.load() - 1);
            popped.room.store(popped.room.load() + 1);
        });
        cut.wait();
        const int status = status_of_child([] {
            registry.tidy(0);
            require_whole_heap();
            require(handed_out_bytes() <= 4 * kib + 128); // my own, and the block that nobody has
            release_blocks(allocate_blocks(1000, 64));
            require_whole_heap();
        });
        done.count_down();
        thread.join();
        require(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        require_whole_heap();
    });
}

// Its bins still have blocks of its spans: a span that changed hands before these are back would meet them later.
void spans_of_a_thread_lost_in_a_fork_are_adopted_safely(void **)
{
    assert_alone([] {
        hook_fork();
        allocate_block(8);
        std::latch filled(1), done(1);
        std::thread thread([&] {
            std::vector<void *> blocks = allocate_blocks(20, kib);
            release_block(blocks.back());
            filled.count_down();
            done.wait();
        });
        filled.wait();
        const int status = status_of_child([] {
            const std::vector<void *> blocks = allocate_blocks(60, kib);
            registry.tidy(0);
            require_whole_heap();
            release_blocks(blocks);
            registry.tidy(0);
            require_whole_heap();
        });
        done.count_down();
        thread.join();
        require(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    });
}

// Whatever the threads are at when the child is made, it finds a whole heap.
void forks_in_the_middle_of_everything_leave_whole_heaps(void **)
{
    assert_alone([] {
        hook_fork();
        std::atomic<bool> stop{false};
        std::atomic<void *> shared{nullptr};
        std::vector<std::thread> threads;
        for (uint64_t seed = 1; seed <= 2; seed++)
            threads.emplace_back([&, seed] {
                Random random{seed};
                while (!stop.load(std::memory_order_relaxed))
                {
                    std::vector<void *> blocks = allocate_blocks(random.below(30) + 1, random.size(14));
                    void *const swapped = shared.exchange(blocks.back());
                    blocks.pop_back();
                    if (swapped != nullptr)
                        blocks.push_back(swapped);
                    release_blocks(blocks);
                }
            });
        for (unsigned round = 0; round < 30; round++)
        {
            // Sanitizers' own malloc, which serves a vector, may be locked for ever in such a child.
            const int status = status_of_child([] {
                void *blocks[100];
                for (void *&block : blocks)
                    block = allocate_block(50);
                registry.tidy(0);
                require_whole_heap();
                for (void *block : blocks)
                    release_block(block);
            });
            require(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        }
        stop = true;
        for (std::thread &thread : threads)
            thread.join();
        require_whole_heap();
    });
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(a_call_that_meets_its_own_locks_fails_or_defers),
        cmocka_unit_test(a_call_does_not_wait_for_who_waits_for_what_it_interrupted),
        cmocka_unit_test(the_child_of_a_fork_goes_on_with_the_arenas_of_both),
        cmocka_unit_test(leases_of_threads_lost_in_a_fork_come_back),
        cmocka_unit_test(bins_cut_off_by_a_fork_are_counted_anew),
        cmocka_unit_test(spans_of_a_thread_lost_in_a_fork_are_adopted_safely),
        cmocka_unit_test(forks_in_the_middle_of_everything_leave_whole_heaps),
    };
    return cmocka_run_group_tests_name("fork", tests, nullptr, nullptr);
}
