// SPDX-License-Identifier: MIT
//
// fragment - sizes drift while a few blocks of each size stay; ns_per_op is wall time per block allocated and freed
//
// Each phase has a range of sizes, from N to 2N bytes, all as likely: N doubles from phase to phase from 16 bytes to
// 16 KiB and halves again. A phase allocates blocks and writes all their bytes until `live_mib` MiB are live, counting
// what older phases left. Then it frees its blocks in random order, but one in `survive_every` (0: none) stays and
// pins the memory around it until the frees of the 8th phase after. The live bytes at the peak of every phase being
// the same, what more is resident is memory the allocator could not use again.
//
// The first phase's allocations are warm-up and the last phase keeps its blocks; timed are the frees and allocations
// in between, with the reading of resident memory at each peak, microseconds a phase. overhead is resident per live
// byte at the peaks of the last quarter of the phases, averaged, most_overhead that of the worst peak, both without
// the program's own memory. rss_kib is that of the last peak.
#define _GNU_SOURCE
#include "bench.h"

enum
{
    LIVE_MIB,
    PHASES,
    SURVIVE_EVERY,
    OPTIONS
};

static struct bench_option options[OPTIONS] = {
    [LIVE_MIB] = {"live_mib", 64, NULL},
    [PHASES] = {"phases", 20, NULL},
    [SURVIVE_EVERY] = {"survive_every", 20, NULL},
};

enum
{
    SMALLEST_BYTES = 16,
    DOUBLINGS = 10, // from the smallest N to the largest
    STAY_PHASES = 8
};

// Blocks of one phase. Each begins with its size, so that the program needs little memory of its own.
struct generation
{
    uint64_t **blocks;
    size_t count;
    size_t bytes;
};

static struct generation young;             // of the phase that runs
static struct generation olds[STAY_PHASES]; // survivors, by phase modulo STAY_PHASES
static uint64_t state = BENCH_SEED;

// All of it is resident from the start: see own_kib.
static uint64_t **resident_array(size_t room)
{
    return memset(bench_array(room, sizeof(uint64_t *)), 0xff, room * sizeof(uint64_t *));
}

static void add(struct generation *generation, uint64_t *block)
{
    generation->blocks[generation->count++] = block;
    generation->bytes += *block;
}

static size_t live_bytes(void)
{
    size_t sum = young.bytes;
    for (size_t i = 0; i < STAY_PHASES; ++i)
        sum += olds[i].bytes;
    return sum;
}

// Returns the number of blocks allocated.
static uint64_t allocate_young(uint64_t phase)
{
    const uint64_t step = phase % (2 * DOUBLINGS);
    const size_t range = (size_t)SMALLEST_BYTES << (step <= DOUBLINGS ? step : 2 * DOUBLINGS - step);
    const size_t live = options[LIVE_MIB].value << 20;
    for (const size_t older = live_bytes(); older + young.bytes < live;)
    {
        const size_t size = range + bench_pick(bench_random(&state), range);
        uint64_t *block = bench_allocate(size);
        bench_touch(block, size);
        *block = size;
        add(&young, block);
    }
    return young.count;
}

// Ends a phase: its survivors take the place of those of 8 phases before.
static void free_young(uint64_t phase)
{
    struct generation *old = &olds[phase % STAY_PHASES];
    const uint64_t survive_every = options[SURVIVE_EVERY].value;
    for (size_t i = 0; i < old->count; ++i)
        free(old->blocks[i]);
    old->count = old->bytes = 0;
    for (size_t left = young.count; left != 0; --left)
    {
        const size_t pick = bench_pick(bench_random(&state), left);
        uint64_t *block = young.blocks[pick];
        young.blocks[pick] = young.blocks[left - 1];
        if (survive_every != 0 && left % survive_every == 0)
            add(old, block);
        else
            free(block);
    }
    young.count = young.bytes = 0;
}

// Runs all phases but the first and tells of their peaks. Returns the number of blocks allocated.
static uint64_t run(uint64_t phases, uint64_t own_kib)
{
    const uint64_t last_quarter = phases - (phases + 3) / 4;
    uint64_t allocated = 0;
    double most = 0, sum = 0;
    for (uint64_t phase = 1; phase < phases; ++phase)
    {
        free_young(phase - 1);
        allocated += allocate_young(phase);
        const double overhead = (double)(bench_status_kib("VmRSS:") - own_kib) * 1024 / (double)live_bytes();
        most = overhead > most ? overhead : most;
        sum += phase >= last_quarter ? overhead : 0;
    }
    bench_tell("end_live_mib", (double)live_bytes() / (1 << 20));
    bench_tell("overhead", sum / (double)(phases - last_quarter));
    bench_tell("most_overhead", most);
    return allocated;
}

int main(int argc, char **argv)
{
    bench_parse(argc, argv, options, OPTIONS);
    const uint64_t survive_every = options[SURVIVE_EVERY].value;
    const size_t young_room = (options[LIVE_MIB].value << 20) / SMALLEST_BYTES + 1;
    const size_t old_room = survive_every == 0 ? 1 : young_room / survive_every + 1;
    if (options[LIVE_MIB].value == 0 || options[PHASES].value < 2)
        bench_fail("live_mib is at least 1, phases at least 2");
    young.blocks = resident_array(young_room);
    for (size_t i = 0; i < STAY_PHASES; ++i)
        olds[i].blocks = resident_array(old_room);
    const uint64_t own_kib = bench_status_kib("VmRSS:");
    allocate_young(0);
    const struct bench_time start = bench_start();
    const uint64_t allocated = run(options[PHASES].value, own_kib);
    const struct bench_time elapsed = bench_stop(start);
    munmap(young.blocks, young_room * sizeof(uint64_t *));
    for (size_t i = 0; i < STAY_PHASES; ++i)
        munmap(olds[i].blocks, old_room * sizeof(uint64_t *));
    bench_report("fragment", options, OPTIONS, allocated, elapsed);
    return 0;
}
