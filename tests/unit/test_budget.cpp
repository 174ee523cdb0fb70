// SPDX-License-Identifier: MIT
//
// Claims about arena/budget.h: what free blocks a thread may keep to itself, and what it borrows for that and gives back.
#include "arena/budget.h"

#include <algorithm>
#include <latch>
#include <thread>
#include <vector>

#include "layers.h"

using namespace fastalloc_test;

namespace
{

constexpr size_t kib = kibibyte;
constexpr size_t mib = mebibyte;
constexpr size_t budget = 32 * kib;

// Fills bins of many classes, more than once.
void use_all_sizes(Random &random, unsigned rounds)
{
    for (unsigned round = 0; round < rounds; round++)
        release_blocks(allocate_blocks(1 + random.below(200), random.size(14)));
}

// Of the bins, over all arenas, as their limits say; each arena's own idea of it is looked at too.
uint64_t charged_by_limits()
{
    uint64_t charged = 0;
    for (Arena *arena = registry.first(); arena != nullptr; arena = arena->next_arena)
    {
        const Guard guard(arena->lock);
        require_sound(arena->verify());
        for (unsigned index = 0; index < class_count; index++)
            charged += 2 * arena->bins[index].limit * class_bytes(static_cast<SizeClass>(index));
    }
    return charged;
}

uint64_t private_bytes()
{
    uint64_t bytes = 0;
    for (Arena *arena = registry.first(); arena != nullptr; arena = arena->next_arena)
        bytes += figures_of(arena).cached_bytes;
    return bytes;
}

// ---- the fund ------------------------------------------------------------------------------------------------------

void a_lease_is_at_most_a_quarter_of_what_is_left(void **)
{
    assert_alone([] {
        use_settings("lease_fund=1M,lease_share=0%");
        Fund some;
        require(some.offer() == 256 * kib);
        require(!some.take(256 * kib + 1) && some.leased() == 0);
        require(some.take(256 * kib) && some.leased() == 256 * kib);
        require(some.offer() == 192 * kib);
        some.give_back(256 * kib);
        require(some.leased() == 0 && some.offer() == 256 * kib);
    });
}

void the_fund_grows_with_what_is_live(void **)
{
    assert_alone([] {
        use_settings("lease_fund=1M,lease_share=12.5%");
        node_heap(0).handed_out = 30'000'000;
        node_heap(5).handed_out = 70'000'000;
        node_heap(5).charged = 60'000'000; // blocks in bins are not live
        Fund some;
        require(some.offer() == 40'000'000 / 8 / 4);
        require(some.take(some.offer()));
        node_heap(0).handed_out = 0;
        node_heap(5).handed_out = 0; // now more is leased than there is
        require(some.offer() == 0 && !some.take(1) && some.take(0));
    });
}

// Blocks in bins may be all that keeps spans from going back.
void where_much_is_open_the_fund_follows_live_memory_only(void **)
{
    assert_alone([] {
        use_settings("lease_fund=4M,lease_share=12.5%");
        node_heap(0).handed_out = 2'000'000;
        const Fund some;
        const auto open = [](uint64_t bytes) {
            while (node_heap(0).open_bytes() < bytes)
                node_heap(0).take(slices_per_chunk);
        };
        open(12 * mib);
        require(some.offer() == mib);
        open(14 * mib);
        require(some.offer() == 512 * kib);
        open(16 * mib);
        require(some.offer() == 2'000'000 / 8 / 4);
    });
}

void threads_that_lease_at_once_never_take_more_than_there_is(void **)
{
    assert_alone([] {
        use_settings("lease_fund=1M,lease_share=0%");
        Fund some;
        std::vector<std::thread> threads;
        for (uint64_t seed = 1; seed <= 3; seed++)
            threads.emplace_back([&some, seed] {
                Random random{seed};
                uint64_t mine = 0;
                for (unsigned round = 0; round < 20'000; round++)
                {
                    const uint64_t wanted = random.below(64 * kib);
                    if (some.take(wanted))
                        mine += wanted;
                    require(some.leased() <= mib && mine <= mib);
                    const uint64_t back = random.below(mine + 1);
                    some.give_back(back);
                    mine -= back;
                }
                some.give_back(mine);
            });
        for (std::thread &thread : threads)
            thread.join();
        require(some.leased() == 0);
    });
}

// ---- an arena's budget ---------------------------------------------------------------------------------------------

void an_arena_is_charged_by_the_limits_of_its_bins(void **)
{
    assert_alone([] {
        Random random{1};
        for (unsigned phase = 0; phase < 30; phase++)
        {
            use_all_sizes(random, 20);
            const uint64_t charged = charged_by_limits();
            require(node_heap(0).charged == charged);
            require(fund.leased() == (charged > budget - outbox_bytes ? charged - (budget - outbox_bytes) : 0));
            require_sound(thread_words.self->verify_bins());
        }
        require(fund.leased() > 0);
        require_whole_heap();
    });
}

void without_a_fund_a_thread_keeps_no_more_than_its_budget(void **)
{
    assert_alone([] {
        use_settings("lease_fund=0,lease_share=0%");
        Random random{2};
        for (unsigned phase = 0; phase < 300; phase++)
        {
            use_all_sizes(random, 3);
            require(private_bytes() <= budget && charged_by_limits() <= budget - outbox_bytes);
        }
        require(fund.leased() == 0);
        require_whole_heap();
    });
}

void the_least_budget_there_is_keeps_nothing(void **)
{
    assert_alone([] {
        use_settings("lease_fund=0,lease_share=0%,arena_budget=4K");
        Random random{3};
        for (unsigned phase = 0; phase < 100; phase++)
        {
            use_all_sizes(random, 3);
            require(private_bytes() == 0);
        }
        require_whole_heap();
        require(handed_out_bytes() == 0);
    });
}

void sleeping_threads_keep_no_more_than_their_budgets_and_one_fund(void **)
{
    assert_alone([] {
        use_settings("lease_fund=2M");
        constexpr unsigned count = 12;
        std::latch busy(count);
        std::latch done(1);
        std::vector<std::thread> threads;
        for (uint64_t seed = 1; seed <= count; seed++)
            threads.emplace_back([&, seed] {
                Random random{seed};
                use_all_sizes(random, 150);
                busy.count_down();
                done.wait();
            });
        busy.wait();
        const uint64_t live = node_heap(0).live_bytes();
        require(live < mib);
        require(fund.leased() <= 2 * mib);
        require(private_bytes() <= count * budget + 2 * mib);
        require(charged_by_limits() <= count * budget + 2 * mib);
        require(private_bytes() > 0);
        require_whole_heap();
        done.count_down();
        for (std::thread &thread : threads)
            thread.join();
        // Some are left filled for the next threads.
        require(private_bytes() <= count * budget && fund.leased() == 0);
        registry.tidy(0);
        require(private_bytes() == 0 && fund.leased() == 0 && node_heap(0).charged == 0);
        require_whole_heap();
    });
}

// ---- leases come and go --------------------------------------------------------------------------------------------

uint32_t limit_of(size_t size)
{
    return thread_words.self->bins[class_of(size)].limit;
}

void a_bin_that_overflows_gets_more_room(void **)
{
    assert_alone([] {
        release_blocks(allocate_blocks(10, 64));
        const uint32_t before = limit_of(64);
        for (unsigned round = 0; round < 20; round++)
            release_blocks(allocate_blocks(5000, 64));
        require(limit_of(64) >= 8 * before);
        require(fund.leased() > 0);
        require_whole_heap();
    });
}

void a_stack_holds_a_mib_at_most(void **)
{
    for (const size_t size : {size_t{64}, 4 * kib, 40 * kib})
        assert_alone([size] {
            for (unsigned round = 0; round < 20; round++)
                release_blocks(allocate_blocks(8 * mib / size, size));
            require(limit_of(size) * size > mib / 2 && limit_of(size) * size <= mib);
            require_whole_heap();
        });
}

// It never overflows either.
void a_bin_of_a_thread_that_only_allocates_gets_room_for_a_page(void **)
{
    for (const size_t size : {64, 256, 1024})
        assert_alone([size] {
            allocate_blocks(4 * mib / size, size);
            require(limit_of(size) * size >= 4 * kib);
            require(figures_of(thread_words.self).refills <= mib / kib + 20);
            require_whole_heap();
        });
}

// What comes home by the inbox never overflows.
void a_bin_whose_blocks_others_free_gets_more_room(void **)
{
    for (const size_t size : {size_t{64}, 4 * kib})
        assert_alone([size] {
            const size_t count = 512 * kib / size;
            std::vector<void *> blocks = allocate_blocks(count, size);
            for (unsigned round = 0; round < 20; round++)
            {
                in_thread([&] { release_blocks(blocks); });
                blocks = allocate_blocks(count, size);
            }
            const uint64_t refills = figures_of(thread_words.self).refills;
            in_thread([&] { release_blocks(blocks); });
            blocks = allocate_blocks(count, size);
            require(figures_of(thread_words.self).refills - refills <= count / 8);
            release_blocks(blocks);
            require_whole_heap();
        });
}

void a_bin_nobody_uses_gives_its_lease_back(void **)
{
    assert_alone([] {
        for (unsigned round = 0; round < 20; round++)
            release_blocks(allocate_blocks(5000, 64));
        const uint64_t leased = fund.leased();
        require(limit_of(64) > 64 && leased > 0);
        // Others go on, and are more than their bin can hold: it is slow paths that look.
        for (unsigned round = 0; round < 40; round++)
            release_blocks(allocate_blocks(1000, 3 * kib));
        require(limit_of(64) == 0);
        require(node_heap(0).charged == charged_by_limits());
        require_whole_heap();
    });
}

void a_fund_that_shrinks_with_live_memory_is_paid_back(void **)
{
    assert_alone([] {
        use_settings("lease_fund=256K");
        const std::vector<void *> blocks = allocate_blocks(300'000, 256);
        for (unsigned round = 0; round < 20; round++)
            release_blocks(allocate_blocks(50'000, 256));
        require(fund.leased() > mib && !fund.is_overdrawn());
        release_blocks(blocks);
        require(node_heap(0).live_bytes() < mib);
        require(fund.leased() <= 256 * kib && private_bytes() <= budget + 256 * kib);
        require_whole_heap();
    });
}

void a_flush_gives_everything_back(void **)
{
    assert_alone([] {
        Random random{7};
        use_all_sizes(random, 200);
        require(private_bytes() > 0 && fund.leased() > 0);
        thread_words.self->flush();
        require(private_bytes() == 0 && fund.leased() == 0 && node_heap(0).charged == 0);
        require(handed_out_bytes() == 0);
        require_whole_heap();
    });
}

void medium_blocks_live_on_leases_only(void **)
{
    assert_alone([] {
        for (unsigned round = 0; round < 50; round++)
            release_blocks(allocate_blocks(8, 20 * kib));
        require(limit_of(20 * kib) > 0 && fund.leased() > 0);
        thread_words.self->flush();
        use_settings("lease_fund=0,lease_share=0%");
        for (unsigned round = 0; round < 50; round++)
            release_blocks(allocate_blocks(8, 20 * kib));
        require(limit_of(20 * kib) == 0 && private_bytes() == 0);
        require_whole_heap();
    });
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(a_lease_is_at_most_a_quarter_of_what_is_left),
        cmocka_unit_test(the_fund_grows_with_what_is_live),
        cmocka_unit_test(where_much_is_open_the_fund_follows_live_memory_only),
        cmocka_unit_test(threads_that_lease_at_once_never_take_more_than_there_is),
        cmocka_unit_test(an_arena_is_charged_by_the_limits_of_its_bins),
        cmocka_unit_test(without_a_fund_a_thread_keeps_no_more_than_its_budget),
        cmocka_unit_test(the_least_budget_there_is_keeps_nothing),
        cmocka_unit_test(sleeping_threads_keep_no_more_than_their_budgets_and_one_fund),
        cmocka_unit_test(a_bin_that_overflows_gets_more_room),
        cmocka_unit_test(a_stack_holds_a_mib_at_most),
        cmocka_unit_test(a_bin_of_a_thread_that_only_allocates_gets_room_for_a_page),
        cmocka_unit_test(a_bin_whose_blocks_others_free_gets_more_room),
        cmocka_unit_test(a_bin_nobody_uses_gives_its_lease_back),
        cmocka_unit_test(a_fund_that_shrinks_with_live_memory_is_paid_back),
        cmocka_unit_test(a_flush_gives_everything_back),
        cmocka_unit_test(medium_blocks_live_on_leases_only),
    };
    return cmocka_run_group_tests_name("budget", tests, nullptr, nullptr);
}
