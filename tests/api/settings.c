// SPDX-License-Identifier: MIT
//
// settings.c - fastalloc_option_set and fastalloc_option_get: what they take and refuse, that they rule over the variable,
// and that threads and forks may use them at once. The program starts itself with settings.
#include <stdatomic.h>

#include "../support.h"

#include "../children.h"

#include "settings.h"
#include "threads.h"

// ---- what is taken and refused -------------------------------------------------------------------------------------------

static const char *const changeable[][3] = {
    {"background_thread", "off", "on"}, {"cgroup", "auto", "off"},          {"foreign", "abort", "libc"},
    {"leak_check", "off", "exit"},      {"leak_exit_code", "0", "255"},     {"stats_print", "off", "exit"},
    {"soft_limit", "0", "1024G"},       {"hard_limit", "0", "1025M"},       {"slack", "4M", "1K"},
    {"slack_share", "12.5%", "7%"},     {"demand_half_life", "1s", "20ms"}, {"lease_fund", "16M", "3M"},
    {"lease_share", "12.5%", "0.1%"},
};

enum
{
    changeable_count = sizeof changeable / sizeof *changeable
};

static void change_all(void)
{
    for (size_t index = 0; index < changeable_count; index++)
    {
        const char *const name = changeable[index][0];
        require(has_value(name, changeable[index][1]));
        require(is_set(name, changeable[index][2]) && has_value(name, changeable[index][2]));
        require(is_set(name, changeable[index][1]) && has_value(name, changeable[index][1]));
    }
}

static void refuse_what_is_fixed(void)
{
    static const char *const fixed[][2] = {{"arena_budget", "64K"}, {"check", "off"},  {"huge", "never"},
                                           {"numa", "off"},         {"probes", "off"}, {"stats_signal", "USR1"}};
    for (size_t index = 0; index < sizeof fixed / sizeof *fixed; index++)
        require(is_refused(fixed[index][0], fixed[index][1], EPERM));
    require(has_value("huge", "always") && has_value("numa", "auto") && has_value("arena_budget", "32K"));
}

static void refuse_what_is_bad(void)
{
    require(is_refused("sluck", "1M", ENOENT) && is_refused("", "1M", ENOENT) && is_refused(NULL, "1M", ENOENT));
    require(is_refused("slack", "x", EINVAL) && is_refused("slack", "", EINVAL) && is_refused("slack", NULL, EINVAL));
    require(is_refused("slack", "1025G", EINVAL) && is_refused("demand_half_life", "9ms", EINVAL));
    require(is_refused("slack", "1M,huge=never", EINVAL) && is_refused("slack", " 1M", EINVAL));
    require(is_refused("foreign", "LIBC", EINVAL) && is_refused("check", "x", EPERM));
    require(has_value("slack", "1M"));
}

static void get_as_snprintf_does(void)
{
    char value[8] = "zzzzzzz";
    require(fastalloc_option_get("lease_share", NULL, 0) == 5);
    require(fastalloc_option_get("lease_share", value, 1) == 5 && value[0] == 0 && value[1] == 'z');
    require(fastalloc_option_get("lease_share", value, 4) == 5 && strcmp(value, "12.") == 0 && value[4] == 'z');
    require(fastalloc_option_get("lease_share", value, 5) == 5 && strcmp(value, "12.5") == 0);
    errno = ERANGE;
    require(fastalloc_option_get("lease_share", value, 6) == 5 && strcmp(value, "12.5%") == 0 && errno == ERANGE);
    require(fastalloc_option_get("sluck", value, 6) == -1 && errno == ENOENT);
    require(fastalloc_option_get(NULL, value, 6) == -1 && errno == ENOENT);
}

// All of 1024 nodes, every other one named.
static void get_a_long_list(void)
{
    static char value[8192], wanted[8192];
    size_t length = (size_t)snprintf(wanted, sizeof wanted, "bind:0");
    for (int node = 2; node < 1024; node += 2)
        length += (size_t)snprintf(wanted + length, sizeof wanted - length, "+%d", node);
    require(fastalloc_option_get("numa", value, sizeof value) == (int)length && strcmp(value, wanted) == 0);
}

static void rule_over_the_variable(void)
{
    require(has_value("slack", "1M") && has_value("lease_fund", "2M"));
    require(is_set("slack", "3072K"));
    require(has_value("slack", "3M") && has_value("lease_fund", "2M"));
}

// ---- several threads -----------------------------------------------------------------------------------------------------

static atomic_int is_over;

