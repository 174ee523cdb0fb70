// SPDX-License-Identifier: MIT
//
// resize - blocks that grow by realloc; ns_per_op is the time of one realloc
//
// growth=steps: one block grows in steps of 64 KiB to 125 MiB, the way a log or a receive buffer does, and one byte is
// written at its new end each time. What counts is whether the allocator moves the bytes or their pages.
// growth=quarter: a block grows from 16 bytes to 64 KiB by n += n / 4 + 8, the way strings and vectors do, and its
// new part is written. Growth in place, or a cheap move to the next size class, is what counts.
// One repetition in ten, at least one, is warm-up. Malloc of the first and free of the last block are in the time.
#define _GNU_SOURCE
#include "bench.h"

enum
{
    GROWTH,
    LIMIT,
    REPETITIONS,
    OPTIONS
};

enum
{
    STEPS,
    QUARTER
};

static const char *const growths[] = {[STEPS] = "steps", [QUARTER] = "quarter", NULL};

static struct bench_option options[OPTIONS] = {
    [GROWTH] = {"growth", QUARTER, growths},
    [LIMIT] = {"limit", 0, NULL}, // bytes; 0 stands for 125 MiB or 64 KiB
    [REPETITIONS] = {"repetitions", 0, NULL},
};

static const size_t step_bytes = (size_t)64 << 10;

// Both return the number of calls of realloc.
static uint64_t grow_by_steps(size_t limit)
{
    uint64_t calls = 0;
    char *block = bench_allocate(step_bytes);
    block[step_bytes - 1] = 1;
    for (size_t size = 2 * step_bytes; size <= limit; size += step_bytes, ++calls)
    {
        block = bench_resize(block, size);
        block[size - 1] = 1;
    }
    if (block[step_bytes - 1] != 1)
        bench_fail("realloc lost a byte");
    free(block);
    return calls;
}

static uint64_t grow_by_a_quarter(size_t limit)
{
    uint64_t calls = 0;
    size_t size = 16;
    char *block = bench_allocate(size);
    bench_touch(block, size);
    for (size_t next = size + size / 4 + 8; next <= limit; next += next / 4 + 8, ++calls)
    {
        block = bench_resize(block, next);
        bench_touch(block + size, next - size);
        size = next;
    }
    if (block[0] != 0x5a)
        bench_fail("realloc lost a byte");
    free(block);
    return calls;
}

static uint64_t run(uint64_t repetitions, size_t limit)
{
    uint64_t calls = 0;
    for (uint64_t i = 0; i < repetitions; ++i)
        calls += options[GROWTH].value == STEPS ? grow_by_steps(limit) : grow_by_a_quarter(limit);
    return calls;
}

int main(int argc, char **argv)
{
    bench_parse(argc, argv, options, OPTIONS);
    const int in_steps = options[GROWTH].value == STEPS;
    if (options[LIMIT].value == 0)
        options[LIMIT].value = in_steps ? (uint64_t)125 << 20 : (uint64_t)64 << 10;
    if (options[REPETITIONS].value == 0)
        options[REPETITIONS].value = in_steps ? 2 : 80000;
    const size_t limit = options[LIMIT].value;
    const uint64_t repetitions = options[REPETITIONS].value;

    run(repetitions / 10 + 1, limit);
    const struct bench_time start = bench_start();
    const uint64_t calls = run(repetitions, limit);
    bench_report("resize", options, OPTIONS, calls, bench_stop(start));
    return 0;
}
