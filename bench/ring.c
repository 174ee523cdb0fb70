// SPDX-License-Identifier: MIT
//
// ring - threads that walk around rings of slots whose blocks live for a number of visits
//
// FancyAllocator's workload. A step visits the next of `slots` slots: a block whose time is up is freed, another grows
// older by one visit; an empty slot gets a block of 16-256 bytes (60 %), 512-2 048 (30 %) or 4 096-32 768 (10 %), whose
// first 64 bytes are written, to live for `ttl_smallest` to `ttl_largest` visits. `warm` steps come before the time
// and `steps` in it, per thread; in the end all is freed, outside the time.
//
// count=timed: ns_per_op is wall time by the mallocs and frees in it. count=published: as FancyAllocator's table does
// it, the frees after the time count as well. With its steps=250000 slots=100000 no free ever falls into the time: no
// slot is visited more than three times, no block lives for less than 50 visits.
//
// timing=each: every call is timed on its own by the cycle counter and counted in histograms: alloc_growth (the first
// turn of each ring, also when that is warm-up), alloc_steady and free_steady (later turns in the time).
#define _GNU_SOURCE
#include "bench.h"
#include "crew.h"
#include "latency.h"

enum
{
    THREADS,
    SLOTS,
    STEPS,
    WARM,
    TTL_SMALLEST,
    TTL_LARGEST,
    COUNT,
    TIMING,
    OPTIONS
};

enum
{
    TIMED,
    AS_PUBLISHED
};

enum
{
    WHOLE,
    EACH
};

static const char *const counts[] = {[TIMED] = "timed", [AS_PUBLISHED] = "published", NULL};
static const char *const timings[] = {[WHOLE] = "whole", [EACH] = "each", NULL};

static struct bench_option options[OPTIONS] = {
    [THREADS] = {"threads", 1, NULL},           [SLOTS] = {"slots", 1000, NULL},
    [STEPS] = {"steps", 4000000, NULL},         [WARM] = {"warm", 100000, NULL},
    [TTL_SMALLEST] = {"ttl_smallest", 0, NULL}, [TTL_LARGEST] = {"ttl_largest", 2, NULL},
    [COUNT] = {"count", TIMED, counts},         [TIMING] = {"timing", WHOLE, timings},
};

enum
{
    TOUCHED_BYTES = 64
};

struct slot
{
    void *block;
    uint64_t visits_left;
};

// One thread's; nobody else touches it while the crew works.
struct ring
{
    _Alignas(128) uint64_t state;
    struct slot *slots;
    size_t position;
    uint64_t turns;
    uint64_t operations;
    uint64_t left;
    struct latency_histogram *alloc_growth, *alloc_steady, *free_steady; // timing=each
};

static struct ring *rings;

static size_t draw_size(uint64_t random)
{
    static const struct
    {
        size_t base, range;
    } kinds[10] = {{16, 241}, {16, 241},   {16, 241},   {16, 241},   {16, 241},
                   {16, 241}, {512, 1537}, {512, 1537}, {512, 1537}, {4096, 28673}};
    const size_t kind = (random & 0xffff) * 10 >> 16;
    return kinds[kind].base + bench_pick(random, kinds[kind].range);
}

// Two forms of each call, so that the plain one has nothing of the other in it.
static inline void *allocate(struct ring *ring, size_t size, int each)
{
    if (!each)
        return bench_allocate(size);
    const uint64_t begin = latency_now();
    void *block = bench_allocate(size);
    const uint64_t ticks = latency_now() - begin;
    latency_record(ring->turns == 0 ? ring->alloc_growth : ring->alloc_steady, ticks);
    return block;
}

static inline void release(struct ring *ring, void *block, int each)
{
    if (!each)
    {
        free(block);
        return;
    }
    const uint64_t begin = latency_now();
    free(block);
    const uint64_t ticks = latency_now() - begin;
    latency_record(ring->free_steady, ticks);
}

