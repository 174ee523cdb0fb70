// SPDX-License-Identifier: MIT
//
// bulk - allocate many blocks of one size, then free them all, again and again; ns_per_op is one malloc and one free
//
// A program that builds a structure and drops it. order=fifo frees the oldest block first, order=lifo the newest.
// What is kept in a thread's cache is soon used up, so this measures how blocks travel between the cache and what is
// behind it. `touch` writes that many bytes of each block (0: none). A tenth as many rounds before are warm-up;
// start=cold leaves them out, so that with rounds=1 it is the process's first use of malloc that is timed.
#define _GNU_SOURCE
#include "bench.h"

enum
{
    SIZE,
    BLOCKS,
    ORDER,
    TOUCH,
    ROUNDS,
    START,
    OPTIONS
};

enum
{
    FIFO,
    LIFO
};

enum
{
    WARM,
    COLD
};

static const char *const starts[] = {[WARM] = "warm", [COLD] = "cold", NULL};
static const char *const orders[] = {[FIFO] = "fifo", [LIFO] = "lifo", NULL};

static struct bench_option options[OPTIONS] = {
    [SIZE] = {"size", 64, NULL},  [BLOCKS] = {"blocks", 10000, NULL}, [ORDER] = {"order", FIFO, orders},
    [TOUCH] = {"touch", 0, NULL}, [ROUNDS] = {"rounds", 3000, NULL},  [START] = {"start", WARM, starts},
};

static void run(uint64_t rounds, void **blocks, size_t count, size_t size, size_t touch)
{
    const uint64_t order = options[ORDER].value;
    for (uint64_t round = 0; round < rounds; ++round)
    {
        for (size_t i = 0; i < count; ++i)
        {
            blocks[i] = bench_allocate(size);
            if (touch != 0)
                bench_touch(blocks[i], touch);
        }
        if (order == FIFO)
            for (size_t i = 0; i < count; ++i)
                free(blocks[i]);
        else
            for (size_t i = count; i > 0; --i)
                free(blocks[i - 1]);
    }
}

static struct bench_time run_warm(uint64_t rounds, void **blocks, size_t count, size_t size, size_t touch)
{
    run(rounds / 10 + 1, blocks, count, size, touch);
    const struct bench_time start = bench_start();
    run(rounds, blocks, count, size, touch);
    return bench_stop(start);
}

// Not bench_start: to ask an allocator what it tells may be its first use already.
static struct bench_time run_cold(uint64_t rounds, void **blocks, size_t count, size_t size, size_t touch)
{
    memset(blocks, 0, count * sizeof(void *)); // its pages are not the allocator's
    const struct bench_time start = bench_now();
    run(rounds, blocks, count, size, touch);
    return bench_since(start);
}

int main(int argc, char **argv)
{
    bench_parse(argc, argv, options, OPTIONS);
    const size_t size = options[SIZE].value;
    const size_t count = options[BLOCKS].value;
    const size_t touch = bench_smaller(options[TOUCH].value, size);
    const uint64_t rounds = options[ROUNDS].value;
    void **blocks = bench_array(count, sizeof(void *));

    const struct bench_time elapsed = options[START].value == WARM ? run_warm(rounds, blocks, count, size, touch)
                                                                   : run_cold(rounds, blocks, count, size, touch);
    bench_report("bulk", options, OPTIONS, rounds * count, elapsed);
    return 0;
}
