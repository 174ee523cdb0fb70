// SPDX-License-Identifier: MIT
//
// cm - blocks by the hundred thousand, allocated and freed in plain orders; ns_per_op is one malloc and one free
//
// The workloads that cmalloc published. Each of `iterations` allocates `items` blocks, then frees them:
//
//     free_after      one size, oldest first                immediate   one size, each block freed at once
//     scatter         size, 2 size, 4 size in turn          sparse      16, 24, ... up to 1 016, then 0, 8, 16, ...
//     sparse_reverse  the same sizes, newest first          random      uniform below `size`, and each block's first
//                                                                       and last bytes are checked when it is freed
//
// Nothing is written into the blocks (but see random) unless `touch` says how many bytes. There is no warm-up, as
// published: the first iteration is in the time. test=published runs the whole list in one process in the
// published order, each test on the heap that those before it left, and reports a line for each.
#define _GNU_SOURCE
#include "bench.h"

enum
{
    TEST,
    SIZE,
    ITEMS,
    ITERATIONS,
    TOUCH,
    OPTIONS
};

enum test
{
    FREE_AFTER,
    IMMEDIATE,
    REVERSE, // free_after with sizes that fall, in the published order
    SCATTER,
    SPARSE,
    SPARSE_REVERSE,
    RANDOM,
    PUBLISHED
};

static const char *const tests[] = {
    [FREE_AFTER] = "free_after", [IMMEDIATE] = "immediate", [REVERSE] = "reverse",
    [SCATTER] = "scatter",       [SPARSE] = "sparse",       [SPARSE_REVERSE] = "sparse_reverse",
    [RANDOM] = "random",         [PUBLISHED] = "published", NULL};

static struct bench_option options[OPTIONS] = {
    [TEST] = {"test", FREE_AFTER, tests},    [SIZE] = {"size", 64, NULL},  [ITEMS] = {"items", 800000, NULL},
    [ITERATIONS] = {"iterations", 10, NULL}, [TOUCH] = {"touch", 0, NULL},
};

static uint64_t counter = 8; // of sparse: goes on from one iteration to the next
static uint64_t random_state = BENCH_SEED;

static inline void *allocate(size_t size, size_t touch)
{
    void *block = bench_allocate(size);
    if (touch != 0)
        bench_touch(block, bench_smaller(size, touch));
    return block;
}

static void release_all(void **blocks, size_t items)
{
    for (size_t i = 0; i < items; ++i)
        free(blocks[i]);
}

static void one_size(void **blocks, size_t items, size_t size, size_t touch)
{
    for (size_t i = 0; i < items; ++i)
        blocks[i] = allocate(size, touch);
    release_all(blocks, items);
}

static void immediate(void **blocks, size_t items, size_t size, size_t touch)
{
    for (size_t i = 0; i < items; ++i)
    {
        blocks[i] = allocate(size, touch);
        free(blocks[i]);
    }
}

static void scatter(void **blocks, size_t items, size_t size, size_t touch)
{
    for (size_t i = 0; i < items; i += 3)
    {
        blocks[i] = allocate(size, touch);
        blocks[i + 1] = allocate(2 * size, touch);
        blocks[i + 2] = allocate(4 * size, touch);
    }
    release_all(blocks, items);
}

static void sparse(void **blocks, size_t items, size_t touch)
{
    for (size_t i = 0; i < items; ++i)
    {
        counter += 8;
        blocks[i] = allocate(counter % 1024, touch);
    }
}

static void sparse_fifo(void **blocks, size_t items, size_t touch)
{
    sparse(blocks, items, touch);
    release_all(blocks, items);
}

static void sparse_reverse(void **blocks, size_t items, size_t touch)
{
    sparse(blocks, items, touch);
    for (size_t i = items; i > 0; --i)
        free(blocks[i - 1]);
}

// Two blocks that overlap write over each other's marks.
static void random_checked(void **blocks, size_t items, size_t below)
{
    static size_t *sizes;
    if (sizes == NULL)
        sizes = bench_array(items, sizeof(size_t));
    for (size_t i = 0; i < items; ++i)
    {
        sizes[i] = bench_pick(bench_random(&random_state), below);
        char *block = blocks[i] = bench_allocate(sizes[i]);
        if (sizes[i] != 0)
            block[0] = block[sizes[i] - 1] = (char)i;
    }
    for (size_t i = 0; i < items; ++i)
    {
        const char *block = blocks[i];
        if (sizes[i] != 0 && (block[0] != (char)i || block[sizes[i] - 1] != (char)i))
            bench_fail("a block of %zu bytes lost what was written into it", sizes[i]);
        free(blocks[i]);
    }
}

static void run_test(enum test test, size_t size)
{
    const size_t items = test == SCATTER ? options[ITEMS].value / 3 * 3 : options[ITEMS].value;
    const size_t touch = options[TOUCH].value;
    const uint64_t iterations = options[ITERATIONS].value;
    void **blocks = bench_array(items, sizeof(void *));
    options[TEST].value = test;
    options[SIZE].value = size;
    const struct bench_time start = bench_start();
    for (uint64_t i = 0; i < iterations; ++i)
        switch (test)
        {
        case IMMEDIATE:
            immediate(blocks, items, size, touch);
            break;
        case SCATTER:
            scatter(blocks, items, size, touch);
            break;
        case SPARSE:
            sparse_fifo(blocks, items, touch);
            break;
        case SPARSE_REVERSE:
            sparse_reverse(blocks, items, touch);
            break;
        case RANDOM:
            random_checked(blocks, items, size);
            break;
        default:
            one_size(blocks, items, size, touch);
        }
    bench_report("cm", options, OPTIONS, iterations * items, bench_stop(start));
    munmap(blocks, items * sizeof(void *));
}

static void run_published(void)
{
    for (size_t size = 1; size <= 8192; size *= 2)
        run_test(FREE_AFTER, size);
    for (size_t size = 1; size <= 8192; size *= 2)
        run_test(IMMEDIATE, size);
    for (size_t size = 8192; size >= 1; size /= 2)
        run_test(REVERSE, size);
    for (size_t size = 1; size <= 512; size *= 2)
        run_test(SCATTER, size);
    run_test(SPARSE, 0);
    run_test(SPARSE_REVERSE, 0);
}

int main(int argc, char **argv)
{
    bench_parse(argc, argv, options, OPTIONS);
    if (options[TEST].value == PUBLISHED)
        run_published();
    else
        run_test((enum test)options[TEST].value, options[SIZE].value);
    return 0;
}
