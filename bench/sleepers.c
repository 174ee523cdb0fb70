// SPDX-License-Identifier: MIT
//
// sleepers - one busy thread beside many that sleep; ns_per_op is one malloc and one free of the busy thread
//
// Each of `sleepers` threads allocates and writes `burst` bytes of small blocks; when all have, each frees its own and
// sleeps. What their caches then keep is lost memory, or memory the busy thread can use: see rss_kib, and quiet_kib,
// the resident memory before the busy thread began. The busy thread replaces blocks at random among `live` slots and
// between times allocates and frees a bulk. An allocator may pay for small idle caches with a slower busy
// thread; only both figures together tell. sleepers=0 is the same busy thread alone.
#define _GNU_SOURCE
#include "bench.h"

#include <pthread.h>
#include <semaphore.h>

enum
{
    SLEEPERS,
    BURST,
    LIVE,
    ROUNDS,
    OPTIONS
};

static struct bench_option options[OPTIONS] = {
    [SLEEPERS] = {"sleepers", 64, NULL},
    [BURST] = {"burst", 1 << 20, NULL},
    [LIVE] = {"live", 10000, NULL},
    [ROUNDS] = {"rounds", 1000, NULL},
};

enum
{
    STEPS_PER_ROUND = 10000,
    BULK_BLOCKS = 2000,
    SMALLEST_BYTES = 8
};

static pthread_barrier_t all_have_allocated; // the sleepers only
static sem_t asleep;                         // posted by each sleeper when its blocks are freed
static sem_t wake;                           // posted once per sleeper, at the end

static void wait_for(sem_t *semaphore)
{
    while (sem_wait(semaphore) != 0)
        continue;
}

static void *burst_and_sleep(void *number)
{
    const size_t burst = options[BURST].value;
    const size_t room = burst / SMALLEST_BYTES + 1;
    void **blocks = bench_array(room, sizeof(void *));
    uint64_t state = BENCH_SEED + (uintptr_t)number;
    size_t count = 0;
    for (size_t bytes = 0; bytes < burst; ++count)
    {
        const size_t size = bench_small_size(bench_random(&state));
        blocks[count] = bench_allocate(size);
        bench_touch(blocks[count], size);
        bytes += size;
    }
    pthread_barrier_wait(&all_have_allocated);
    for (size_t i = 0; i < count; ++i)
        free(blocks[i]);
    munmap(blocks, room * sizeof(void *));
    sem_post(&asleep);
    wait_for(&wake);
    return NULL;
}

static void be_busy(uint64_t rounds, void **slots, size_t live, uint64_t *state)
{
    void *bulk[BULK_BLOCKS];
    for (uint64_t round = 0; round < rounds; ++round)
    {
        for (size_t i = 0; i < STEPS_PER_ROUND; ++i)
        {
            const uint64_t random = bench_random(state);
            const size_t slot = bench_pick(random, live);
            free(slots[slot]);
            slots[slot] = bench_allocate(bench_small_size(random));
        }
        for (size_t i = 0; i < BULK_BLOCKS; ++i)
            bulk[i] = bench_allocate(bench_small_size(bench_random(state)));
        for (size_t i = 0; i < BULK_BLOCKS; ++i)
            free(bulk[i]);
    }
}

int main(int argc, char **argv)
{
    bench_parse(argc, argv, options, OPTIONS);
    const size_t sleepers = options[SLEEPERS].value;
    const size_t live = options[LIVE].value;
    const uint64_t rounds = options[ROUNDS].value;
    pthread_t *threads = bench_array(sleepers + 1, sizeof(pthread_t));
    void **slots = bench_array(live, sizeof(void *));
    if (sem_init(&asleep, 0, 0) != 0 || sem_init(&wake, 0, 0) != 0 ||
        (sleepers != 0 && pthread_barrier_init(&all_have_allocated, NULL, (unsigned)sleepers) != 0))
        bench_fail("cannot prepare threads");
    for (size_t t = 0; t < sleepers; ++t)
    {
        const int error = pthread_create(&threads[t], NULL, burst_and_sleep, (void *)(uintptr_t)t);
        if (error != 0)
            bench_fail("pthread_create: %s", strerror(error));
    }
    for (size_t t = 0; t < sleepers; ++t)
        wait_for(&asleep);
    bench_tell("quiet_kib", (double)bench_status_kib("VmRSS:"));

    uint64_t state = BENCH_SEED + sleepers;
    for (size_t i = 0; i < live; ++i)
        slots[i] = bench_allocate(bench_small_size(bench_random(&state)));
    be_busy(rounds / 10 + 1, slots, live, &state);
    const struct bench_time start = bench_start();
    be_busy(rounds, slots, live, &state);
    const struct bench_time elapsed = bench_stop(start);
    bench_report("sleepers", options, OPTIONS, rounds * (STEPS_PER_ROUND + BULK_BLOCKS), elapsed);

    for (size_t t = 0; t < sleepers; ++t)
        sem_post(&wake);
    for (size_t t = 0; t < sleepers; ++t)
        pthread_join(threads[t], NULL);
    return 0;
}
