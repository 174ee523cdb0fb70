// SPDX-License-Identifier: MIT
//
// large - blocks of 256 KiB to 32 MiB, replaced in turn; ns_per_op is one step: one free, one malloc or calloc
//
// Of `window` live blocks each step frees the oldest and allocates another of `smallest` to `largest` bytes, all
// doublings as likely. touch=none writes nothing to it, touch=pages one byte in each 4 096 and the last, as a program
// does that uses its block sparsely; touch=all writes every byte. So touch=pages measures above all whether memory is
// given back and faulted in again, touch=all that beside the writing. call=calloc looks first, in every mode, at 16
// bytes spread over the block from the first to the last, those that touch=pages writes: a byte that is not 0 is an
// error. Filling the window and a tenth as many steps as are timed is warm-up. rss_kib is with the window full.
#define _GNU_SOURCE
#include "bench.h"

enum
{
    CALL,
    SMALLEST,
    LARGEST,
    WINDOW,
    TOUCH,
    OPERATIONS,
    OPTIONS
};

enum
{
    MALLOC,
    CALLOC
};

enum
{
    NONE,
    PAGES,
    ALL
};

static const char *const calls[] = {[MALLOC] = "malloc", [CALLOC] = "calloc", NULL};
static const char *const touches[] = {[NONE] = "none", [PAGES] = "pages", [ALL] = "all", NULL};

static struct bench_option options[OPTIONS] = {
    [CALL] = {"call", MALLOC, calls},        [SMALLEST] = {"smallest", 256 << 10, NULL},
    [LARGEST] = {"largest", 32 << 20, NULL}, [WINDOW] = {"window", 16, NULL},
    [TOUCH] = {"touch", PAGES, touches},     [OPERATIONS] = {"operations", 1000, NULL},
};

enum
{
    PAGE_BYTES = 4096,
    LOOKS = 16,
    FRACTION_BITS = 20
};

// The logarithm to base 2 in fixed point, linear between the powers of two: near enough, and no libm.
static uint64_t logarithm(uint64_t bytes)
{
    const unsigned whole = 63 - (unsigned)__builtin_clzll(bytes);
    return ((uint64_t)whole << FRACTION_BITS) + (((bytes - (UINT64_C(1) << whole)) << FRACTION_BITS) >> whole);
}

static uint64_t power(uint64_t logarithm)
{
    const unsigned whole = (unsigned)(logarithm >> FRACTION_BITS);
    const uint64_t fraction = logarithm & ((1 << FRACTION_BITS) - 1);
    return (UINT64_C(1) << whole) + ((fraction << whole) >> FRACTION_BITS);
}

static size_t pick_size(uint64_t *state)
{
    const uint64_t low = logarithm(options[SMALLEST].value);
    const uint64_t high = logarithm(options[LARGEST].value);
    return power(low + bench_pick(bench_random(state), high - low + 1));
}

// Looks at the first byte of pages, where touch=pages writes, and at the last byte.
static void check_zero(const unsigned char *block, size_t size)
{
    for (size_t i = 0; i < LOOKS; ++i)
    {
        const size_t at = i == LOOKS - 1 ? size - 1 : size / (LOOKS - 1) * i / PAGE_BYTES * PAGE_BYTES;
        if (block[at] != 0)
            bench_fail("byte %zu of calloc's %zu is not 0", at, size);
    }
}

static unsigned char *allocate_one(size_t size)
{
    if (options[CALL].value == MALLOC)
        return bench_allocate(size);
    unsigned char *block = calloc(1, size);
    if (block == NULL)
        bench_fail("calloc(1, %zu) returned NULL", size);
    bench_escape(block);
    check_zero(block, size);
    return block;
}

static void touch(unsigned char *block, size_t size)
{
    if (options[TOUCH].value == ALL)
        memset(block, 0x5a, size);
    else if (options[TOUCH].value == PAGES)
    {
        for (size_t at = 0; at < size; at += PAGE_BYTES)
            block[at] = 0x5a;
        block[size - 1] = 0x5a;
    }
    bench_escape(block);
}

static void replace(uint64_t steps, unsigned char **window, uint64_t *state)
{
    const size_t count = options[WINDOW].value;
    size_t oldest = 0;
    for (uint64_t i = 0; i < steps; ++i)
    {
        const size_t size = pick_size(state);
        free(window[oldest]);
        window[oldest] = allocate_one(size);
        touch(window[oldest], size);
        oldest = oldest + 1 == count ? 0 : oldest + 1;
    }
}

int main(int argc, char **argv)
{
    bench_parse(argc, argv, options, OPTIONS);
    const uint64_t steps = options[OPERATIONS].value;
    const uint64_t smallest = options[SMALLEST].value;
    const uint64_t window_blocks = options[WINDOW].value;
    if (smallest == 0 || options[LARGEST].value < smallest || options[LARGEST].value >> 40 != 0 || window_blocks == 0)
        bench_fail("smallest is at least 1 and at most largest, largest below 1 TiB, window at least 1");
    unsigned char **window = bench_array(window_blocks, sizeof(unsigned char *));
    uint64_t state = BENCH_SEED;

    replace(window_blocks + steps / 10, window, &state);
    const struct bench_time start = bench_start();
    replace(steps, window, &state);
    bench_report("large", options, OPTIONS, steps, bench_stop(start));
    return 0;
}
