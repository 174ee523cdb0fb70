// SPDX-License-Identifier: MIT
//
// batch - threads that each allocate 128 blocks and free them, oldest first; ns_per_op is wall time per malloc and free
//
// FancyAllocator's batches. sizes=mixed: of ten blocks six have 64 bytes, three 1 024 and one 8 192; sizes=64: all the
// same. `batches` are per thread, nothing is written, one batch in ten is warm-up.
#define _GNU_SOURCE
#include "bench.h"
#include "crew.h"

enum
{
    THREADS,
    BATCHES,
    SIZES,
    OPTIONS
};

enum
{
    MIXED,
    ALL_64
};

static const char *const kinds[] = {[MIXED] = "mixed", [ALL_64] = "64", NULL};

static struct bench_option options[OPTIONS] = {
    [THREADS] = {"threads", 1, NULL},
    [BATCHES] = {"batches", 50000, NULL},
    [SIZES] = {"sizes", MIXED, kinds},
};

enum
{
    BLOCKS = 128
};

static void run(uint64_t batches)
{
    static const size_t patterns[2][10] = {
        [MIXED] = {64, 64, 64, 64, 64, 64, 1024, 1024, 1024, 8192},
        [ALL_64] = {64, 64, 64, 64, 64, 64, 64, 64, 64, 64},
    };
    const size_t *const pattern = patterns[options[SIZES].value];
    void *blocks[BLOCKS];
    for (uint64_t batch = 0; batch < batches; ++batch)
    {
        for (size_t i = 0; i < BLOCKS; ++i)
            blocks[i] = bench_allocate(pattern[i % 10]);
        for (size_t i = 0; i < BLOCKS; ++i)
            free(blocks[i]);
    }
}

static void prepare(size_t member)
{
    (void)member;
    run(options[BATCHES].value / 10);
}

static void work(size_t member)
{
    (void)member;
    run(options[BATCHES].value);
}

int main(int argc, char **argv)
{
    bench_parse(argc, argv, options, OPTIONS);
    const struct crew crew = {.prepare = prepare, .work = work};
    const struct bench_time elapsed = crew_run(&crew, options[THREADS].value);
    bench_report("batch", options, OPTIONS, options[THREADS].value * options[BATCHES].value * BLOCKS, elapsed);
    return 0;
}
