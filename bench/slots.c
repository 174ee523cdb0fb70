// SPDX-License-Identifier: MIT
//
// slots - threads that each keep about 128 blocks of random sizes; ns_per_op is wall time per malloc or free of any
//
// jdz_allocator's workload. Each thread has 256 slots of which `used` are filled. A round frees a random block with
// probability used/255 and allocates one with probability 1 - used/255, both taken before the round, so that half are
// filled most of the time. Sizes are uniform from `smallest` to `largest`. `rounds` are per thread and each thread has
// a seed of its own. The first `touch` bytes are written (0: none). One round in ten is warm-up; freeing what is left
// in the end is not in the time. Random numbers are, the same in all arms.
#define _GNU_SOURCE
#include "bench.h"
#include "crew.h"

enum
{
    THREADS,
    ROUNDS,
    SMALLEST,
    LARGEST,
    TOUCH,
    OPTIONS
};

static struct bench_option options[OPTIONS] = {
    [THREADS] = {"threads", 1, NULL},     [ROUNDS] = {"rounds", 10000000, NULL}, [SMALLEST] = {"smallest", 1, NULL},
    [LARGEST] = {"largest", 80000, NULL}, [TOUCH] = {"touch", 0, NULL},
};

enum
{
    SLOTS = 256
};

// One thread's; nobody else touches it while the crew works.
struct place
{
    _Alignas(128) uint64_t state;
    uint64_t operations;
    size_t used;
    void *blocks[SLOTS];
};

static struct place *places;

static void play(struct place *place, uint64_t rounds)
{
    const size_t smallest = options[SMALLEST].value;
    const size_t range = options[LARGEST].value - smallest + 1;
    const size_t touch = options[TOUCH].value;
    for (uint64_t round = 0; round < rounds; ++round)
    {
        const size_t before = place->used;
        const uint64_t random = bench_random(&place->state);
        const uint64_t chance = bench_random(&place->state);
        if (before > 0 && (chance & 0xffff) * (SLOTS - 1) <= before << 16)
        {
            const size_t slot = bench_pick(chance, before);
            free(place->blocks[slot]);
            place->blocks[slot] = place->blocks[--place->used];
            ++place->operations;
        }
        if (place->used < SLOTS && ((random & 0xffff) * (SLOTS - 1)) <= (SLOTS - 1 - before) << 16)
        {
            const size_t size = smallest + bench_pick(random, range);
            void *block = bench_allocate(size);
            if (touch != 0)
                bench_touch(block, bench_smaller(size, touch));
            place->blocks[place->used++] = block;
            ++place->operations;
        }
    }
}

static void prepare(size_t member)
{
    struct place *place = &places[member];
    place->state = BENCH_SEED + member;
    play(place, options[ROUNDS].value / 10);
    place->operations = 0;
}

static void work(size_t member)
{
    play(&places[member], options[ROUNDS].value);
}

static void release_rest(size_t member)
{
    struct place *place = &places[member];
    while (place->used > 0)
        free(place->blocks[--place->used]);
}

int main(int argc, char **argv)
{
    bench_parse(argc, argv, options, OPTIONS);
    const size_t threads = options[THREADS].value;
    if (options[SMALLEST].value > options[LARGEST].value)
        bench_fail("smallest is above largest");
    places = bench_array(threads, sizeof(struct place));
    const struct crew crew = {prepare, work, release_rest};
    const struct bench_time elapsed = crew_run(&crew, threads);
    uint64_t operations = 0;
    for (size_t i = 0; i < threads; ++i)
        operations += places[i].operations;
    bench_report("slots", options, OPTIONS, operations, elapsed);
    return 0;
}
