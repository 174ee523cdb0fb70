// SPDX-License-Identifier: MIT
//
// pair - malloc and free of one size, each block freed at once; ns_per_op is the time of one pair
//
// The shortest life a block can have: the same block comes back every time, so this is the length of the fast path
// and nothing else. `touch` writes that many bytes of each block (0: none).
#define _GNU_SOURCE
#include "bench.h"

enum
{
    SIZE,
    TOUCH,
    OPERATIONS,
    OPTIONS
};

static struct bench_option options[OPTIONS] = {
    [SIZE] = {"size", 64, NULL},
    [TOUCH] = {"touch", 0, NULL},
    [OPERATIONS] = {"operations", 50000000, NULL},
};

static void allocate_and_release(uint64_t pairs, size_t size, size_t touch)
{
    for (uint64_t i = 0; i < pairs; ++i)
    {
        void *block = bench_allocate(size);
        if (touch != 0)
            bench_touch(block, touch);
        free(block);
    }
}

int main(int argc, char **argv)
{
    bench_parse(argc, argv, options, OPTIONS);
    const size_t size = options[SIZE].value;
    const size_t touch = bench_smaller(options[TOUCH].value, size);
    const uint64_t pairs = options[OPERATIONS].value;

    allocate_and_release(pairs / 10, size, touch);
    const struct bench_time start = bench_start();
    allocate_and_release(pairs, size, touch);
    bench_report("pair", options, OPTIONS, pairs, bench_stop(start));
    return 0;
}
