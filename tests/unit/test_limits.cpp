// SPDX-License-Identifier: MIT
//
// Claims about heap/limits.h, and about what arena/purge.h and the node heap make of limits.
#include "arena/budget.h"
#include "arena/purge.h"
#include "fastalloc.h"

#include <atomic>
#include <cerrno>
#include <thread>
#include <vector>

#include "layers.h"

using namespace fastalloc_test;

namespace
{

constexpr uint64_t mib = mebibyte;

// Whether there is news but that more is held than ever.
bool is_told_more(Limits &some)
{
    const Limits::News news = some.take_news();
    return news.above_soft || news.grown;
}

void nothing_is_held_beyond_the_hard_limit(void **)
{
    use_settings("hard_limit=10M");
    Limits some;
    assert_true(some.take(10 * mib) && some.room() == 0);
    assert_false(some.take(1));
    assert_false(some.take(UINT64_MAX));
    assert_int_equal(some.held(), 10 * mib);
    some.give_back(mib);
    assert_true(some.take(mib) && !some.take(1));
    use_settings("");
    assert_true(some.take(uint64_t{1} << 40) && some.room() == Limits::none && some.ceiling() == Limits::none);
}

void threads_together_stay_below_the_hard_limit(void **)
{
    use_settings("hard_limit=64M");
    Limits some;
    std::atomic<bool> exceeded{false};
    std::vector<std::thread> threads;
    for (unsigned number = 0; number < 4; number++)
        threads.emplace_back([&, number] {
            for (unsigned round = 0; round < 20'000; round++)
            {
                const uint64_t bytes = (1 + (round + number) % 24) * mib;
                const bool taken = some.take(bytes);
                exceeded = exceeded || some.held() > 64 * mib;
                if (taken)
                    some.give_back(bytes);
            }
        });
    for (std::thread &thread : threads)
        thread.join();
    assert_false(exceeded);
    assert_int_equal(some.held(), 0);
    use_settings("");
}

void passing_the_soft_limit_is_news_once(void **)
{
    use_settings("soft_limit=160M,cgroup=off");
    Limits some;
    assert_true(some.take(160 * mib) && !is_told_more(some));
    assert_true(some.take(1) && some.has_news());
    assert_true(some.take_news().above_soft && !some.has_news());
    assert_true(some.take(mib) && !is_told_more(some));
    some.give_back(2 * mib); // not by so much that it may be told again
    assert_true(some.take(2 * mib) && !is_told_more(some));
    some.give_back(12 * mib);
    assert_true(some.take(12 * mib) && some.take_news().above_soft);
    some.give_back(2 * mib);
    some.forget_soft_limit_was_passed();
    assert_true(some.take(2 * mib) && some.take_news().above_soft);
    use_settings("");
}

void growing_is_news_at_steps(void **)
{
    use_settings("");
    Limits some;
    assert_true(some.take(15 * mib) && !is_told_more(some));
    assert_true(some.take(mib) && some.take_news().grown);
    assert_true(some.take(3 * mib) && !is_told_more(some));
    some.give_back(19 * mib);
    assert_true(some.take(19 * mib) && !is_told_more(some));
    assert_true(some.take(mib) && some.take_news().grown);
    use_settings("cgroup=off");
    assert_true(some.take(1000 * mib) && !is_told_more(some));
    use_settings("");
}

void the_peak_keeps_the_most_that_was_live_while_it_was_held(void **)
{
    use_settings("cgroup=off");
    Limits some;
    assert_true(some.take(10 * mib) && some.take_news().peaked && !some.has_news());
    some.tell_live(3 * mib);
    some.tell_live(8 * mib);
    some.tell_live(5 * mib);
    assert_true(some.peak_held() == 10 * mib && some.live_at_peak() == 8 * mib);
    some.give_back(mib);
    some.tell_live(9 * mib); // below the peak
    assert_true(some.take(mib) && !some.has_news());
    assert_true(some.peak_held() == 10 * mib && some.live_at_peak() == 8 * mib);
    assert_true(some.take(mib) && some.take_news().peaked);
    some.tell_live(4 * mib);
    assert_true(some.peak_held() == 11 * mib && some.live_at_peak() == 4 * mib);
    use_settings("");
}

void the_lower_of_both_limits_leaves_room(void **)
{
    use_settings("hard_limit=100M");
    Limits some;
    some.set_group_limit(80 * mib);
    assert_true(some.take(60 * mib) && some.ceiling() == 80 * mib && some.room() == 20 * mib && !some.is_near());
    assert_true(some.take(15 * mib) && some.is_near());
    assert_true(some.take(10 * mib) && some.room() == 0); // the group's limit is the kernel's business
    some.set_group_limit(Limits::none);
    assert_true(some.room() == 15 * mib);
    use_settings("");
}

void a_groups_limit_counts_only_while_the_group_does(void **)
{
    use_settings("");
    Limits some;
    some.set_group_limit(80 * mib);
    assert_true(some.ceiling() == 80 * mib);
    change_option(*find_option("cgroup"), static_cast<uint64_t>(Cgroup::off));
    assert_true(some.ceiling() == Limits::none && some.room() == Limits::none);
    change_option(*find_option("cgroup"), static_cast<uint64_t>(Cgroup::automatic));
    assert_true(some.ceiling() == 80 * mib);
}

// ---- of a whole allocator --------------------------------------------------------------------------------------------

void what_is_held_is_what_open_chunks_and_mappings_are(void **)
{
    assert_alone([] {
        use_settings("slack=0,slack_share=0%");
        const std::vector<void *> blocks = allocate_blocks(4000, 4 * kibibyte);
        void *const large = allocate_block(5 * mib);
        void *outside_block = allocate_block(40 * mib);
        const auto expected = [] {
            const NodeHeap::Figures figures = figures_of(node_heap(0));
            return figures.open_bytes + figures.slack_bytes + outside.bytes();
        };
        require(limits.held() == expected() && limits.held() >= 60 * mib);
        outside_block = reallocate(outside_block, 90 * mib);
        require(limits.held() == expected());
        outside_block = reallocate(outside_block, 50 * mib);
        require(limits.held() == expected());
        void *grown = reallocate(large, 20 * mib); // in place, into free chunks
        require(limits.held() == expected());
        grown = reallocate(grown, 60 * mib); // carried out
        require(limits.held() == expected() && outside.blocks() == 2);
        release_block(grown);
        release_block(outside_block);
        release_blocks(blocks);
        purge(0);
        require(limits.held() == expected() && limits.held() <= 2 * chunk_bytes);
        require_whole_heap();
    });
}

void a_refused_block_leaves_nothing_behind(void **)
{
    assert_alone([] {
        use_settings("hard_limit=64M");
        const std::vector<void *> blocks = allocate_blocks(9000, 4 * kibibyte);
        void *const large = allocate_block(12 * mib);
        const uint64_t held = limits.held();
        for (const size_t size : {34 * mib, 30 * mib, 100 * mib})
            require(allocate(size, default_alignment, Call::malloc).block == nullptr && limits.held() == held);
        require(reallocate(large, 40 * mib) == nullptr && errno == ENOMEM && limits.held() == held);
        require(reallocate(large, 31 * mib) == nullptr && errno == ENOMEM && limits.held() == held);
        require_whole_heap();
        release_block(large);
        release_blocks(blocks);
        void *const again = allocate(50 * mib, default_alignment, Call::malloc).block; // once idle memory is purged
        require(again != nullptr && limits.held() <= 64 * mib);
        release_block(again);
        require_whole_heap();
    });
}

void less_is_idle_and_leased_near_a_limit(void **)
{
    assert_alone([] {
        use_settings("cgroup=off");
        const std::vector<void *> kept = allocate_blocks(10'000, 4 * kibibyte);
        const std::vector<void *> freed = allocate_blocks(1500, 4 * kibibyte);
        require(node_heap(0).bound() >= 4 * mib);
        change_option(*find_option("cgroup"), static_cast<uint64_t>(Cgroup::automatic)); // it is not read from here on
        limits.set_group_limit(limits.held() + 2 * mib);
        require(node_heap(0).bound() <= mib && limits.is_near());
        release_blocks(freed);
        require(node_heap(0).idle_bytes() <= node_heap(0).bound() + mib && fund.offer() < 64 * kibibyte);
        limits.set_group_limit(Limits::none);
        release_blocks(kept);
        require_whole_heap();
    });
}

unsigned told;
uint64_t told_held;

void a_soft_limit_purges_before_it_tells(void **)
{
    assert_alone([] {
        use_settings("soft_limit=48M,slack=1G,cgroup=off");
        static fastalloc_observer who{};
        who.size = sizeof who;
        who.context = &told;
        who.soft_limit_passed = [](void *context, uint64_t held, uint64_t limit) {
            require(limit == 48 * mib && held > limit);
            ++*static_cast<unsigned *>(context);
            told_held = held;
            release_block(allocate_block(100));
        };
        observe(&who);
        release_blocks(allocate_blocks(11'000, 4 * kibibyte)); // stays as slack
        require(limits.held() >= 40 * mib && told == 0);
        std::vector<void *> blocks;
        for (unsigned number = 0; number < 24; number++)
            blocks.push_back(allocate_block(mib)); // more than fits into what is left of the free chunks
        require(told == 0);
        for (unsigned number = 0; number < 40; number++)
            blocks.push_back(allocate_block(mib));
        require(told == 1 && told_held <= 52 * mib);
        observe(nullptr);
        release_blocks(blocks);
        purge(0);
        void *const large = allocate_block(60 * mib);
        require(told == 1); // nobody is told
        release_block(large);
    });
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_held_beyond_the_hard_limit),
        cmocka_unit_test(threads_together_stay_below_the_hard_limit),
        cmocka_unit_test(passing_the_soft_limit_is_news_once),
        cmocka_unit_test(growing_is_news_at_steps),
        cmocka_unit_test(the_peak_keeps_the_most_that_was_live_while_it_was_held),
        cmocka_unit_test(the_lower_of_both_limits_leaves_room),
        cmocka_unit_test(a_groups_limit_counts_only_while_the_group_does),
        cmocka_unit_test(what_is_held_is_what_open_chunks_and_mappings_are),
        cmocka_unit_test(a_refused_block_leaves_nothing_behind),
        cmocka_unit_test(less_is_idle_and_leased_near_a_limit),
        cmocka_unit_test(a_soft_limit_purges_before_it_tells),
    };
    return cmocka_run_group_tests_name("limits", tests, nullptr, nullptr);
}
