// SPDX-License-Identifier: MIT
//
// thread_churn - many short threads; ns_per_op is the time of one thread from creation to join
//
// `together` threads run at a time. Each allocates `blocks` small blocks of mixed sizes, frees the blocks that the
// thread before it in its place left behind, frees most of its own and leaves one in eight for the next thread. What
// an allocator does when a thread begins and ends, and where the blocks of a dead thread go, is what is measured;
// creating a thread costs 10 us and more by itself. A tenth of the threads is warm-up. Memory must not grow with
// `threads`: see rss_kib.
#define _GNU_SOURCE
#include "bench.h"

#include <pthread.h>

enum
{
    THREADS,
    TOGETHER,
    BLOCKS,
    OPTIONS
};

static struct bench_option options[OPTIONS] = {
    [THREADS] = {"threads", 4000, NULL},
    [TOGETHER] = {"together", 2, NULL},
    [BLOCKS] = {"blocks", 100, NULL},
};

enum
{
    LARGEST_BLOCKS = 1000,
    LEFT_EVERY = 8
};

// What one thread hands to the next in its place. Used by one thread at a time: create and join order them.
struct place
{
    uint64_t state;
    size_t left_blocks;
    void *left[LARGEST_BLOCKS];
};

static void *live_briefly(void *argument)
{
    struct place *place = argument;
    const size_t count = options[BLOCKS].value;
    void *blocks[LARGEST_BLOCKS];
    for (size_t i = 0; i < count; ++i)
    {
        const size_t size = bench_small_size(bench_random(&place->state));
        blocks[i] = bench_allocate(size);
        bench_touch(blocks[i], size);
    }
    for (size_t i = 0; i < place->left_blocks; ++i)
        free(place->left[i]);
    place->left_blocks = 0;
    for (size_t i = 0; i < count; ++i)
        if (i % LEFT_EVERY == 0)
            place->left[place->left_blocks++] = blocks[i];
        else
            free(blocks[i]);
    return NULL;
}

static void run(uint64_t rounds, struct place *places, pthread_t *threads, size_t together)
{
    for (uint64_t round = 0; round < rounds; ++round)
    {
        for (size_t t = 0; t < together; ++t)
        {
            const int error = pthread_create(&threads[t], NULL, live_briefly, &places[t]);
            if (error != 0)
                bench_fail("pthread_create: %s", strerror(error));
        }
        for (size_t t = 0; t < together; ++t)
            pthread_join(threads[t], NULL);
    }
}

int main(int argc, char **argv)
{
    bench_parse(argc, argv, options, OPTIONS);
    const size_t together = options[TOGETHER].value;
    if (options[BLOCKS].value > LARGEST_BLOCKS || together == 0)
        bench_fail("blocks is at most %d, together at least 1", LARGEST_BLOCKS);
    const uint64_t rounds = options[THREADS].value / together;
    struct place *places = bench_array(together, sizeof(struct place));
    pthread_t *threads = bench_array(together, sizeof(pthread_t));
    for (size_t t = 0; t < together; ++t)
        places[t].state = BENCH_SEED + t;

    run(rounds / 10 + 1, places, threads, together);
    const struct bench_time start = bench_start();
    run(rounds, places, threads, together);
    bench_report("thread_churn", options, OPTIONS, rounds * together, bench_stop(start));
    return 0;
}
