// SPDX-License-Identifier: MIT
//
// churn - a heap of constant size whose blocks are replaced at random; ns_per_op is one step: one free, one malloc
//
// Each step picks one of `live` slots, frees its block and puts a new one there. With size=0 the sizes are mixed
// (bench_mixed_size) and the first `touch` bytes of each block are written, as a program would; with size=64 touch=0
// the step is nothing but the two calls and their cache misses. The random numbers are part of a step, about 2 ns.
// Filling the slots and replacing as many blocks as there are slots is warm-up.
#define _GNU_SOURCE
#include "bench.h"

enum
{
    LIVE,
    SIZE,
    TOUCH,
    OPERATIONS,
    OPTIONS
};

static struct bench_option options[OPTIONS] = {
    [LIVE] = {"live", 100000, NULL},
    [SIZE] = {"size", 0, NULL},
    [TOUCH] = {"touch", 256, NULL},
    [OPERATIONS] = {"operations", 3000000, NULL},
};

static void replace_mixed(uint64_t steps, void **slots, size_t live, size_t touch, uint64_t *state)
{
    for (uint64_t i = 0; i < steps; ++i)
    {
        const uint64_t random = bench_random(state);
        const size_t slot = bench_pick(random, live);
        const size_t size = bench_mixed_size(random);
        free(slots[slot]);
        slots[slot] = bench_allocate(size);
        bench_touch(slots[slot], bench_smaller(size, touch));
    }
}

static void replace_fixed(uint64_t steps, void **slots, size_t live, size_t size, size_t touch, uint64_t *state)
{
    for (uint64_t i = 0; i < steps; ++i)
    {
        const size_t slot = bench_pick(bench_random(state), live);
        free(slots[slot]);
        slots[slot] = bench_allocate(size);
        if (touch != 0)
            bench_touch(slots[slot], touch);
    }
}

static void replace(uint64_t steps, void **slots, size_t live, uint64_t *state)
{
    const size_t size = options[SIZE].value;
    const size_t touch = options[TOUCH].value;
    if (size == 0)
        replace_mixed(steps, slots, live, touch, state);
    else
        replace_fixed(steps, slots, live, size, bench_smaller(size, touch), state);
}

int main(int argc, char **argv)
{
    bench_parse(argc, argv, options, OPTIONS);
    const size_t live = options[LIVE].value;
    const uint64_t steps = options[OPERATIONS].value;
    void **slots = bench_array(live, sizeof(void *));
    uint64_t state = BENCH_SEED;

    for (size_t i = 0; i < live; ++i)
    {
        const size_t size = options[SIZE].value != 0 ? options[SIZE].value : bench_mixed_size(bench_random(&state));
        slots[i] = bench_allocate(size);
        bench_touch(slots[i], bench_smaller(size, options[TOUCH].value));
    }
    replace(live, slots, live, &state);
    const struct bench_time start = bench_start();
    replace(steps, slots, live, &state);
    bench_report("churn", options, OPTIONS, steps, bench_stop(start));
    return 0;
}
