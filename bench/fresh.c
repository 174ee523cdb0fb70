// SPDX-License-Identifier: MIT
//
// fresh - memory touched for the first time; ns_per_op is wall time per KiB of it
//
// Allocates `mib` MiB in blocks of `size` bytes, each written as soon as it is there, once and without a warm-up: what is
// measured is the first touch of memory that the system gives. Nothing is freed. raw_ratio is that time by the time the
// same writes take in a mapping that asks for huge pages itself: what no allocator can be much below. The process does
// both in turn, a 16th at a time, so that both meet the same memory of the machine.
#define _GNU_SOURCE
#include "bench.h"

enum
{
    SIZE,
    MIB,
    OPTIONS
};

static struct bench_option options[OPTIONS] = {
    [SIZE] = {"size", 256, NULL},
    [MIB] = {"mib", 1024, NULL},
};

enum
{
    HUGE_PAGE = 2 << 20,
    PARTS = 16
};

static void fill_raw(char *bytes, size_t size, size_t count)
{
    for (size_t i = 0; i < count; ++i)
        bench_touch(bytes + i * size, size);
}

static void fill_blocks(size_t size, size_t count)
{
    for (size_t i = 0; i < count; ++i)
        bench_touch(bench_allocate(size), size);
}

int main(int argc, char **argv)
{
    bench_parse(argc, argv, options, OPTIONS);
    const size_t size = options[SIZE].value;
    const size_t part = (options[MIB].value << 20) / PARTS;
    const size_t count = part / size;
    char *const mapped =
        mmap(NULL, part * PARTS + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *const raw = (char *)(((uintptr_t)mapped + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE);
    madvise(raw, part * PARTS, MADV_HUGEPAGE);
    struct bench_time filled = {0, 0};
    uint64_t raw_ns = 0;
    const struct bench_time whole = bench_start();
    for (size_t i = 0; i < PARTS; ++i)
    {
        struct bench_time start = bench_now();
        fill_raw(raw + i * part, size, count);
        raw_ns += bench_since(start).wall_ns;
        start = bench_now();
        fill_blocks(size, count);
        const struct bench_time passed = bench_since(start);
        filled.wall_ns += passed.wall_ns;
        filled.cpu_ns += passed.cpu_ns;
    }
    bench_stop(whole);
    bench_tell("raw_ratio", (double)filled.wall_ns / (double)raw_ns);
    bench_report("fresh", options, OPTIONS, PARTS * part >> 10, filled);
    return 0;
}
