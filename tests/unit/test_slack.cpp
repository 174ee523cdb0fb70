// SPDX-License-Identifier: MIT
//
// Claims about heap/slack.h. Time is what the test says it is.
#include "heap/slack.h"

#include "layers.h"

using namespace fastalloc_test;

namespace
{

constexpr uint64_t mib = mebibyte;
constexpr uint64_t start_ms = 1'000'000;

int load_settings(void **)
{
    use_settings("slack=4M,slack_share=12.5%,demand_half_life=1s");
    return 0;
}

// A Slack that has seen `bytes` go and come again, with so much live.
Slack wanting(uint64_t bytes, uint64_t live)
{
    Slack slack;
    slack.returned(bytes, start_ms);
    slack.taken(bytes, live, start_ms);
    return slack;
}

void the_bound_is_the_larger_of_setting_and_share(void **)
{
    const Slack slack;
    assert_int_equal(slack.bound(0, slack.demand()), 4 * mib);
    assert_int_equal(slack.bound(31 * mib, slack.demand()), 4 * mib);
    assert_int_equal(slack.bound(1'000'000'000, slack.demand()), 125'000'000);
    assert_true(slack.bound(UINT64_MAX, slack.demand()) > UINT64_MAX / 9); // no overflow
}

void settings_move_the_bound(void **)
{
    const Slack slack;
    use_settings("slack=0,slack_share=0%");
    assert_int_equal(slack.bound(1'000'000'000, slack.demand()), 0);
    use_settings("slack=1G,slack_share=100%");
    assert_int_equal(slack.bound(0, slack.demand()), gibibyte);
    assert_int_equal(slack.bound(2'000'000'000, slack.demand()), 2'000'000'000);
}

void demand_is_nothing_until_memory_is_wanted_again(void **)
{
    Slack slack;
    slack.taken(100 * mib, 1000 * mib, start_ms);
    assert_int_equal(slack.demand(), 0);
    slack.returned(100 * mib, start_ms);
    assert_int_equal(slack.demand(), 0);
    assert_int_equal(slack.returned_total(), 100 * mib);
}

void demand_grows_by_what_comes_again_within_a_second(void **)
{
    Slack slack;
    slack.returned(100 * mib, start_ms);
    assert_true(slack.remembers_returns());
    slack.taken(30 * mib, 1000 * mib, start_ms + 10);
    assert_int_equal(slack.demand(), 30 * mib);
    slack.taken(90 * mib, 1000 * mib, start_ms + 20); // of which 70 had been given back
    assert_int_equal(slack.demand(), 100 * mib);
    assert_false(slack.remembers_returns());
    slack.taken(50 * mib, 1000 * mib, start_ms + 30);
    assert_int_equal(slack.demand(), 100 * mib);
    assert_int_equal(slack.bound(0, slack.demand()), 104 * mib);
}

void what_comes_again_later_is_not_regretted(void **)
{
    Slack slack;
    slack.returned(100 * mib, start_ms);
    slack.taken(50 * mib, 1000 * mib, start_ms + 1000);
    assert_int_equal(slack.demand(), 50 * mib);
    slack.taken(50 * mib, 1000 * mib, start_ms + 1001);
    assert_int_equal(slack.demand(), 50 * mib);
    assert_false(slack.remembers_returns());
}

void demand_never_exceeds_the_peak_of_live(void **)
{
    Slack slack = wanting(100 * mib, 60 * mib);
    assert_int_equal(slack.demand(), 60 * mib);
    slack.returned(100 * mib, start_ms);
    slack.taken(100 * mib, 20 * mib, start_ms); // live has sunk, its peak has not
    assert_int_equal(slack.demand(), 60 * mib);
    slack.returned(100 * mib, start_ms);
    slack.taken(100 * mib, 90 * mib, start_ms);
    assert_int_equal(slack.demand(), 90 * mib);
}

void demand_halves_with_each_half_life(void **)
{
    Slack slack = wanting(64 * mib, 1000 * mib);
    slack.advance(start_ms + 999);
    assert_int_equal(slack.demand(), 64 * mib);
    slack.advance(start_ms + 1000);
    assert_int_equal(slack.demand(), 32 * mib);
    slack.advance(start_ms + 1500);
    slack.advance(start_ms + 1999);
    assert_int_equal(slack.demand(), 32 * mib);
    slack.advance(start_ms + 2000);
    assert_int_equal(slack.demand(), 16 * mib);
    slack.advance(start_ms + 5000);
    assert_int_equal(slack.demand(), 2 * mib);
    slack.advance(start_ms + 1'000'000);
    assert_int_equal(slack.demand(), 0);
}

// Looking often must not put the halving off.
void decay_does_not_depend_on_how_often_one_looks(void **)
{
    Slack often = wanting(64 * mib, 1000 * mib);
    Slack once = wanting(64 * mib, 1000 * mib);
    for (uint64_t passed = 0; passed <= 3500; passed += 7)
        often.advance(start_ms + passed);
    once.advance(start_ms + 3500);
    assert_int_equal(often.demand(), 8 * mib);
    assert_int_equal(once.demand(), often.demand());
}

void the_half_life_is_a_setting(void **)
{
    use_settings("demand_half_life=100ms");
    Slack slack = wanting(64 * mib, 1000 * mib);
    slack.advance(start_ms + 300);
    assert_int_equal(slack.demand(), 8 * mib);
}

void returns_and_takes_let_time_pass_too(void **)
{
    Slack slack = wanting(64 * mib, 1000 * mib);
    slack.returned(1 * mib, start_ms + 1000);
    assert_int_equal(slack.demand(), 32 * mib);
    slack.taken(1 * mib, 1000 * mib, start_ms + 2000);
    assert_int_equal(slack.demand(), 17 * mib);
}

void what_is_idle_for_long_goes_back_in_seconds(void **)
{
    Slack slack;
    uint64_t idle = 4 * mib;
    uint64_t now = start_ms;
    slack.pass_time(idle, 0, now);
    for (unsigned second = 0; second < 10; second++)
    {
        now += 1000;
        const uint64_t kept = slack.pass_time(idle, 0, now);
        assert_int_equal(kept, idle - idle / 8);
        assert_int_equal(slack.pass_time(idle, 0, now + 1), 4 * mib); // once a half-life
        idle = kept;
    }
    assert_true(idle < 4 * mib / 3);
}

void what_is_used_now_and_then_stays(void **)
{
    Slack slack;
    slack.pass_time(4 * mib, 0, start_ms);
    slack.pass_time(0, 0, start_ms + 500); // all of it was in use
    assert_int_equal(slack.pass_time(4 * mib, 0, start_ms + 1000), 4 * mib);
}

void what_demand_keeps_stays(void **)
{
    Slack slack = wanting(100 * mib, 1000 * mib);
    slack.pass_time(60 * mib, 0, start_ms);
    assert_int_equal(slack.pass_time(52 * mib, 0, start_ms + 1000), 50 * mib); // an eighth less would be 45.5
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_bound_is_the_larger_of_setting_and_share, load_settings),
        cmocka_unit_test_setup(settings_move_the_bound, load_settings),
        cmocka_unit_test_setup(demand_is_nothing_until_memory_is_wanted_again, load_settings),
        cmocka_unit_test_setup(demand_grows_by_what_comes_again_within_a_second, load_settings),
        cmocka_unit_test_setup(what_comes_again_later_is_not_regretted, load_settings),
        cmocka_unit_test_setup(demand_never_exceeds_the_peak_of_live, load_settings),
        cmocka_unit_test_setup(demand_halves_with_each_half_life, load_settings),
        cmocka_unit_test_setup(decay_does_not_depend_on_how_often_one_looks, load_settings),
        cmocka_unit_test_setup(the_half_life_is_a_setting, load_settings),
        cmocka_unit_test_setup(returns_and_takes_let_time_pass_too, load_settings),
        cmocka_unit_test(what_is_idle_for_long_goes_back_in_seconds),
        cmocka_unit_test(what_is_used_now_and_then_stays),
        cmocka_unit_test(what_demand_keeps_stays),
    };
    return cmocka_run_group_tests_name("slack", tests, nullptr, nullptr);
}