static void *change_again_and_again(void *argument)
{
    const char *const mine = argument;
    while (!atomic_load(&is_over))
    {
        char value[64];
        require(is_set("slack", mine) && is_set("background_thread", *mine == '1' ? "on" : "off"));
        require(fastalloc_option_get("slack", value, sizeof value) == 2);
        require(strcmp(value, "1M") == 0 || strcmp(value, "2M") == 0);
        free(malloc(100));
    }
    return NULL;
}

static void *allocate_meanwhile(void *argument)
{
    uint64_t random = (uint64_t)(uintptr_t)argument;
    void *own[64] = {NULL};
    while (!atomic_load(&is_over))
    {
        const uint64_t word = next_random(&random);
        free(own[word % 64]);
        own[word % 64] = malloc(random_size(&random, 16));
    }
    for (size_t index = 0; index < 64; index++)
        free(own[index]);
    return NULL;
}

static void change_in_a_child(void *argument)
{
    (void)argument;
    require(is_set("slack", "5M") && has_value("slack", "5M"));
    require(is_set("background_thread", "on") && is_set("background_thread", "off"));
    require_threads(1);
    require_whole_heap();
}

static void change_in_threads(void)
{
    pthread_t threads[4];
    require(is_set("slack", "1M"));
    require(pthread_create(&threads[0], NULL, change_again_and_again, (void *)"1M") == 0);
    require(pthread_create(&threads[1], NULL, change_again_and_again, (void *)"2M") == 0);
    for (uintptr_t index = 2; index < 4; index++)
        require(pthread_create(&threads[index], NULL, allocate_meanwhile, (void *)index) == 0);
    for (int round = 0; round < 50; round++)
        require(run_child(change_in_a_child, NULL, 20) == 0);
    atomic_store(&is_over, 1);
    for (int index = 0; index < 4; index++)
        pthread_join(threads[index], NULL);
    require_whole_heap();
}

// ---- the tests -----------------------------------------------------------------------------------------------------------

enum
{
    all,
    fixed,
    bad,
    got,
    over,
    in_threads,
    mode_count,
};
static const struct mode modes[mode_count] = {
    [all] = {"all", change_all, ""},
    [fixed] = {"fixed", refuse_what_is_fixed, "huge=always"},
    [bad] = {"bad", refuse_what_is_bad, "slack=1M"},
    [got] = {"got", get_as_snprintf_does, ""},
    [over] = {"over", rule_over_the_variable, "slack=1M,lease_fund=2M"},
    [in_threads] = {"in_threads", change_in_threads, ""},
};

static const struct mode modes_that_end_otherwise[] = {
    {"long_list", get_a_long_list, NULL},
};

static void every_setting_that_may_change_is_read_back_as_it_was_set(void **state)
{
    (void)state;
    assert_mode_succeeds(&modes[all]);
}

static void settings_of_the_start_are_refused_and_stay(void **state)
{
    (void)state;
    assert_mode_succeeds(&modes[fixed]);
}

static void what_is_unknown_malformed_or_out_of_range_is_refused_and_changes_nothing(void **state)
{
    (void)state;
    assert_mode_succeeds(&modes[bad]);
}

static void a_value_is_cut_as_snprintf_does(void **state)
{
    (void)state;
    assert_mode_succeeds(&modes[got]);
    static char list[8192] = "numa=bind:0";
    for (int node = 2; node < 1024; node += 2)
        sprintf(list + strlen(list), "+%d", node);
    struct finished_program finished;
    run_with(&finished, "long_list", list);
    assert_succeeded(&finished);
}

static void a_call_rules_over_the_variable_setting_by_setting(void **state)
{
    (void)state;
    assert_mode_succeeds(&modes[over]);
}

static void threads_and_forks_may_change_settings_at_once(void **state)
{
    (void)state;
    assert_mode_succeeds(&modes[in_threads]);
}

int main(int count, char **arguments)
{
    run_mode(modes, mode_count, count, arguments);
    run_mode(modes_that_end_otherwise, sizeof modes_that_end_otherwise / sizeof *modes_that_end_otherwise, count,
             arguments);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_setting_that_may_change_is_read_back_as_it_was_set),
        cmocka_unit_test(settings_of_the_start_are_refused_and_stay),
        cmocka_unit_test(what_is_unknown_malformed_or_out_of_range_is_refused_and_changes_nothing),
        cmocka_unit_test(a_value_is_cut_as_snprintf_does),
        cmocka_unit_test(a_call_rules_over_the_variable_setting_by_setting),
        cmocka_unit_test(threads_and_forks_may_change_settings_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
