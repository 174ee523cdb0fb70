// SPDX-License-Identifier: MIT
//
// refused_calls.c - the kernel says no to the n-th system call of a run, or to all from the n-th on, for every n that
// there is time for: `refused_calls [SEED [SECONDS]]`; the seed orders the n. Whatever fails, an allocation succeeds or
// is NULL with ENOMEM, blocks keep what was written, nothing is lost, and when calls succeed again so does everything.
//
// The run is refused_work.h, in this program started anew with the argument "one of every kind" and the like.
#include <sys/resource.h>

#include "../support.h"

#include "../children.h"
#include "../filter.h"
#include "../parcel.h"
#include "../tracer.h"

#include "refused_work.h"
#include "storm.h"

// Counting begins before the constructors of all libraries, for the library places its window in its own.
static void begin_counting(int count, char **arguments)
{
    if (count > 1 && strstr(arguments[1], " of "))
        mark(mark_begin);
}

__attribute__((section(".preinit_array"), used)) static void (*const begin_at_start)(int, char **) = begin_counting;

static void limit_addresses(void)
{
    struct rlimit limits = {4 * gib, 4 * gib};
    setrlimit(RLIMIT_AS, &limits);
}

// Runs with refusals that begin at each call, in an order that the seed gives, and last for one call or for all.
static void assert_survives(const char *mode, void (*prepare)(void))
{
    const int for_all = strstr(mode, "all") != NULL;
    struct refusals refusals = {0, 0, 0, 0};
    const int unharmed = trace(mode, &refusals, prepare, 60);
    if (unharmed == -1 || (WIFEXITED(unharmed) && WEXITSTATUS(unharmed) == 126))
    {
        print_message("# not tried: this system does not let a program be traced\n");
        return;
    }
    assert_int_equal(unharmed, 0);
    const unsigned calls = refusals.seen;
    assert_true(calls > 20);
    uint64_t random = seed_of_run;
    const double end = seconds_now() + seconds_for_each;
    unsigned tried = 0;
    // Steps of a stride without a common divisor with a prime above the number of calls come by every one.
    unsigned prime = calls + 1;
    for (unsigned divisor = 2; divisor * divisor <= prime; divisor++)
        if (prime % divisor == 0)
        {
            prime++;
            divisor = 1;
        }
    const unsigned stride = 1 + (unsigned)(next_random(&random) % (prime - 1));
    unsigned place = (unsigned)(next_random(&random) % prime);
    for (unsigned step = 0; step < prime && seconds_now() < end; step++)
    {
        place = (place + stride) % prime;
        if (place == 0 || place > calls)
            continue;
        refusals.first = place;
        refusals.last = for_all ? UINT32_MAX : place;
        const int status = trace(mode, &refusals, prepare, 60);
        tried++;
        if (status != 0)
            fail_msg("%s: %s refused as call %u%s: wait status 0x%x; seed %ju", mode,
                     name_of_call(refusals.refused_call), place, for_all ? " and all after it" : "", (unsigned)status,
                     (uintmax_t)seed_of_run);
    }
    print_message("# %u of %u calls refused\n", tried, calls);
}

static void any_one_call_may_fail(void **state)
{
    (void)state;
    assert_survives("one of every kind", NULL);
}

static void all_calls_may_fail_from_any_on(void **state)
{
    (void)state;
    assert_survives("all of every kind", NULL);
}

static void any_one_call_may_fail_where_addresses_are_limited(void **state)
{
    (void)state;
    assert_survives("one of every kind", limit_addresses);
}

static void all_calls_may_fail_where_addresses_are_limited(void **state)
{
    (void)state;
    assert_survives("all of every kind", limit_addresses);
}

static void any_one_call_may_fail_among_many_mappings(void **state)
{
    (void)state;
    assert_survives("one of many", NULL);
}

static void all_calls_may_fail_among_many_mappings(void **state)
{
    (void)state;
    assert_survives("all of many", NULL);
}

int main(int count, char **arguments)
{
    own_path = arguments[0];
    if (count > 1 && strstr(arguments[1], " of "))
        return work(arguments[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_one_call_may_fail),
        cmocka_unit_test(all_calls_may_fail_from_any_on),
        cmocka_unit_test(any_one_call_may_fail_where_addresses_are_limited),
        cmocka_unit_test(all_calls_may_fail_where_addresses_are_limited),
        cmocka_unit_test(any_one_call_may_fail_among_many_mappings),
        cmocka_unit_test(all_calls_may_fail_among_many_mappings),
    };
    begin_storm(count, arguments, sizeof tests / sizeof *tests);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
