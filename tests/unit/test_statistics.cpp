// SPDX-License-Identifier: MIT
//
// Claims about watch/statistics.h and the texts made of it: figures of nodes add up to the whole, a handler that
// interrupted the allocator gets figures as they are met or none, and whatever it meets leads nowhere. What sums there are
// in one process tests/api/sums.c asks of the built library.
#include "watch/statistics.h"

#include <string>
#include <sys/mman.h>

#include "watch/statistics_report.h"
#include "watch/survey.h"

#include "arena/purge.h"

#include "made_up_nodes.h"

using namespace fastalloc_test;

namespace
{

fastalloc_stats totals_now()
{
    fastalloc_stats stats;
    require(gather_statistics(&stats, Accuracy::exact));
    return stats;
}

fastalloc_node_stats node_now(Node place)
{
    fastalloc_node_stats stats;
    require(gather_node_statistics(place, &stats, Accuracy::exact));
    return stats;
}

template <typename Write>
std::string written(Write write)
{
    const int file = memfd_create("written", MFD_CLOEXEC);
    require(write(file) == 0);
    std::string text(static_cast<size_t>(lseek(file, 0, SEEK_END)), '\0');
    require(pread(file, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()));
    close(file);
    return text;
}

void nodes_add_up_with_blocks_on_their_way(void **)
{
    assert_alone([] {
        run_on(2);
        my_node = 0;
        const std::vector<void *> blocks = allocate_blocks(300, 200);
        allocate_block(100 * mebibyte);
        in_thread([&] {
            my_node = 1;
            allocate_blocks(100, 300);
            allocate_block(mebibyte);
            for (unsigned number = 0; number < 5; number++) // stay in the outbox
                release_block(blocks[number]);
            const fastalloc_stats all = totals_now();
            const fastalloc_node_stats first = node_now(0);
            const fastalloc_node_stats second = node_now(1);
            const fastalloc_node_stats nowhere = node_now(unplaced);
            require(first.boxed_bytes == 5 * class_bytes(class_of(200)) && second.boxed_bytes == 0);
            require(first.live_bytes == 295 * class_bytes(class_of(200)));
            require(second.live_bytes == 100 * class_bytes(class_of(300)) + mebibyte);
            require(first.live_bytes + second.live_bytes + nowhere.live_bytes + all.outside_bytes == all.live_bytes);
            require(first.committed_bytes + second.committed_bytes + nowhere.committed_bytes == all.committed_bytes);
            require(first.local_share == 1000 && second.local_share == 1000 && all.local_share == 1000);
        });
        require(node_now(1).remote_bytes == 5 * class_bytes(class_of(200)) && node_now(0).remote_bytes == 0);
        require(node_now(0).boxed_bytes == 5 * class_bytes(class_of(200))); // handed over, not sorted in
    });
}

void rows_of_a_node_are_its_own(void **)
{
    assert_alone([] {
        run_on(2);
        for (unsigned node = 0; node < 2; node++)
            in_thread([=] {
                my_node = node;
                allocate_blocks(10 * (node + 1), 500);
            });
        fastalloc_class_stats rows[class_rows];
        for (unsigned node = 0; node < 2; node++)
        {
            require(gather_class_statistics(static_cast<Node>(node), rows, Accuracy::exact));
            require(rows[class_of(500)].live_blocks == 10 * (node + 1));
        }
        require(gather_class_statistics(every_place, rows, Accuracy::exact));
        require(rows[class_of(500)].live_blocks == 30);
    });
}

void purges_and_the_peak_are_counted(void **)
{
    assert_alone([] {
        release_block(allocate_block(20 * mebibyte));
        purge(0);
        purge(0);
        const fastalloc_stats stats = totals_now();
        require(stats.purges == 2 && stats.peak_held_bytes >= 20 * mebibyte && stats.held_bytes < 20 * mebibyte);
        require(stats.live_at_peak_bytes >= 20 * mebibyte);
    });
}

// Each lock a handler's thread may hold, one after the other.
template <typename Each>
void with_each_lock(Each each)
{
    Arena *const arena = thread_words.self;
    for (Lock *lock : {&registry.lock, &arena->lock, &arena->heap().lock, &window.lock, &outside.lock})
    {
        const Guard guard(*lock);
        each();
    }
}

void who_holds_a_lock_gets_figures_as_they_are_met_or_none(void **)
{
    assert_alone([] {
        allocate_blocks(1000, 100);
        allocate_block(50 * mebibyte);
        const uint64_t live = totals_now().live_bytes;
        with_each_lock([&] {
            fastalloc_stats stats;
            fastalloc_node_stats node;
            fastalloc_class_stats rows[class_rows];
            fastalloc_arena_stats arena;
            unsigned count;
            require(!gather_statistics(&stats, Accuracy::exact) && !gather_node_statistics(0, &node, Accuracy::exact));
            require(!gather_class_statistics(every_place, rows, Accuracy::exact));
            require(!gather_arena_statistics(0, &arena, 1, &count, Accuracy::exact));
            require(gather_statistics(&stats, Accuracy::as_met) && stats.live_bytes == live);
            require(gather_node_statistics(0, &node, Accuracy::as_met) && node.live_bytes == live - 50 * mebibyte);
            require(gather_class_statistics(every_place, rows, Accuracy::as_met));
            require(rows[class_of(100)].live_blocks == 1000);
            require(gather_arena_statistics(0, &arena, 1, &count, Accuracy::as_met) && count == 1);
        });
        require_whole_heap();
    });
}

void texts_say_how_exact_they_are(void **)
{
    assert_alone([] {
        allocate_blocks(10, 100);
        const char about[] = "inside a call of the allocator";
        require(written(write_statistics_as_text).find(about) == std::string::npos);
        require(written(write_statistics_as_json).find("\"exact\": true") != std::string::npos);
        with_each_lock([&] {
            require(written(write_statistics_as_text).find(about) != std::string::npos);
            require(written(write_statistics_as_json).find("\"exact\": false") != std::string::npos);
        });
    });
}

// A block in a box that was written to after it was freed: its link is anything.
void links_that_lead_astray_are_not_followed(void **)
{
    assert_alone([] {
        const std::vector<void *> blocks = allocate_blocks(50, 2000);
        in_thread([&] {
            for (void *block : blocks)
                release_block(block);
        });
        Random random{1};
        for (unsigned round = 0; round < 1000; round++)
        {
            const uint64_t link = round % 2 == 0 ? random.next() : random.next() % region_bytes + window_bounds.base;
            for (void *block : blocks)
                set_next(block, reinterpret_cast<void *>(static_cast<uintptr_t>(link)));
            fastalloc_class_stats rows[class_rows];
            require(gather_class_statistics(every_place, rows, Accuracy::exact));
        }
    });
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(nodes_add_up_with_blocks_on_their_way),
        cmocka_unit_test(rows_of_a_node_are_its_own),
        cmocka_unit_test(purges_and_the_peak_are_counted),
        cmocka_unit_test(who_holds_a_lock_gets_figures_as_they_are_met_or_none),
        cmocka_unit_test(texts_say_how_exact_they_are),
        cmocka_unit_test(links_that_lead_astray_are_not_followed),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
