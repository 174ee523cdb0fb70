// SPDX-License-Identifier: MIT
//
// changed_settings.c - each setting that may change while the process runs: its change has its effect. The program starts
// itself with settings.
#include <signal.h>

#include "../support.h"

#include "../children.h"

#include "settings.h"
#include "threads.h"

// ---- what each change does -----------------------------------------------------------------------------------------------

enum
{
    most = 20000
};
static void *blocks[most];

static void fill(size_t from, size_t to, size_t size)
{
    for (size_t index = from; index < to; index++)
    {
        blocks[index] = malloc(size);
        require(blocks[index] != NULL);
        memset(blocks[index], 1, size);
    }
}

static void empty(size_t from, size_t to)
{
    for (size_t index = from; index < to; index++)
        free(blocks[index]);
}

// Frees all but the first MiB of 40, so that the last frees come after the change and are few.
static void give_back_more_once(const char *name, const char *value)
{
    fill(0, 10000, 4096);
    empty(256, 10000);
    const uint64_t before = stats_now().idle_bytes;
    require(before > 20 * mib);
    require(is_set(name, value));
    empty(0, 256);
    require(stats_now().idle_bytes < before / 4);
}

static void lower_slack(void)
{
    give_back_more_once("slack", "0");
}

static void lower_slack_share(void)
{
    fill(10000, most, 4096); // live
    give_back_more_once("slack_share", "0%");
    empty(10000, most);
}

static void leave_idle_memory(void)
{
    fill(0, 1200, 4096);
    empty(0, 1200);
}

static void wait_until_little_is_idle(void)
{
    for (int attempt = 0; attempt < 1000 && stats_now().idle_bytes >= mib; attempt++)
        sleep_milliseconds(20);
    require(stats_now().idle_bytes < mib);
}

// The thread in the background would sleep for an hour.
static void shorten_the_half_life(void)
{
    leave_idle_memory();
    require(stats_now().idle_bytes > 2 * mib);
    require(is_set("demand_half_life", "20ms"));
    wait_until_little_is_idle();
}

static void run_a_thread_in_the_background(void)
{
    leave_idle_memory();
    require_threads(1);
    require(is_set("background_thread", "on") && is_set("background_thread", "on"));
    require_threads(2);
    wait_until_little_is_idle();
    require(is_set("background_thread", "off") && is_set("background_thread", "off"));
    require_threads(1);
    require(fastalloc_background_thread_start() == 0 && has_value("background_thread", "on"));
    require_threads(2);
    require(fastalloc_background_thread_stop() == 0 && has_value("background_thread", "off"));
    require_threads(1);
}

// Rounds in which bins can use more than the budget, and now and then more than any bin may hold: a bin that has what its
// thread needs is not looked at.
static uint64_t leased_after_use(void)
{
    for (int round = 0; round < 20; round++)
    {
        const size_t count = round % 10 == 0 ? 9000 : 4000;
        fill(0, count, 512);
        empty(0, count);
    }
    return stats_now().lease_bytes;
}

static void change_the_lease_fund(void)
{
    require(leased_after_use() == 0);
    require(is_set("lease_fund", "8M"));
    require(leased_after_use() > 64 * kib);
    require(is_set("lease_fund", "0"));
    require(leased_after_use() == 0);
}

static void change_the_lease_share(void)
{
    fill(10000, most, 4096); // live
    require(leased_after_use() == 0);
    require(is_set("lease_share", "12.5%"));
    require(leased_after_use() > 64 * kib);
    require(is_set("lease_share", "0%"));
    require(leased_after_use() == 0);
    empty(10000, most);
}

static void change_the_hard_limit(void)
{
    void *block = malloc(opaque_size(100 * mib));
    require(block != NULL);
    require(is_set("hard_limit", "64M"));
    require(stats_now().limit_bytes <= 64 * mib);
    void *refused = malloc(opaque_size(50 * mib));
    require(refused == NULL && errno == ENOMEM);
    memset(block, 1, 100 * mib); // what is held stays
    free(block);
    block = malloc(opaque_size(50 * mib));
    require(block != NULL);
    refused = malloc(opaque_size(50 * mib));
    require(refused == NULL && errno == ENOMEM);
    require(is_set("hard_limit", "0"));
    refused = malloc(opaque_size(50 * mib));
    require(refused != NULL);
    free(refused);
    free(block);
}

static unsigned told;
static uint64_t told_limit;

static void count_passing(void *context, uint64_t held, uint64_t limit)
{
    require(context == &told && held > limit);
    told++;
    told_limit = limit;
}

static void change_the_soft_limit(void)
{
    static struct fastalloc_observer observer = {
        .size = sizeof observer, .context = &told, .soft_limit_passed = count_passing};
    require(fastalloc_observe(&observer) == 0);
    fill(0, most, 4096);
    require(told == 0);
    require(is_set("soft_limit", "32M")); // below what is held: told where more is taken
    void *more = malloc(opaque_size(40 * mib));
    require(told == 1 && told_limit == 32 * mib);
    require(is_set("soft_limit", "150M")); // a limit of its own, which is passed anew
    void *again = malloc(opaque_size(40 * mib));
    require(told == 2 && told_limit == 150 * mib);
    require(is_set("soft_limit", "0"));
    void *last = malloc(opaque_size(400 * mib));
    require(told == 2);
    require(fastalloc_observe(NULL) == 0);
    free(more);
    free(again);
    free(last);
    empty(0, most);
}

extern void *__libc_malloc(size_t) __attribute__((weak));

static void hand_foreign_blocks_to_libc(void)
{
    require(is_set("foreign", "libc"));
    if (__libc_malloc)
        free(opaque_block(__libc_malloc(100)));
}

