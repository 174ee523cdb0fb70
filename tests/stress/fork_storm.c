// SPDX-License-Identifier: MIT
//
// fork_storm.c - forks by two threads while others exchange blocks, start threads that end, trim and ask for figures:
// `fork_storm [SEED [SECONDS [FORKS]]]`. It ends after SECONDS or, if it is given, when there were FORKS, which then
// have to be reached. A child uses its parent's blocks and its own and looks at the heap; some start a thread, some
// fork again, some leave at once. One that hangs is killed and counts as a failure.
#include "../support.h"

#include "../children.h"
#include "../parcel.h"

#include "storm.h"

enum
{
    seconds_for_a_child = 15
};

static unsigned forks_wanted = UINT32_MAX;
static unsigned forks_done;
static double end_of_storm;

// ---- the parent's threads ----------------------------------------------------------------------------------------

static void *exchange_a_few(void *argument)
{
    uint64_t random = (uint64_t)(uintptr_t)argument;
    exchange_parcels(&common, next_random(&random), 60, 13);
    return NULL;
}

// Threads end while others free their blocks.
static void *start_threads_until_told(void *argument)
{
    uint64_t random = seed_of_run ^ (uint64_t)(uintptr_t)argument << 32;
    while (!__atomic_load_n(&busy_stop, __ATOMIC_RELAXED))
    {
        pthread_t threads[2];
        for (int index = 0; index < 2; index++)
            require(pthread_create(&threads[index], NULL, exchange_a_few, (void *)next_random(&random)) == 0);
        for (int index = 0; index < 2; index++)
            pthread_join(threads[index], NULL);
    }
    return NULL;
}

static void *look_on_until_told(void *argument)
{
    (void)argument;
    while (!__atomic_load_n(&busy_stop, __ATOMIC_RELAXED))
    {
        struct fastalloc_stats stats;
        malloc_trim(0);
        require(fastalloc_get_stats(&stats, sizeof stats) == 0);
        require_whole_heap();
        sleep_milliseconds(5);
    }
    return NULL;
}

static void *work_until_told(void *argument)
{
    switch ((uintptr_t)argument)
    {
    case 1:
        return look_on_until_told(argument);
    case 2:
        return start_threads_until_told(argument);
    default:
        return exchange_until_told(argument);
    }
}

// ---- the children ------------------------------------------------------------------------------------------------

static void live_as_child(void *argument)
{
    uint64_t random = *(uint64_t *)argument;
    const unsigned kind = (unsigned)(next_random(&random) % 20);
    if (kind == 0)
        return; // without a call of the allocator
    if (kind < 12)
        clear_shelf(&common); // the parent's blocks, most of them of its other threads
    exchange_parcels(&common, next_random(&random), 60, 13);
    if (kind < 4)
    {
        pthread_t thread;
        require(pthread_create(&thread, NULL, exchange_a_few, (void *)next_random(&random)) == 0);
        exchange_parcels(&common, next_random(&random), 60, 13);
        pthread_join(thread, NULL);
    }
    if (kind > 17)
        require(run_child(live_as_child, &random, seconds_for_a_child / 2) == 0);
    if (kind % 2)
        malloc_trim(0);
    clear_shelf(&common);
    require_whole_heap();
}

static void *fork_until_told(void *argument)
{
    uint64_t random = seed_of_run ^ (uint64_t)(uintptr_t)argument << 40;
    while (seconds_now() < end_of_storm && !requirements_unmet &&
           __atomic_load_n(&forks_done, __ATOMIC_RELAXED) < forks_wanted)
    {
        uint64_t child_seed = next_random(&random);
        const int status = run_child(live_as_child, &child_seed, seconds_for_a_child);
        if (status != 0)
            fprintf(stderr, "# a child ended with wait status 0x%x\n", (unsigned)status);
        require(status == 0);
        __atomic_fetch_add(&forks_done, 1, __ATOMIC_RELAXED);
        exchange_parcels(&common, next_random(&random), 5, 12);
    }
    return NULL;
}

static void children_of_a_busy_process_find_a_whole_heap(void **state)
{
    (void)state;
    const struct fastalloc_stats before = stats_now();
    end_of_storm = seconds_now() + seconds_for_each;
    start_busy_threads(4, work_until_told);
    pthread_t forker = start_thread(fork_until_told, (void *)1);
    fork_until_told((void *)2);
    join_thread(forker);
    stop_busy_threads();
    print_message("# %u forks\n", forks_done);
    assert_true(forks_done > 10);
    if (forks_wanted != UINT32_MAX)
        assert_true(forks_done >= forks_wanted);
    assert_nothing_is_lost(&before);
    assert_true(stats_now().arenas <= 64);
}

int main(int count, char **arguments)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(children_of_a_busy_process_find_a_whole_heap),
    };
    begin_storm(count, arguments, 1);
    if (count > 3)
        forks_wanted = (unsigned)strtoul(arguments[3], NULL, 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
