// SPDX-License-Identifier: MIT
//
// thread_churn.c - ten thousand threads that come and go leave no trace: neither arenas, nor entries in the allocator's
// tables, nor resident memory grow with the number of threads there ever were.
#include "../support.h"

#include "../parcel.h"

static struct shelf shelf = {.count = 256};

// Allocates, frees most itself, and leaves some of its blocks for threads to come.
static void *live_briefly(void *argument)
{
    uint64_t random = (uint64_t)(uintptr_t)argument;
    struct parcel *own[12];
    for (int index = 0; index < 12; index++)
        own[index] = make_parcel(random_size(&random, 13), random);
    for (int index = 0; index < 12; index++)
        open_parcel(index < 3 ? exchange_parcel(&shelf, next_random(&random), own[index]) : own[index]);
    return NULL;
}

static void run_threads(uintptr_t count, int crowd)
{
    for (uintptr_t started = 0; started < count;)
    {
        pthread_t threads[32];
        for (int index = 0; index < crowd; index++)
            threads[index] = start_thread(live_briefly, (void *)++started);
        for (int index = 0; index < crowd; index++)
            join_thread(threads[index]);
    }
}

static void assert_flat(uintptr_t count, int crowd)
{
    run_threads(800, crowd);
    clear_shelf(&shelf);
    size_t resident = resident_bytes();
    struct fastalloc_stats before = stats_now();
    run_threads(count, crowd);
    clear_shelf(&shelf);
    struct fastalloc_stats after = stats_now();
    assert_requirements_met();
    // Of a crowd more may meet than in the rounds before.
    assert_true(after.arenas <= before.arenas + (uint64_t)crowd);
    assert_true(after.attached_threads <= before.attached_threads + 1);
    assert_true(growth(before.metadata_bytes, after.metadata_bytes) <= 2 * mib);
    // Bins that wait for the next thread keep spans open, of which a page or two is resident.
    assert_true(growth(before.open_bytes, after.open_bytes) <= 8 * mib);
    assert_true(growth(resident, resident_bytes()) <= 4 * mib);
    assert_heap_is_whole();
}

static void ten_thousand_threads_one_by_one_leave_no_trace(void **state)
{
    (void)state;
    assert_flat(10000, 1);
}

static void ten_thousand_threads_in_crowds_leave_no_trace(void **state)
{
    (void)state;
    assert_flat(10000, 16);
}

static void arenas_are_as_many_as_threads_were_at_once(void **state)
{
    (void)state;
    assert_true(stats_now().arenas <= 40);
    assert_true(stats_now().attached_threads <= 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_thousand_threads_one_by_one_leave_no_trace),
        cmocka_unit_test(ten_thousand_threads_in_crowds_leave_no_trace),
        cmocka_unit_test(arenas_are_as_many_as_threads_were_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
