// SPDX-License-Identifier: MIT
//
// window - a queue of constant length: each step allocates a block and frees the one `live` steps older
//
// ns_per_op is one step: one malloc, one write of `touch` bytes, one free. Filling the window and a tenth of the steps
// are warm-up.
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
    [LIVE] = {"live", 500, NULL},
    [SIZE] = {"size", 8, NULL},
    [TOUCH] = {"touch", 4, NULL},
    [OPERATIONS] = {"operations", 30000000, NULL},
};

static void run(uint64_t steps, void **blocks, size_t live, size_t size, size_t touch)
{
    size_t slot = 0;
    for (uint64_t i = 0; i < steps; ++i)
    {
        void *block = bench_allocate(size);
        if (touch != 0)
            bench_touch(block, touch);
        free(blocks[slot]);
        blocks[slot] = block;
        if (++slot == live)
            slot = 0;
    }
}

int main(int argc, char **argv)
{
    bench_parse(argc, argv, options, OPTIONS);
    const size_t live = options[LIVE].value;
    const size_t size = options[SIZE].value;
    const size_t touch = bench_smaller(options[TOUCH].value, size);
    const uint64_t steps = options[OPERATIONS].value;
    if (live == 0)
        bench_fail("live is at least 1");
    void **blocks = bench_array(live, sizeof(void *));

    // Whole turns, so that the next begins at slot 0.
    run(live * (1 + steps / 10 / live), blocks, live, size, touch);
    const struct bench_time start = bench_start();
    run(steps, blocks, live, size, touch);
    bench_report("window", options, OPTIONS, steps, bench_stop(start));
    return 0;
}
