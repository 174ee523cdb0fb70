// SPDX-License-Identifier: MIT
//
// burst - much memory for a moment, then none and no call; ns_per_op is wall time per block of the burst
//
// A program allocates `burst_mib` MiB in blocks of mixed sizes (bench_mixed_size) and writes all their bytes, frees
// them in the order of allocation but for one in `keep_every` (0: frees all), and sleeps for `idle_ms` without a call.
// One operation is the malloc, the writing and the free of one block; the sleep is not in the time, the reading of
// resident memory at the peak, some microseconds, is. There is no warm-up: that a process grows is what is measured.
//
// full_kib is resident when all blocks are written, after_kib right after the frees, idle_kib after the sleep: what
// the allocator gives back at once and what it gives back in time, the blocks kept (1/`keep_every` of the bytes)
// being live. again=1 bursts once more after the sleep; again_ns_per_op is the wall time per block of that, the price
// of having given back. rss_kib is then that after the second burst, otherwise equal to idle_kib but for the report.
#define _GNU_SOURCE
#include "bench.h"

enum
{
    BURST_MIB,
    KEEP_EVERY,
    IDLE_MS,
    AGAIN,
    OPTIONS
};

static struct bench_option options[OPTIONS] = {
    [BURST_MIB] = {"burst_mib", 256, NULL},
    [KEEP_EVERY] = {"keep_every", 100, NULL},
    [IDLE_MS] = {"idle_ms", 4000, NULL},
    [AGAIN] = {"again", 0, NULL},
};

enum
{
    SMALLEST_BYTES = 8 // of bench_mixed_size
};

static size_t allocate_all(void **blocks, uint64_t *state)
{
    const size_t burst = options[BURST_MIB].value << 20;
    size_t count = 0;
    for (size_t bytes = 0; bytes < burst; ++count)
    {
        const size_t size = bench_mixed_size(bench_random(state));
        blocks[count] = bench_allocate(size);
        bench_touch(blocks[count], size);
        bytes += size;
    }
    return count;
}

static void free_most(void **blocks, size_t count)
{
    const uint64_t keep_every = options[KEEP_EVERY].value;
    size_t until_kept = keep_every;
    for (size_t i = 0; i < count; ++i)
        if (--until_kept == 0)
            until_kept = keep_every;
        else
            free(blocks[i]);
}

static void sleep_for(uint64_t ms)
{
    struct timespec left = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};
    while (nanosleep(&left, &left) != 0)
        continue;
}

int main(int argc, char **argv)
{
    bench_parse(argc, argv, options, OPTIONS);
    void **blocks = bench_array((options[BURST_MIB].value << 20) / SMALLEST_BYTES + 1, sizeof(void *));
    uint64_t state = BENCH_SEED;

    const struct bench_time start = bench_start();
    const size_t count = allocate_all(blocks, &state);
    const uint64_t full_kib = bench_status_kib("VmRSS:");
    free_most(blocks, count);
    const struct bench_time elapsed = bench_stop(start);
    bench_tell("full_kib", (double)full_kib);
    bench_tell("after_kib", (double)bench_status_kib("VmRSS:"));
    sleep_for(options[IDLE_MS].value);
    bench_tell("idle_kib", (double)bench_status_kib("VmRSS:"));
    if (options[AGAIN].value != 0)
    {
        // The contention of the report stays that of the first burst.
        const struct bench_time again = bench_now();
        const size_t again_count = allocate_all(blocks, &state);
        free_most(blocks, again_count);
        bench_tell("again_ns_per_op", (double)bench_since(again).wall_ns / (double)again_count);
    }
    bench_report("burst", options, OPTIONS, count, elapsed);
    return 0;
}
