// SPDX-License-Identifier: MIT
//
// storm.h - what the stress programs in C share: the seed and the seconds of `PROGRAM [SEED [SECONDS]]`, phases that
// share the seconds, threads that exchange blocks until told to stop, and what must hold when they have stopped.
// Include after support.h, children.h and parcel.h.
#ifndef TESTS_STRESS_STORM_H
#define TESTS_STRESS_STORM_H

#include <sys/random.h>

static uint64_t seed_of_run;
static double seconds_for_each; // phase

// Reads the arguments and writes the seed. `phases` share the seconds.
static inline void begin_storm(int count, char **arguments, size_t phases)
{
    if (count > 1)
        seed_of_run = strtoull(arguments[1], NULL, 0);
    if (seed_of_run == 0 && getrandom(&seed_of_run, 4, 0) != 4)
        seed_of_run = (uint64_t)time(NULL);
    seconds_for_each = (count > 2 ? strtod(arguments[2], NULL) : 10) / (double)phases;
    own_path = arguments[0];
    printf("# seed %ju\n", (uintmax_t)seed_of_run);
    fflush(stdout);
}

static inline double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

// ---- threads that exchange blocks --------------------------------------------------------------------------------

enum
{
    busy_threads_max = 8
};

static struct shelf common = {512, {0}};
static int busy_stop;
static pthread_t busy[busy_threads_max];
static unsigned busy_count;

static inline void *exchange_until_told(void *argument)
{
    uint64_t random = seed_of_run ^ (uint64_t)(uintptr_t)argument << 32;
    while (!__atomic_load_n(&busy_stop, __ATOMIC_RELAXED))
        exchange_parcels(&common, next_random(&random), 20, 13);
    return NULL;
}

static inline void start_busy_threads(unsigned count, void *(*body)(void *))
{
    __atomic_store_n(&busy_stop, 0, __ATOMIC_RELAXED);
    for (busy_count = 0; busy_count < count; busy_count++)
        busy[busy_count] = start_thread(body, (void *)(uintptr_t)(busy_count + 1));
}

static inline void stop_busy_threads(void)
{
    __atomic_store_n(&busy_stop, 1, __ATOMIC_RELAXED);
    for (unsigned index = 0; index < busy_count; index++)
        join_thread(busy[index]);
}

// ---- before and after --------------------------------------------------------------------------------------------

// What must hold when every block is freed: the heap is whole and nothing is lost.
static inline void assert_nothing_is_lost(const struct fastalloc_stats *before)
{
    clear_shelf(&common);
    const struct fastalloc_stats after = stats_now();
    assert_heap_is_whole();
    assert_requirements_met();
    if (growth(before->live_bytes, after.live_bytes) > 256 * kib || after.outside_bytes != before->outside_bytes)
        fail_msg("live: %ju and %ju bytes, now %ju and %ju", (uintmax_t)before->live_bytes,
                 (uintmax_t)before->outside_bytes, (uintmax_t)after.live_bytes, (uintmax_t)after.outside_bytes);
    assert_true(after.live_bytes + after.cached_bytes <= after.open_bytes);
    assert_true(after.attached_threads <= before->attached_threads + 1);
}

#endif // TESTS_STRESS_STORM_H
