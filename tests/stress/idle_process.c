// SPDX-License-Identifier: MIT
//
// idle_process.c - a process that has freed most of its memory and then makes no call at all: what it gave back stays
// given back, though the system fills huge pages up again where it may (khugepaged). `idle_process [SEED [SECONDS]]`: so
// long it sleeps.
#include "../support.h"

#include "../children.h"
#include "../parcel.h"

#include "storm.h"

enum
{
    count = 300000
};
static void *blocks[count];

static size_t size_of(int index)
{
    return 16 + 7919ull * (unsigned)index % 1800;
}

// What is left of the peak must stay below 0.35 of it; the pages of blocks in use are 0.20.
static void free_and_sleep(int (*stays)(int index, uint64_t *random))
{
    uint64_t random = seed_of_run;
    for (int index = 0; index < count; index++)
        blocks[index] = memset(malloc(size_of(index)), index, size_of(index));
    const size_t peak = resident_bytes();
    for (int index = 0; index < count; index++)
        if (!stays(index, &random))
        {
            free(blocks[index]);
            blocks[index] = NULL;
        }
    size_t most = 0;
    const double end = seconds_now() + seconds_for_each;
    do
    {
        const size_t now = resident_bytes();
        most = now > most ? now : most;
        sleep_milliseconds(200);
    } while (seconds_now() < end);
    print_message("# %zu MiB of %zu MiB\n", most / mib, peak / mib);
    require(most <= peak / 100 * 35);
    for (int index = 0; index < count; index++)
        require(!blocks[index] || ((unsigned char *)blocks[index])[size_of(index) - 1] == (unsigned char)index);
    require_whole_heap();
}

static int every_twentieth(int index, uint64_t *random)
{
    (void)random;
    return index % 20 == 0;
}

static int one_in_twenty(int index, uint64_t *random)
{
    (void)index;
    return next_random(random) % 20 == 0;
}

static void keep_every_twentieth(void *argument)
{
    (void)argument;
    free_and_sleep(every_twentieth);
}

static void keep_one_in_twenty(void *argument)
{
    (void)argument;
    free_and_sleep(one_in_twenty);
}

static void what_was_given_back_stays_so(void **state)
{
    (void)state;
    const pid_t regular = start_child(keep_every_twentieth, NULL);
    const pid_t random = start_child(keep_one_in_twenty, NULL);
    const unsigned patience = (unsigned)seconds_for_each + 60;
    assert_int_equal(status_of_child(regular, patience), 0);
    assert_int_equal(status_of_child(random, patience), 0);
}

int main(int argument_count, char **arguments)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_given_back_stays_so),
    };
    begin_storm(argument_count, arguments, sizeof tests / sizeof *tests);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
