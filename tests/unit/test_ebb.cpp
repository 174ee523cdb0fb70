// SPDX-License-Identifier: MIT
//
// Claims about arena/ebb.h, and about what threads leave that hold much, free it and sleep.
#include "arena/ebb.h"

#include "layers.h"

#include <algorithm>
#include <atomic>

using namespace fastalloc_test;

namespace
{

uint64_t now = 0; // milliseconds

uint64_t clock_of_test()
{
    return now;
}

bool begins_at(Ebb &ebb, int64_t held)
{
    const bool begins = ebb.may_be_low(held, held) && !ebb.is_wave(clock_of_test);
    if (begins)
        ebb.begin(clock_of_test);
    return begins;
}

void it_begins_when_little_is_left_of_much(void **)
{
    Ebb ebb;
    ebb.rise(2 * mebibyte, clock_of_test);
    constexpr int64_t in_bins = 64 * kibibyte;
    assert_false(ebb.may_be_low(mebibyte + in_bins, in_bins));
    assert_true(ebb.may_be_low(2 * mebibyte, 2 * mebibyte)); // in bins
    assert_true(ebb.may_be_low(mebibyte / 2 + in_bins, in_bins));
    assert_true(ebb.may_be_low(in_bins, in_bins));
}

void bins_that_hold_next_to_nothing_are_left_alone(void **)
{
    Ebb ebb;
    ebb.rise(2 * mebibyte, clock_of_test);
    assert_false(ebb.may_be_low(4 * kibibyte, 4 * kibibyte));
    assert_true(ebb.may_be_low(5 * kibibyte, 5 * kibibyte));
    ebb.rise(200 * mebibyte, clock_of_test);
    assert_false(ebb.may_be_low(400 * kibibyte, 400 * kibibyte));
    assert_true(ebb.may_be_low(410 * kibibyte, 410 * kibibyte));
}

void who_never_held_much_keeps_his_bins(void **)
{
    Ebb ebb;
    assert_false(ebb.may_be_low(mebibyte, mebibyte));
    ebb.rise(Ebb::least_bytes - 1, clock_of_test);
    assert_false(ebb.may_be_low(mebibyte, mebibyte));
}

void who_goes_on_with_little_gets_them_back(void **)
{
    Ebb ebb;
    ebb.rise(2 * mebibyte, clock_of_test);
    unsigned refills = 0;
    for (; ebb.may_be_low(8 * kibibyte, 8 * kibibyte) && refills < 1000; refills++)
        ebb.rise(kibibyte, clock_of_test);
    assert_in_range(refills, 2, 40);
}

void waves_cost_one_emptying_a_second(void **)
{
    Ebb ebb;
    unsigned begun = 0;
    for (now = 1; now < 10'000; now += 10)
    {
        ebb.rise(2 * mebibyte, clock_of_test);
        begun += begins_at(ebb, 8 * kibibyte);
    }
    assert_in_range(begun, 8, 12);
}

void waves_with_seconds_between_them_end_in_empty_bins(void **)
{
    Ebb ebb;
    for (now = 1; now < 20'000; now += 2000)
    {
        ebb.rise(2 * mebibyte, clock_of_test);
        assert_true(begins_at(ebb, 8 * kibibyte));
    }
}

// ---- threads ---------------------------------------------------------------------------------------------------------

constexpr unsigned sleepers = 8;
constexpr size_t held_each = 2 * mebibyte;

// So much is open that what bins pin is not little beside it. These blocks stay.
void open_much()
{
    allocate_blocks(20 * mebibyte / kibibyte, kibibyte);
}

void hold_much_and_free_it(uint64_t seed)
{
    Random random{seed};
    std::vector<void *> blocks;
    for (size_t bytes = 0; bytes < held_each;)
    {
        const size_t size = 16 + random.below(1800);
        blocks.push_back(allocate_block(size));
        require(blocks.back() != nullptr);
        bytes += size;
    }
    for (size_t left = blocks.size(); left > 1; left--)
        std::swap(blocks[left - 1], blocks[random.below(left)]);
    release_blocks(blocks);
}

// `look` is called with the arenas of threads that held much, one after the other, and sleep.
template <typename Look>
void beside_sleepers(Look look)
{
    std::latch wake(1);
    std::atomic<unsigned> asleep{0};
    std::vector<Arena *> arenas(sleepers);
    std::vector<std::thread> threads;
    for (unsigned number = 0; number < sleepers; number++)
    {
        threads.emplace_back([&, number] {
            hold_much_and_free_it(number);
            arenas[number] = thread_words.self;
            asleep.fetch_add(1);
            asleep.notify_all();
            wake.wait();
        });
        asleep.wait(number);
    }
    look(arenas);
    wake.count_down();
    for (std::thread &thread : threads)
        thread.join();
    require_whole_heap();
}

void a_thread_that_has_freed_what_it_held_keeps_few_blocks(void **)
{
    assert_alone([] {
        open_much();
        beside_sleepers([](const std::vector<Arena *> &arenas) {
            uint64_t bytes = 0;
            for (Arena *arena : arenas)
                bytes += figures_of(arena).cached_bytes;
            require(bytes <= sleepers * 8 * kibibyte); // a quarter of their budgets
        });
    });
}

void threads_that_begin_are_no_reason_to_keep_what_others_gave_back(void **)
{
    assert_alone([] {
        use_settings("slack=64k,slack_share=0%");
        open_much();
        beside_sleepers([](const std::vector<Arena *> &arenas) {
            require(figures_of(arenas[0]->heap()).returned_bytes >= (sleepers - 1) * held_each / 2);
            require(figures_of(arenas[0]->heap()).demand_bytes <= held_each / 4);
        });
    });
}

void an_arena_touches_a_page_or_two_of_a_slice_that_was_full(void **)
{
    assert_alone([] {
        allocate_block(1);
        release_blocks(allocate_blocks(mebibyte / kibibyte, kibibyte)); // idle slices, with memory
        in_thread([] {
            allocate_block(1);
            const auto begin = reinterpret_cast<uintptr_t>(thread_words.self);
            require(pages::resident_pages(begin, slice_bytes) <= 2);
        });
    });
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(it_begins_when_little_is_left_of_much),
        cmocka_unit_test(bins_that_hold_next_to_nothing_are_left_alone),
        cmocka_unit_test(who_never_held_much_keeps_his_bins),
        cmocka_unit_test(who_goes_on_with_little_gets_them_back),
        cmocka_unit_test(waves_cost_one_emptying_a_second),
        cmocka_unit_test(waves_with_seconds_between_them_end_in_empty_bins),
        cmocka_unit_test(a_thread_that_has_freed_what_it_held_keeps_few_blocks),
        cmocka_unit_test(threads_that_begin_are_no_reason_to_keep_what_others_gave_back),
        cmocka_unit_test(an_arena_touches_a_page_or_two_of_a_slice_that_was_full),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
