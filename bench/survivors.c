// SPDX-License-Identifier: MIT
//
// survivors - one block in twenty stays, and the process sleeps; ns_per_op is wall time per block
//
// 300 000 blocks of 16 + (7919 i mod 1800) bytes, all written, then all freed but those of which i is a multiple of 20,
// or with random=1 but one in twenty at random; then a sleep of `idle_ms` without a call. full_kib is resident when all
// are written; idle_kib the most that is resident during the sleep, looked at every 100 ms: the pages that the survivors
// lie on are 0.20 of full_kib in the first form.
#define _GNU_SOURCE
#include "bench.h"

enum
{
    BLOCKS,
    RANDOM,
    IDLE_MS,
    OPTIONS
};

static struct bench_option options[OPTIONS] = {
    [BLOCKS] = {"blocks", 300000, NULL},
    [RANDOM] = {"random", 0, NULL},
    [IDLE_MS] = {"idle_ms", 40000, NULL},
};

enum
{
    ONE_STAYS_IN = 20,
    LOOK_MS = 100
};

static size_t size_of(size_t number)
{
    return 16 + 7919 * number % 1800;
}

int main(int argc, char **argv)
{
    bench_parse(argc, argv, options, OPTIONS);
    const size_t count = options[BLOCKS].value;
    void **blocks = bench_array(count, sizeof(void *));
    uint64_t state = BENCH_SEED;
    const struct bench_time start = bench_start();
    for (size_t i = 0; i < count; ++i)
    {
        blocks[i] = bench_allocate(size_of(i));
        bench_touch(blocks[i], size_of(i));
    }
    const uint64_t full_kib = bench_status_kib("VmRSS:");
    for (size_t i = 0; i < count; ++i)
        if (options[RANDOM].value != 0 ? bench_pick(bench_random(&state), ONE_STAYS_IN) != 0 : i % ONE_STAYS_IN != 0)
            free(blocks[i]);
    const struct bench_time elapsed = bench_stop(start);
    uint64_t idle_kib = bench_status_kib("VmRSS:");
    for (uint64_t waited = 0; waited < options[IDLE_MS].value; waited += LOOK_MS)
    {
        const struct timespec pause = {0, LOOK_MS * 1000000L};
        nanosleep(&pause, NULL);
        const uint64_t now_kib = bench_status_kib("VmRSS:");
        idle_kib = now_kib > idle_kib ? now_kib : idle_kib;
    }
    bench_tell("full_kib", (double)full_kib);
    bench_tell("idle_kib", (double)idle_kib);
    bench_tell("idle_share", (double)idle_kib / (double)full_kib);
    bench_report("survivors", options, OPTIONS, count, elapsed);
    return 0;
}