__attribute__((always_inline)) static inline void walk(struct ring *ring, uint64_t steps, int each)
{
    const size_t count = options[SLOTS].value;
    const uint64_t ttl_smallest = options[TTL_SMALLEST].value;
    const uint64_t ttl_range = options[TTL_LARGEST].value - ttl_smallest + 1;
    for (uint64_t i = 0; i < steps; ++i)
    {
        struct slot *slot = &ring->slots[ring->position];
        if (slot->block != NULL && slot->visits_left == 0)
        {
            release(ring, slot->block, each);
            slot->block = NULL;
            ++ring->operations;
        }
        if (slot->block != NULL)
            --slot->visits_left;
        else
        {
            const uint64_t random = bench_random(&ring->state);
            const size_t size = draw_size(random);
            slot->block = allocate(ring, size, each);
            bench_touch(slot->block, bench_smaller(size, TOUCHED_BYTES));
            slot->visits_left = ttl_smallest + ((random >> 16 & 0xffff) * ttl_range >> 16);
            ++ring->operations;
        }
        if (++ring->position == count)
        {
            ring->position = 0;
            ++ring->turns;
        }
    }
}

static void walk_plain(struct ring *ring, uint64_t steps)
{
    walk(ring, steps, 0);
}

static void walk_timing_each(struct ring *ring, uint64_t steps)
{
    walk(ring, steps, 1);
}

static void take_steps(struct ring *ring, uint64_t steps)
{
    if (options[TIMING].value == EACH)
        walk_timing_each(ring, steps);
    else
        walk_plain(ring, steps);
}

static void prepare(size_t member)
{
    struct ring *ring = &rings[member];
    ring->state = BENCH_SEED + member;
    ring->slots = bench_array(options[SLOTS].value, sizeof(struct slot));
    memset(ring->slots, 0, options[SLOTS].value * sizeof(struct slot)); // has its pages, all zero
    if (options[TIMING].value == EACH)
    {
        ring->alloc_growth = bench_array(3, sizeof(struct latency_histogram));
        ring->alloc_steady = ring->alloc_growth + 1;
        ring->free_steady = ring->alloc_growth + 2;
    }
    take_steps(ring, options[WARM].value);
    ring->operations = 0;
    if (options[TIMING].value == EACH)
        memset(ring->alloc_steady, 0, 2 * sizeof(struct latency_histogram)); // and free_steady
}

static void work(size_t member)
{
    take_steps(&rings[member], options[STEPS].value);
}

static void release_rest(size_t member)
{
    struct ring *ring = &rings[member];
    for (size_t i = 0; i < options[SLOTS].value; ++i)
        if (ring->slots[i].block != NULL)
        {
            free(ring->slots[i].block);
            ++ring->left;
        }
}

static void tell_latencies(size_t threads)
{
    struct latency_histogram *sum = bench_array(3, sizeof(struct latency_histogram));
    for (size_t i = 0; i < threads; ++i)
        for (size_t kind = 0; kind < 3; ++kind)
            latency_add(&sum[kind], &rings[i].alloc_growth[kind]);
    const struct latency_scale scale = latency_calibrate();
    latency_tell("alloc_growth", &sum[0], scale);
    latency_tell("alloc_steady", &sum[1], scale);
    latency_tell("free_steady", &sum[2], scale);
}

int main(int argc, char **argv)
{
    bench_parse(argc, argv, options, OPTIONS);
    const size_t threads = options[THREADS].value;
    if (options[TTL_LARGEST].value < options[TTL_SMALLEST].value || options[SLOTS].value == 0)
        bench_fail("ttl_largest is below ttl_smallest, or there is no slot");
    rings = bench_array(threads, sizeof(struct ring));
    const struct crew crew = {prepare, work, release_rest};
    const struct bench_time elapsed = crew_run(&crew, threads);
    uint64_t operations = 0;
    for (size_t i = 0; i < threads; ++i)
        operations += rings[i].operations + (options[COUNT].value == AS_PUBLISHED ? rings[i].left : 0);
    if (options[TIMING].value == EACH)
        tell_latencies(threads);
    bench_report("ring", options, OPTIONS, operations, elapsed);
    return 0;
}
