// SPDX-License-Identifier: MIT
//
// Claims about purge() in watch/statistics.h and what the registry does for it: other threads flush at their next call, and
// memory nobody has goes back.
#include "watch/statistics.h"

#include <latch>
#include <thread>
#include <vector>

#include "layers.h"

using namespace fastalloc_test;

namespace
{

void a_thread_that_is_asked_flushes_at_its_next_call(void **)
{
    assert_alone([] {
        std::latch filled(1), asked(1), flushed(1), done(1);
        Arena *arena = nullptr;
        std::thread thread([&] {
            release_blocks(allocate_blocks(100, 64));
            void *const large = allocate_block(medium_max + 1);
            arena = thread_words.self;
            filled.count_down();
            asked.wait();
            void *const block = allocate_block(64);
            require(figures_of(arena).cached_bytes < 64 * 64); // what one refill brings
            require(thread_words.malloc_arena.load(std::memory_order_relaxed) == arena);
            flushed.count_down();
            done.wait();
            release_block(large); // by nobody's arena, asked again meanwhile
            release_block(block);
            require(figures_of(arena).cached_bytes == 64);
        });
        filled.wait();
        require(figures_of(arena).cached_bytes >= 64 * 64);
        registry.ask_all_to_flush();
        require(arena->purge_wanted && arena->words->free_arena.load(std::memory_order_relaxed) == &empty_arena);
        asked.count_down();
        flushed.wait();
        require(!arena->purge_wanted);
        registry.ask_all_to_flush();
        done.count_down();
        thread.join();
        require_whole_heap();
    });
}

void tidying_flushes_detached_arenas_and_drains_the_others(void **)
{
    assert_alone([] {
        const std::vector<void *> blocks = allocate_blocks(8, 500);
        in_thread([&] { release_blocks(blocks); }); // into my inbox, when it ends
        Arena *const mine = thread_words.self;
        require(figures_of(mine).inbox_bytes == 8 * 512);
        registry.tidy();
        require(figures_of(mine).inbox_bytes == 0);
        require_whole_heap();
    });
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(a_thread_that_is_asked_flushes_at_its_next_call),
        cmocka_unit_test(tidying_flushes_detached_arenas_and_drains_the_others),
        cmocka_unit_test(a_purge_gives_everything_back_but_the_pad),
        cmocka_unit_test(a_purge_gives_back_what_is_free_between_live_blocks),
        cmocka_unit_test(statistics_add_up),
    };
    return cmocka_run_group_tests_name("purge", tests, nullptr, nullptr);
}
