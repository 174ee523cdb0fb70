// SPDX-License-Identifier: MIT
//
// Claims about arena/homing.h: when a thread follows the CPU to another node.
#include "arena/homing.h"

#include "layers.h"

using namespace fastalloc_test;

namespace
{

uint64_t now = 0;

uint64_t made_up_clock()
{
    return now;
}

// Slow paths on a node, a millisecond apart, until the thread is to move. How many it took, at most `most`.
unsigned paths_until_settled(Homing &homing, Node node, unsigned most)
{
    for (unsigned path = 1; path <= most; path++)
    {
        if (homing.has_settled(node, made_up_clock))
            return path;
        now++;
    }
    return 0;
}

void a_thread_moves_after_eight_slow_paths_and_ten_milliseconds(void **)
{
    Homing slow;
    for (unsigned path = 1; path < 8; path++)
    {
        assert_false(slow.has_settled(1, made_up_clock));
        now += 10; // time alone is not enough
    }
    assert_true(slow.has_settled(1, made_up_clock));

    Homing fast;
    for (unsigned path = 0; path < 1000; path++) // nor are slow paths
        assert_false(fast.has_settled(1, made_up_clock));
    now += 9;
    assert_false(fast.has_settled(1, made_up_clock));
    now += 1;
    assert_true(fast.has_settled(1, made_up_clock));
}

// Once in a row, so that it costs little; and not when it has just moved.
void a_thread_that_is_seen_elsewhere_is_asked_once_where_it_may_run(void **)
{
    Homing homing;
    (void)homing.has_settled(1, made_up_clock);
    assert_false(homing.is_new_there(made_up_clock)); // it was at home nowhere yet
    homing.at_home(7);
    assert_false(homing.is_new_there(made_up_clock));
    (void)homing.has_settled(1, made_up_clock);
    assert_true(homing.is_new_there(made_up_clock));
    assert_int_equal(homing.home_cpu(), 7);
    (void)homing.has_settled(1, made_up_clock);
    assert_false(homing.is_new_there(made_up_clock));
    homing.moved(made_up_clock);
    homing.at_home(8);
    (void)homing.has_settled(0, made_up_clock);
    assert_false(homing.is_new_there(made_up_clock));
    now += 10;
    homing.at_home(8);
    (void)homing.has_settled(0, made_up_clock);
    assert_true(homing.is_new_there(made_up_clock));
    homing.changes_policy(); // no node is its home
    (void)homing.has_settled(0, made_up_clock);
    assert_false(homing.is_new_there(made_up_clock));
}

void being_at_home_or_on_a_third_node_starts_anew(void **)
{
    Homing homing;
    assert_int_equal(paths_until_settled(homing, 1, 10), 0);
    homing.at_home(0);
    assert_int_equal(paths_until_settled(homing, 1, 10), 0);
    assert_int_equal(paths_until_settled(homing, 2, 10), 0);
    assert_int_equal(paths_until_settled(homing, 1, 100), 11);
}

void a_thread_that_is_bounced_every_five_milliseconds_stays(void **)
{
    Homing homing;
    for (unsigned bounce = 0; bounce < 1000; bounce++)
        assert_int_equal(paths_until_settled(homing, static_cast<Node>(1 + bounce % 3), 5), 0);
}

// Each move may cost what its bins hold: their number in a time is bounded, however a thread is thrown about.
void who_goes_to_and_fro_moves_less_and_less(void **)
{
    for (const unsigned stay : {12u, 50u, 200u, 700u})
    {
        Homing homing;
        unsigned moves = 0;
        for (unsigned bounce = 0; bounce < 60'000 / stay; bounce++)
        {
            const uint64_t end = now + stay;
            const bool moved = paths_until_settled(homing, static_cast<Node>(bounce % 2), stay) != 0;
            if (moved)
                homing.moved(made_up_clock);
            else
                homing.at_home(0); // as it would be at every other bounce
            moves += moved;
            now = end;
        }
        assert_in_range(moves, 1, 120);
    }
}

void who_has_stayed_for_long_moves_soon_again(void **)
{
    Homing homing;
    for (unsigned move = 0; move < 10; move++)
    {
        assert_int_not_equal(paths_until_settled(homing, static_cast<Node>(move % 2), 2000), 0);
        homing.moved(made_up_clock);
    }
    now += 20'000;
    assert_int_not_equal(paths_until_settled(homing, 0, 2000), 0);
    homing.moved(made_up_clock);
    now += 20'000;
    assert_int_equal(paths_until_settled(homing, 1, 2000), 11);
}

void the_policy_is_looked_at_once_each_half_mebibyte(void **)
{
    Homing homing;
    unsigned looks = 0;
    for (unsigned slice = 0; slice < 10 * slices_per_chunk; slice++)
    {
        homing.took_fresh(1);
        looks += homing.is_to_look_at_policy();
        assert_false(homing.is_to_look_at_policy());
    }
    assert_int_equal(looks, 10 * chunk_bytes / (512 * kibibyte));
    homing.took_fresh(0);
    assert_false(homing.is_to_look_at_policy());
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(a_thread_moves_after_eight_slow_paths_and_ten_milliseconds),
        cmocka_unit_test(a_thread_that_is_seen_elsewhere_is_asked_once_where_it_may_run),
        cmocka_unit_test(being_at_home_or_on_a_third_node_starts_anew),
        cmocka_unit_test(a_thread_that_is_bounced_every_five_milliseconds_stays),
        cmocka_unit_test(who_goes_to_and_fro_moves_less_and_less),
        cmocka_unit_test(who_has_stayed_for_long_moves_soon_again),
        cmocka_unit_test(the_policy_is_looked_at_once_each_half_mebibyte),
    };
    return cmocka_run_group_tests_name("homing", tests, nullptr, nullptr);
}
