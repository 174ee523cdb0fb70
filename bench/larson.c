// SPDX-License-Identifier: MIT
//
// larson - the server benchmark of Larson and Krishnan (1998); ns_per_op is wall time per replaced block, all threads
//
// Each of `threads` lines has an array of `slots` blocks of 8 to 1 000 bytes. A thread replaces `replacements` blocks
// picked at random, then starts a successor that inherits the array, and ends: blocks outlive the thread that
// allocated them and are freed by one that did not. The original ran for a fixed time and counted; this one runs a
// fixed number of `generations` and takes the time, so every arm does the same work. One generation is warm-up.
#define _GNU_SOURCE
#include "bench.h"

#include <pthread.h>
#include <semaphore.h>

enum
{
    THREADS,
    SLOTS,
    REPLACEMENTS,
    GENERATIONS,
    OPTIONS
};

static struct bench_option options[OPTIONS] = {
    [THREADS] = {"threads", 2, NULL},
    [SLOTS] = {"slots", 5000, NULL},
    [REPLACEMENTS] = {"replacements", 100000, NULL},
    [GENERATIONS] = {"generations", 40, NULL},
};

enum
{
    SMALLEST_BYTES = 8,
    LARGEST_BYTES = 1000
};

// One line of threads. It belongs to the thread that runs it now; pthread_create hands it on.
struct line
{
    char **slots;
    uint64_t state;
    uint64_t generations_left;
};

static pthread_attr_t detached;
static sem_t finished_lines;

static char *allocate_one(uint64_t random)
{
    const size_t range = LARGEST_BYTES - SMALLEST_BYTES + 1;
    const size_t size = SMALLEST_BYTES + (size_t)(((random & 0xffffff) * range) >> 24);
    char *block = bench_allocate(size);
    block[0] = 'a';
    block[1] = 'b';
    return block;
}

static void start_thread(struct line *line);

static void *run_generation(void *argument)
{
    struct line *line = argument;
    const size_t count = options[SLOTS].value;
    const uint64_t replacements = options[REPLACEMENTS].value;
    uint64_t state = line->state;
    for (uint64_t i = 0; i < replacements; ++i)
    {
        const uint64_t random = bench_random(&state);
        const size_t slot = bench_pick(random, count);
        free(line->slots[slot]);
        line->slots[slot] = allocate_one(random);
    }
    line->state = state;
    if (--line->generations_left != 0)
        start_thread(line);
    else
        sem_post(&finished_lines);
    return NULL;
}

static void start_thread(struct line *line)
{
    pthread_t thread;
    const int error = pthread_create(&thread, &detached, run_generation, line);
    if (error != 0)
        bench_fail("pthread_create: %s", strerror(error));
}

static void run(struct line *lines, uint64_t generations)
{
    const uint64_t threads = options[THREADS].value;
    for (uint64_t t = 0; t < threads; ++t)
    {
        lines[t].generations_left = generations;
        start_thread(&lines[t]);
    }
    for (uint64_t t = 0; t < threads; ++t)
        while (sem_wait(&finished_lines) != 0)
            continue;
}

int main(int argc, char **argv)
{
    bench_parse(argc, argv, options, OPTIONS);
    const uint64_t threads = options[THREADS].value;
    const uint64_t generations = options[GENERATIONS].value;
    struct line *lines = bench_array(threads, sizeof(struct line));
    if (pthread_attr_init(&detached) != 0 || pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED) != 0 ||
        sem_init(&finished_lines, 0, 0) != 0)
        bench_fail("cannot prepare threads");
    for (uint64_t t = 0; t < threads; ++t)
    {
        lines[t].slots = bench_array(options[SLOTS].value, sizeof(char *));
        lines[t].state = BENCH_SEED + t;
        for (size_t i = 0; i < options[SLOTS].value; ++i)
            lines[t].slots[i] = allocate_one(bench_random(&lines[t].state));
    }

    run(lines, 1);
    const struct bench_time start = bench_start();
    run(lines, generations);
    bench_report("larson", options, OPTIONS, threads * generations * options[REPLACEMENTS].value, bench_stop(start));
    return 0;
}
