// SPDX-License-Identifier: MIT
//
// processes - forked processes that fill, check and free blocks; ns_per_op is the time per block, all processes
//
// libfam's test of a heap shared by processes, as far as malloc goes: each process has its own heap after the fork.
// The parent allocates and fills `blocks` blocks of 2 to 1 025 bytes and one of 2 MiB, then forks `children`. Each
// child checks and frees what the parent allocated, and then does the same again with blocks of its own, `rounds`
// times. Every byte is written and checked. Timed from the first fork to the end of the last child; the copies of
// pages that writing after a fork costs are in it.
#define _GNU_SOURCE
#include "bench.h"

#include <sys/resource.h>
#include <sys/wait.h>

enum
{
    CHILDREN,
    BLOCKS,
    ROUNDS,
    OPTIONS
};

static struct bench_option options[OPTIONS] = {
    [CHILDREN] = {"children", 4, NULL},
    [BLOCKS] = {"blocks", 4096, NULL},
    [ROUNDS] = {"rounds", 20, NULL},
};

enum
{
    SMALLEST_BYTES = 2,
    RANGE_BYTES = 1024,
    LARGE_BYTES = 2 << 20
};

struct filled
{
    unsigned char *bytes;
    size_t size;
};

static void fill(struct filled *block, size_t size, unsigned char with)
{
    block->bytes = bench_allocate(size);
    block->size = size;
    memset(block->bytes, with, size);
}

static void check_and_free(struct filled *block, unsigned char with)
{
    // Its first byte is right and each is as the one before it.
    if (block->bytes[0] != with || memcmp(block->bytes, block->bytes + 1, block->size - 1) != 0)
        bench_fail("a block of %zu bytes does not hold %d throughout", block->size, with);
    free(block->bytes);
}

static void fill_all(struct filled *blocks, size_t count, uint64_t *state)
{
    for (size_t i = 0; i < count; ++i)
        fill(&blocks[i], SMALLEST_BYTES + bench_pick(bench_random(state), RANGE_BYTES), (unsigned char)i);
    fill(&blocks[count], LARGE_BYTES, 0x5a);
}

static void check_and_free_all(struct filled *blocks, size_t count)
{
    for (size_t i = 0; i < count; ++i)
        check_and_free(&blocks[i], (unsigned char)i);
    check_and_free(&blocks[count], 0x5a);
}

static void be_child(struct filled *blocks, size_t count, uint64_t state)
{
    check_and_free_all(blocks, count);
    for (uint64_t round = 0; round < options[ROUNDS].value; ++round)
    {
        fill_all(blocks, count, &state);
        check_and_free_all(blocks, count);
    }
    _exit(0);
}

int main(int argc, char **argv)
{
    bench_parse(argc, argv, options, OPTIONS);
    const size_t children = options[CHILDREN].value;
    const size_t count = options[BLOCKS].value;
    struct filled *blocks = bench_array(count + 1, sizeof(struct filled));
    uint64_t state = BENCH_SEED;
    fill_all(blocks, count, &state);

    const struct bench_time start = bench_start();
    for (size_t child = 0; child < children; ++child)
    {
        const pid_t pid = fork();
        if (pid < 0)
            bench_fail("fork: %s", strerror(errno));
        if (pid == 0)
            be_child(blocks, count, BENCH_SEED + child + 1);
    }
    for (size_t child = 0; child < children; ++child)
    {
        int status;
        if (wait(&status) < 0 || status != 0)
            bench_fail("a child ended with status %d", status);
    }
    struct bench_time elapsed = bench_stop(start);
    struct rusage usage;
    getrusage(RUSAGE_CHILDREN, &usage);
    elapsed.cpu_ns += bench_timeval_ns(usage.ru_utime) + bench_timeval_ns(usage.ru_stime);
    bench_report("processes", options, OPTIONS, children * (count + 1) * (options[ROUNDS].value + 1), elapsed);
    return 0;
}