static void take_foreign_blocks_for_misuse(void)
{
    require(is_set("foreign", "abort"));
    if (__libc_malloc)
        free(opaque_block(__libc_malloc(100)));
    else
        abort();
}

static void *volatile lost;

static void ask_for_leaks(void)
{
    require(is_set("leak_check", "exit") && is_set("leak_exit_code", "7"));
    lost = malloc(opaque_size(123456));
    exit(0);
}

static void ask_for_no_leaks(void)
{
    require(is_set("leak_check", "off"));
    lost = malloc(opaque_size(123456));
    exit(0);
}

static void print_at_exit(void)
{
    require(is_set("stats_print", "exit"));
}

static void print_nothing_at_exit(void)
{
    require(is_set("stats_print", "off"));
}

// ---- the tests -----------------------------------------------------------------------------------------------------------

enum
{
    slack,
    slack_share,
    half_life,
    thread,
    fund,
    share,
    hard,
    soft,
    mode_count,
};
static const struct mode modes[mode_count] = {
    [slack] = {"slack", lower_slack, "slack=64M,slack_share=0%,cgroup=off"},
    [slack_share] = {"slack_share", lower_slack_share, "slack=0,slack_share=100%,cgroup=off"},
    [half_life] = {"half_life", shorten_the_half_life, "background_thread=on,demand_half_life=3600s"},
    [thread] = {"thread", run_a_thread_in_the_background, "demand_half_life=20ms"},
    [fund] = {"fund", change_the_lease_fund, "lease_fund=0,lease_share=0%"},
    [share] = {"share", change_the_lease_share, "lease_fund=0,lease_share=0%"},
    [hard] = {"hard", change_the_hard_limit, ""},
    [soft] = {"soft", change_the_soft_limit, ""},
};

static const struct mode modes_that_end_otherwise[] = {
    {"to_libc", hand_foreign_blocks_to_libc, NULL},
    {"misuse", take_foreign_blocks_for_misuse, NULL},
    {"leaks", ask_for_leaks, NULL},
    {"no_leaks", ask_for_no_leaks, NULL},
    {"prints", print_at_exit, NULL},
    {"prints_nothing", print_nothing_at_exit, NULL},
};

static void a_lower_slack_gives_back_at_the_next_frees(void **state)
{
    (void)state;
    assert_mode_succeeds(&modes[slack]);
    assert_mode_succeeds(&modes[slack_share]);
}

static void a_shorter_half_life_wakes_the_thread_in_the_background(void **state)
{
    (void)state;
    assert_mode_succeeds(&modes[half_life]);
}

static void the_thread_in_the_background_comes_and_goes(void **state)
{
    (void)state;
    assert_mode_succeeds(&modes[thread]);
}

static void leases_are_granted_and_called_in(void **state)
{
    (void)state;
    assert_mode_succeeds(&modes[fund]);
    assert_mode_succeeds(&modes[share]);
}

static void a_hard_limit_refuses_from_its_setting_on(void **state)
{
    (void)state;
    assert_mode_succeeds(&modes[hard]);
}

static void a_soft_limit_is_told_of_from_its_setting_on(void **state)
{
    (void)state;
    assert_mode_succeeds(&modes[soft]);
}

static void foreign_blocks_are_libcs_or_misuse(void **state)
{
    (void)state;
    struct finished_program finished;
    run_with(&finished, "to_libc", "foreign=abort");
    assert_succeeded(&finished);
    run_with(&finished, "misuse", "foreign=libc");
    assert_true(WIFSIGNALED(finished.status) && WTERMSIG(finished.status) == SIGABRT);
}

static void leaks_are_reported_if_they_are_asked_for_before_the_end(void **state)
{
    (void)state;
    struct finished_program finished;
    run_with(&finished, "leaks", "");
    assert_true(WIFEXITED(finished.status));
    assert_int_equal(WEXITSTATUS(finished.status), 7);
    assert_non_null(strstr(finished.errors, "1 block of"));
    run_with(&finished, "no_leaks", "leak_check=exit,leak_exit_code=7");
    assert_succeeded(&finished);
    assert_string_equal(finished.errors, "");
}

static void statistics_are_printed_if_they_are_asked_for_before_the_end(void **state)
{
    (void)state;
    static const char headline[] = "where the memory is";
    struct finished_program finished;
    run_with(&finished, "prints", "");
    assert_succeeded(&finished);
    assert_non_null(strstr(finished.errors, headline));
    run_with(&finished, "prints_nothing", "stats_print=exit");
    assert_succeeded(&finished);
    assert_null(strstr(finished.errors, headline));
}

int main(int count, char **arguments)
{
    run_mode(modes, mode_count, count, arguments);
    run_mode(modes_that_end_otherwise, sizeof modes_that_end_otherwise / sizeof *modes_that_end_otherwise, count,
             arguments);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lower_slack_gives_back_at_the_next_frees),
        cmocka_unit_test(a_shorter_half_life_wakes_the_thread_in_the_background),
        cmocka_unit_test(the_thread_in_the_background_comes_and_goes),
        cmocka_unit_test(leases_are_granted_and_called_in),
        cmocka_unit_test(a_hard_limit_refuses_from_its_setting_on),
        cmocka_unit_test(a_soft_limit_is_told_of_from_its_setting_on),
        cmocka_unit_test(foreign_blocks_are_libcs_or_misuse),
        cmocka_unit_test(leaks_are_reported_if_they_are_asked_for_before_the_end),
        cmocka_unit_test(statistics_are_printed_if_they_are_asked_for_before_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
