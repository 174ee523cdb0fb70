// SPDX-License-Identifier: MIT
//
// Claims about purge() in arena/purge.h and what the registry does for it: other threads flush at their next call, and
// memory nobody has goes back.
#include "arena/purge.h"
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
        require(arena->words->free_arena.load(std::memory_order_relaxed) == &empty_arena);
        asked.count_down();
        flushed.wait();
        require(arena->words->free_arena.load(std::memory_order_relaxed) == arena);
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
        registry.tidy(0);
        require(figures_of(mine).inbox_bytes == 0);
        require_whole_heap();
    });
}

void a_purge_reaches_sleeping_threads_and_those_that_are_gone(void **)
{
    assert_alone([] {
        std::latch ready(1), done(1);
        std::vector<void *> blocks;
        Arena *asleep = nullptr;
        std::thread sleeper([&] {
            blocks = allocate_blocks(8, 500);
            asleep = thread_words.self;
            ready.count_down();
            done.wait();
        });
        ready.wait();
        Arena *left = nullptr;
        in_thread([&left] {
            release_block(allocate_block(100));
            left = thread_words.self;
        });
        require(left->warm && figures_of(left).cached_bytes > 0);
        release_blocks(blocks);
        purge(0);
        require(figures_of(asleep).inbox_bytes == 0 && !left->warm && figures_of(left).cached_bytes == 0);
        require_whole_heap();
        done.count_down();
        sleeper.join();
    });
}

// On its way back it goes by the arena it came from.
void a_purge_brings_home_a_block_whose_span_was_adopted(void **)
{
    assert_alone([] {
        release_block(allocate_block(8)); // my arena is the first of all
        void *left[2];
        in_thread([&left] {
            for (void *&block : left)
                block = allocate_block(kibibyte);
        });
        Arena *const other = owner_of(left[0]);
        release_block(left[0]); // in my outbox, to the other
        void *const mine = allocate_block(kibibyte);
        require(record_of(mine) == record_of(left[0]) && owner_of(mine) == thread_words.self);
        release_block(left[1]);
        release_block(mine);
        purge(0);
        require(figures_of(other).inbox_bytes == 0 && figures_of(thread_words.self).inbox_bytes == 0);
        require(handed_out_bytes() == 0);
        require_whole_heap();
    });
}

void a_purge_gives_everything_back_but_the_pad(void **)
{
    assert_alone([] {
        use_settings("slack=1G");
        const std::vector<void *> blocks = allocate_blocks(20'000, kibibyte);
        for (void *block : blocks)
            memset(block, 1, kibibyte);
        release_blocks(blocks);
        require(figures_of(node_heap(0)).slack_bytes >= 12 * mebibyte);
        const uint64_t returned = purge(4 * mebibyte);
        require(returned >= 8 * mebibyte && figures_of(node_heap(0)).returned_bytes <= returned);
        const uint64_t kept = figures_of(node_heap(0)).idle_bytes; // whole chunks have gone: less may be left
        require(kept <= 4 * mebibyte && kept > 0);
        require(purge(0) >= kept);
        require(figures_of(node_heap(0)).idle_bytes == 0 && handed_out_bytes() == 0);
        require_whole_heap();
    });
}

void time_that_passes_has_huge_pages_split(void **)
{
    assert_alone([] {
        use_settings("slack=0,slack_share=0%");
        std::vector<void *> blocks = allocate_blocks(30'000, 4 * kibibyte);
        for (void *block : blocks)
            memset(block, 1, 4 * kibibyte);
        for (size_t number = 0; number < blocks.size(); number++)
            if (number % 40 != 0)
                release_block(blocks[number]);
        require(figures_of(node_heap(0)).charged_bytes > mebibyte);
        let_time_pass();
        require(figures_of(node_heap(0)).charged_bytes == 0 && figures_of(node_heap(0)).broken_chunks > 0);
        require_whole_heap();
    });
}

void a_purge_gives_back_what_is_free_between_live_blocks(void **)
{
    assert_alone([] {
        use_settings("slack=1G");
        std::vector<void *> blocks = allocate_blocks(320, slice_bytes);
        for (void *block : blocks)
            memset(block, 1, slice_bytes);
        for (size_t number = 0; number < blocks.size(); number += 2)
            release_block(blocks[number]);
        require(purge(0) >= 160 * slice_bytes);
        require_whole_heap();
        for (size_t number = 1; number < blocks.size(); number += 2)
            require(is_stamped(blocks[number], slice_bytes, 0x0101010101010101));
        for (size_t number = 0; number < blocks.size(); number += 2)
        {
            const Allocation again = allocate(slice_bytes, default_alignment, Call::malloc);
            require(again.zeroed && is_stamped(again.block, slice_bytes, 0));
        }
        require_whole_heap();
    });
}

void statistics_add_up(void **)
{
    assert_alone([] {
        const std::vector<void *> small = allocate_blocks(100, 100);
        const std::vector<void *> medium = allocate_blocks(5, 40 * kibibyte);
        void *const large = allocate_block(mebibyte);
        void *const own = allocate_block(40 * mebibyte);
        uint64_t live = 100 * 112 + 5 * 40 * kibibyte + mebibyte + 40 * mebibyte;
        fastalloc_stats stats;
        require(gather_statistics(&stats, Accuracy::exact));
        require(stats.live_bytes == live && stats.outside_bytes == 40 * mebibyte && stats.outside_blocks == 1);
        require(stats.arenas == 1 && stats.attached_threads == 1 && stats.regions == 1);
        require(stats.open_bytes == chunk_bytes && stats.committed_bytes >= stats.open_bytes);

        in_thread([&] { release_blocks(small); });
        release_blocks(medium);
        release_block(own);
        live = mebibyte;
        require(gather_statistics(&stats, Accuracy::exact));
        require(stats.live_bytes == live && stats.outside_blocks == 0);
        require(stats.inbox_bytes == 100 * 112 && stats.cached_bytes > 0 && stats.remote_batches > 0);
        require(stats.arenas == 2 && stats.attached_threads == 1 && stats.refills > 0);

        release_block(large);
        purge(0);
        require(gather_statistics(&stats, Accuracy::exact));
        require(stats.live_bytes == 0 && stats.cached_bytes == 0 && stats.inbox_bytes == 0 && stats.lease_bytes == 0);
        require(stats.open_bytes == chunk_bytes && stats.slack_bytes == 0); // where the arenas are
    });
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(a_thread_that_is_asked_flushes_at_its_next_call),
        cmocka_unit_test(tidying_flushes_detached_arenas_and_drains_the_others),
        cmocka_unit_test(a_purge_reaches_sleeping_threads_and_those_that_are_gone),
        cmocka_unit_test(a_purge_brings_home_a_block_whose_span_was_adopted),
        cmocka_unit_test(a_purge_gives_everything_back_but_the_pad),
        cmocka_unit_test(time_that_passes_has_huge_pages_split),
        cmocka_unit_test(a_purge_gives_back_what_is_free_between_live_blocks),
        cmocka_unit_test(statistics_add_up),
    };
    return cmocka_run_group_tests_name("purge", tests, nullptr, nullptr);
}
