// SPDX-License-Identifier: MIT
//
// Claims about os/options.h: the table, what is taken of the variable and skipped, what is said about bad items, and what
// changes later.
// How values are spelled is the claim of test_option_value.cpp.
#include "os/options.h"

#include "captured_stderr.h"

#include <cerrno>
#include <csetjmp>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <unistd.h>

extern "C" {
#include <cmocka.h>
}

using namespace fastalloc;
using fastalloc_test::capture;
using fastalloc_test::Captured;

namespace
{

constexpr uint64_t kib = 1024;
constexpr uint64_t mib = 1024 * kib;

// Loads and returns what was said about it.
Captured load(const char *settings)
{
    return capture([settings] { options_load({.variable = settings}); });
}

// Whether `settings` is taken without a word.
bool is_taken(const char *settings)
{
    return load(settings).length == 0;
}

// Whether `settings`, one item, is named and changes nothing.
bool is_skipped(const char *settings)
{
    const Captured captured = load(settings);
    bool unchanged = true;
    for (const Option &option : option_table())
    {
        unchanged = unchanged && option.read(options()) == option.initial;
    }
    return unchanged && captured.lines() == 1 && captured.has(settings);
}

int back_to_defaults(void **)
{
    options_load({});
    unsetenv("FASTALLOC_CONF");
    return 0;
}

// The first test: nothing has loaded yet.
void defaults_hold_before_anything_is_loaded(void **)
{
    for (const Option &option : option_table())
    {
        assert_int_equal(option.read(options()), option.initial);
    }
}

void the_defaults_are_the_ones_that_are_documented(void **)
{
    assert_true(options().check == Check::off);
    assert_true(options().foreign == Foreign::abort);
    assert_true(options().huge == Huge::automatic);
    assert_true(options().numa == Numa::automatic);
    assert_int_equal(options().slack, 4 * mib);
    assert_int_equal(options().slack_share, 125);
    assert_int_equal(options().demand_half_life, 1000);
    assert_true(options().leak_check == LeakCheck::off);
    assert_int_equal(options().leak_exit_code, 0);
    assert_int_equal(options().lease_fund, 16 * mib);
    assert_int_equal(options().lease_share, 125);
    assert_int_equal(options().arena_budget, 32 * kib);
    assert_true(options().stats_print == StatsPrint::off && options().stats_signal == StatsSignal::off);
}

void each_row_has_a_name_a_sentence_and_a_version(void **)
{
    assert_int_equal(option_table().count, option_count);
    for (const Option &option : option_table())
    {
        assert_true(strlen(option.name) > 0 && strlen(option.name) < 24);
        assert_int_equal(strspn(option.name, "abcdefghijklmnopqrstuvwxyz_"), strlen(option.name));
        assert_true(strlen(option.sentence) > 20);
        assert_int_equal(option.sentence[strlen(option.sentence) - 1], '.');
        unsigned major = 0;
        unsigned minor = 0;
        char rest = 0;
        assert_int_equal(sscanf(option.since, "%u.%u%c", &major, &minor, &rest), 2);
    }
}

void each_default_lies_within_its_own_range(void **)
{
    for (const Option &option : option_table())
    {
        assert_true(option.min <= option.initial && option.initial <= option.max);
    }
}

void no_name_appears_twice(void **)
{
    for (const Option &option : option_table())
    {
        assert_ptr_equal(find_option(option.name), &option);
    }
    assert_null(find_option("no_such_setting"));
    assert_null(find_option(""));
}

// Each row writes a member of its own: setting one leaves all others at their defaults.
void a_setting_changes_itself_alone(void **)
{
    for (const Option &option : option_table())
    {
        char value[option_text_capacity];
        char settings[80];
        Options wanted = {};
        option.write(wanted, option.max);
        wanted.numa_nodes.add(5);
        format_option(option, wanted, value, sizeof(value));
        snprintf(settings, sizeof(settings), "%s=%s", option.name, value);
        assert_true(is_taken(settings));
        for (const Option &other : option_table())
        {
            assert_int_equal(other.read(options()), &other == &option ? option.max : other.initial);
        }
    }
}

void both_ends_of_each_range_are_read_back_as_written(void **)
{
    for (const Option &option : option_table())
    {
        for (const uint64_t value : {option.min, option.initial, option.max})
        {
            char text[option_text_capacity];
            char settings[80];
            Options wanted = {};
            option.write(wanted, value);
            wanted.numa_nodes.add(5);
            const size_t length = format_option(option, wanted, text, sizeof(text));
            assert_int_equal(length, strlen(text));
            snprintf(settings, sizeof(settings), "%s=%s", option.name, text);
            assert_true(is_taken(settings));
            assert_int_equal(option.read(options()), value);
        }
    }
}

void a_value_beyond_its_range_is_skipped(void **)
{
    assert_true(is_skipped("arena_budget=4095"));
    assert_true(is_skipped("arena_budget=1048577"));
    assert_true(is_skipped("slack=1025G"));
    assert_true(is_skipped("slack_share=100.1%"));
    assert_true(is_skipped("demand_half_life=9ms"));
    assert_true(is_skipped("demand_half_life=3600001ms"));
}

void a_malformed_value_is_skipped(void **)
{
    assert_true(is_skipped("slack"));
    assert_true(is_skipped("slack="));
    assert_true(is_skipped("slack=4=5"));
    assert_true(is_skipped("slack=4M "));
    assert_true(is_skipped("slack=99999999999999999999999"));
    assert_true(is_skipped("slack_share=12"));
    assert_true(is_skipped("demand_half_life=1000"));
    assert_true(is_skipped("foreign=LIBC"));
}

void each_word_of_a_choice_sets_its_own_value(void **)
{
    assert_true(is_taken("foreign=libc,huge=never"));
    assert_true(options().foreign == Foreign::libc);
    assert_true(options().huge == Huge::never);
    assert_true(is_taken("foreign=abort,huge=auto"));
    assert_true(options().foreign == Foreign::abort);
    assert_true(options().huge == Huge::automatic);
    assert_true(options().numa == Numa::automatic);
}

void a_key_must_be_whole(void **)
{
    assert_true(is_skipped("slac=4M"));
    assert_true(is_skipped("slack_=4M"));
    assert_true(is_skipped("SLACK=4M"));
    assert_true(is_skipped("=4M"));
    assert_true(is_skipped("="));
    assert_true(is_skipped(" slack=4M"));
}

void empty_items_are_ignored(void **)
{
    assert_true(is_taken(""));
    assert_true(is_taken(","));
    assert_true(is_taken(",,slack=1M,,,lease_fund=3M,"));
    assert_int_equal(options().slack, mib);
    assert_int_equal(options().lease_fund, 3 * mib);
}

void the_last_good_value_of_a_key_counts(void **)
{
    assert_true(is_taken("slack=1M,slack=2M"));
    assert_int_equal(options().slack, 2 * mib);
    assert_false(is_taken("slack=1M,slack=x"));
    assert_int_equal(options().slack, mib);
}

void what_was_loaded_before_does_not_linger(void **)
{
    assert_true(is_taken("slack=1M"));
    assert_true(is_taken("lease_fund=1M"));
    assert_int_equal(options().slack, 4 * mib);
}

void all_bad_items_are_named_in_one_line_and_the_good_ones_applied(void **)
{
    const Captured captured = load("sluck=1M,slack=1M,slack_share=5,arena_budget=1,huge=maybe,lease_fund=1M");
    assert_int_equal(captured.lines(), 1);
    assert_true(captured.has("FASTALLOC_CONF: skipped sluck=1M (no such setting)"));
    assert_true(captured.has(", slack_share=5 (write it like 12.5%)"));
    assert_true(captured.has(", arena_budget=1 (4K to 1M)"));
    assert_true(captured.has(", huge=maybe (one of auto|always|never|hugetlb)\n"));
    assert_false(captured.has("slack=1M"));
    assert_false(captured.has("lease_fund"));
    assert_int_equal(options().slack, mib);
    assert_int_equal(options().lease_fund, mib);
}

void more_bad_items_than_fit_a_line_are_still_one_line(void **)
{
    char settings[4096] = {};
    for (unsigned i = 0; i < 300; i++)
    {
        strcat(settings, "nonsense=1,");
    }
    strcat(settings, "slack=1M");
    const Captured captured = load(settings);
    assert_int_equal(captured.lines(), 1);
    assert_true(captured.has("...\n"));
    assert_int_equal(options().slack, mib);
}

void a_comma_ends_an_item_wherever_it_stands(void **)
{
    const Captured captured = load("slack_share=12,5%");
    assert_int_equal(captured.lines(), 1);
    assert_true(captured.has("skipped slack_share=12 (write it like 12.5%), 5% (no such setting)\n"));
}

void a_long_bad_item_leaves_room_for_the_next(void **)
{
    char settings[2048] = {};
    memset(settings, 'x', 1000);
    strcat(settings, ",sluck=1M");
    const Captured captured = load(settings);
    assert_int_equal(captured.lines(), 1);
    assert_true(captured.has("xxx... (no such setting), sluck=1M (no such setting)\n"));
}

void a_bad_item_cannot_write_control_characters(void **)
{
    const Captured captured = load("a\nb\x1b[2J=1");
    assert_int_equal(captured.lines(), 1);
    assert_true(captured.has("a?b?[2J=1"));
}

void a_secure_process_neither_obeys_nor_answers(void **)
{
    const Captured captured =
        capture([] { options_load({.variable = "slack=1M,sluck=1M", .environment = Environment::secure}); });
    assert_int_equal(captured.length, 0);
    assert_int_equal(options().slack, 4 * mib);
}

void the_environment_is_read_and_errno_kept(void **)
{
    setenv("FASTALLOC_CONFIG", "slack=7M", 1);
    setenv("FASTALLOC_CONF", "slack=1M,huge=never", 1);
    errno = ERANGE;
    options_load_at_start();
    assert_int_equal(errno, ERANGE);
    assert_int_equal(options().slack, mib);
    assert_true(options().huge == Huge::never);
    unsetenv("FASTALLOC_CONFIG");
}

void an_environment_without_the_variable_means_defaults(void **)
{
    unsetenv("FASTALLOC_CONF");
    assert_true(is_taken("slack=1M"));
    options_load_at_start();
    assert_int_equal(options().slack, 4 * mib);
}

void each_setting_knows_who_gave_it_its_value(void **)
{
    assert_true(is_taken("slack=1M"));
    change_option(*find_option("lease_fund"), 3 * mib);
    for (const Option &option : option_table())
    {
        const bool is_slack = strcmp(option.name, "slack") == 0;
        const bool is_fund = strcmp(option.name, "lease_fund") == 0;
        const Origin wanted = is_slack ? Origin::environment : is_fund ? Origin::call : Origin::initial;
        assert_true(origin_of(option, options()) == wanted);
    }
    assert_string_equal(name_of(Origin::initial), "default");
    assert_string_equal(name_of(Origin::call), "program");
}

void a_change_is_in_force_at_once_and_rules_over_what_was_loaded(void **)
{
    assert_true(is_taken("slack=1M,huge=never"));
    change_option(*find_option("slack"), 2 * mib);
    assert_int_equal(options().slack, 2 * mib);
    assert_true(options().huge == Huge::never);
}

void what_can_change_at_any_time_is_what_is_documented(void **)
{
    const char *const fixed[] = {"check", "huge", "numa", "probes", "stats_signal", "arena_budget"};
    for (const Option &option : option_table())
    {
        bool is_fixed = false;
        for (const char *name : fixed)
            is_fixed = is_fixed || strcmp(option.name, name) == 0;
        assert_true((option.changes == Changes::at_start) == is_fixed);
    }
}

void an_environment_that_is_not_there_yet_means_defaults(void **)
{
    char **const before = environ;
    assert_true(is_taken("slack=1M"));
    environ = nullptr;
    options_load_at_start();
    environ = before;
    assert_int_equal(options().slack, 4 * mib);
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(defaults_hold_before_anything_is_loaded),
        cmocka_unit_test_setup(the_defaults_are_the_ones_that_are_documented, back_to_defaults),
        cmocka_unit_test_setup(each_row_has_a_name_a_sentence_and_a_version, back_to_defaults),
        cmocka_unit_test_setup(each_default_lies_within_its_own_range, back_to_defaults),
        cmocka_unit_test_setup(no_name_appears_twice, back_to_defaults),
        cmocka_unit_test_setup(a_setting_changes_itself_alone, back_to_defaults),
        cmocka_unit_test_setup(both_ends_of_each_range_are_read_back_as_written, back_to_defaults),
        cmocka_unit_test_setup(a_value_beyond_its_range_is_skipped, back_to_defaults),
        cmocka_unit_test_setup(a_malformed_value_is_skipped, back_to_defaults),
        cmocka_unit_test_setup(each_word_of_a_choice_sets_its_own_value, back_to_defaults),
        cmocka_unit_test_setup(a_key_must_be_whole, back_to_defaults),
        cmocka_unit_test_setup(empty_items_are_ignored, back_to_defaults),
        cmocka_unit_test_setup(the_last_good_value_of_a_key_counts, back_to_defaults),
        cmocka_unit_test_setup(what_was_loaded_before_does_not_linger, back_to_defaults),
        cmocka_unit_test_setup(all_bad_items_are_named_in_one_line_and_the_good_ones_applied, back_to_defaults),
        cmocka_unit_test_setup(more_bad_items_than_fit_a_line_are_still_one_line, back_to_defaults),
        cmocka_unit_test_setup(a_comma_ends_an_item_wherever_it_stands, back_to_defaults),
        cmocka_unit_test_setup(a_long_bad_item_leaves_room_for_the_next, back_to_defaults),
        cmocka_unit_test_setup(a_bad_item_cannot_write_control_characters, back_to_defaults),
        cmocka_unit_test_setup(a_secure_process_neither_obeys_nor_answers, back_to_defaults),
        cmocka_unit_test_setup(the_environment_is_read_and_errno_kept, back_to_defaults),
        cmocka_unit_test_setup(an_environment_without_the_variable_means_defaults, back_to_defaults),
        cmocka_unit_test_setup(each_setting_knows_who_gave_it_its_value, back_to_defaults),
        cmocka_unit_test_setup(a_change_is_in_force_at_once_and_rules_over_what_was_loaded, back_to_defaults),
        cmocka_unit_test_setup(what_can_change_at_any_time_is_what_is_documented, back_to_defaults),
        cmocka_unit_test_setup(an_environment_that_is_not_there_yet_means_defaults, back_to_defaults),
    };
    return cmocka_run_group_tests_name("options", tests, nullptr, nullptr);
}
