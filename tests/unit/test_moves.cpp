// SPDX-License-Identifier: MIT
//
// Claims about threads that come to another node, or are given a memory policy: which arena they go on with.
#include "made_up_nodes.h"

using namespace fastalloc_test;

namespace
{

// Slow paths, over more than the time that a thread must have stayed.
void let_time_pass()
{
    for (unsigned path = 0; path < 20; path++)
    {
        release_block(allocate_block(100 * kib));
        usleep(2000);
    }
}

void a_thread_that_stays_on_another_node_gets_an_arena_there(void **)
{
    assert_alone([] {
        run_on(2);
        my_node = 0;
        void *const before = allocate_block(kib);
        Arena *const first = thread_words.self;
        my_node = 1;
        void *const at_once = allocate_block(100 * kib); // not yet
        require(place_of(at_once) == 0 && thread_words.self == first);
        let_time_pass();
        Arena *const second = thread_words.self;
        require(second != first && second->place == 1 && second->attached && !first->attached);
        require(first->words == nullptr && second->words == &thread_words);
        void *const after = allocate_block(kib);
        require(place_of(after) == 1 && owner_of(after) == second);
        release_block(before);
        release_block(at_once);
        release_block(after);
        my_node = 0;
        let_time_pass();
        require(thread_words.self == first); // as it was left
        require_whole_heap();
    });
}

void a_thread_that_may_not_run_at_home_any_more_moves_at_once(void **)
{
    assert_alone([] {
        run_on(4).pinned = true;
        my_node = 0;
        release_block(allocate_block(100 * kib));
        my_node = 2;
        require(place_of(allocate_block(100 * kib)) == 2);
        unsigned moves = 0;
        for (unsigned bounce = 0; bounce < 1000; bounce++) // and is not thrown about
        {
            const Arena *const before = thread_words.self;
            my_node = bounce % 4;
            release_block(allocate_block(100 * kib));
            moves += thread_words.self != before;
        }
        require(moves <= 8); // each waits twice as long as the one before
        require_whole_heap();
    });
}

// What it left does not stay in bins that nobody asks.
void an_arena_that_was_left_holds_nothing(void **)
{
    assert_alone([] {
        run_on(2);
        my_node = 0;
        std::vector<void *> blocks;
        for (unsigned number = 0; number < 1000; number++)
            blocks.push_back(allocate_block(64));
        for (void *const block : blocks)
            release_block(block);
        Arena *const first = thread_words.self;
        my_node = 1;
        let_time_pass();
        require(thread_words.self != first && figures_of(first).cached_bytes == 0);
        require_whole_heap();
    });
}

void the_thread_of_an_arena_it_moved_to_detaches_from_it(void **)
{
    assert_alone([] {
        run_on(2);
        my_node = 0;
        Arena *arena = nullptr;
        in_thread([&arena] {
            my_node = 0;
            release_block(allocate_block(kib));
            my_node = 1;
            let_time_pass();
            arena = thread_words.self;
            require(arena->place == 1);
        });
        require(!arena->attached && arena->words == nullptr);
        const Guard guard(registry.lock);
        require(registry.figures().attached == 0);
    });
}

void a_thread_with_a_policy_takes_memory_that_was_asked_from_nowhere(void **)
{
    assert_alone([] {
        topology::Injected &machine = run_on(2);
        my_node = 1;
        release_block(allocate_block(kib));
        require(thread_words.self->place == 1);
        machine.policy = 2; // MPOL_BIND
        unsigned at_home = 0;
        for (unsigned number = 0; number < 4096; number++)
            at_home += place_of(allocate_block(kib)) == 1;
        require(thread_words.self->place == unplaced && at_home <= 1024); // 1 MiB of 4
        void *const large = allocate_block(chunk_bytes - 1);
        require(place_of(large) == unplaced);
        machine.policy = 0;
        let_time_pass();
        require(thread_words.self->place == 1);
        require_whole_heap();
    });
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(a_thread_that_stays_on_another_node_gets_an_arena_there),
        cmocka_unit_test(a_thread_that_may_not_run_at_home_any_more_moves_at_once),
        cmocka_unit_test(an_arena_that_was_left_holds_nothing),
        cmocka_unit_test(the_thread_of_an_arena_it_moved_to_detaches_from_it),
        cmocka_unit_test(a_thread_with_a_policy_takes_memory_that_was_asked_from_nowhere),
    };
    return cmocka_run_group_tests_name("moves", tests, nullptr, nullptr);
}
