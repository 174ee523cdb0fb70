// SPDX-License-Identifier: MIT
//
// false_sharing - threads write blocks of their own, again and again; ns_per_op is what one write costs its thread
//
// After Hoard's cache-thrash and cache-scratch (Berger et al. 2000). mode=active: each thread allocates a block of
// `size` bytes, increments its bytes in turn, `writes` times, frees it, and does so again: slow where the allocator
// gives blocks of one cache line to two threads. mode=passive: the main thread first allocates one block for each
// thread, neighbours as a rule; each thread frees the one it was handed and then goes on as before: slow where the
// allocator gives a block freed there back to a thread that does not own the line.
//
// `blocks` is the number that the threads of one processor allocate between them: for each thread as many, where there
// are no more threads than processors. ns_per_op is wall time per write of one processor, the malloc and free of a
// block being 1/`writes` of it. So with any number of threads 1.0x is the figure of threads=1 of the same allocator:
// no sharing. Two threads writing one line take several times as long. Threads are bound to processors in turn.
// A tenth as many blocks as are timed are warm-up, before the blocks handed out are freed: a thread whose very first
// call is a free is a case some allocators treat apart. No block is live at the end.
#define _GNU_SOURCE
#include "bench.h"
#include "crew.h"

enum
{
    MODE,
    THREADS,
    SIZE,
    WRITES,
    BLOCKS,
    OPTIONS
};

enum
{
    ACTIVE,
    PASSIVE
};

static const char *const modes[] = {[ACTIVE] = "active", [PASSIVE] = "passive", NULL};

static struct bench_option options[OPTIONS] = {
    [MODE] = {"mode", ACTIVE, modes},  [THREADS] = {"threads", 2, NULL},    [SIZE] = {"size", 8, NULL},
    [WRITES] = {"writes", 1000, NULL}, [BLOCKS] = {"blocks", 200000, NULL},
};

static void **handed_out; // mode=passive: by thread, what it frees first

// The writes must all happen, in this order, as those of a program that uses its block for long.
static void write_repeatedly(volatile unsigned char *block, size_t size, uint64_t writes)
{
    size_t at = 0;
    for (uint64_t i = 0; i < writes; ++i)
    {
        ++block[at];
        at = at + 1 == size ? 0 : at + 1;
    }
}

static void use_blocks(uint64_t count)
{
    const size_t size = options[SIZE].value;
    const uint64_t writes = options[WRITES].value;
    for (uint64_t i = 0; i < count; ++i)
    {
        unsigned char *block = bench_allocate(size);
        bench_touch(block, size);
        write_repeatedly(block, size, writes);
        free(block);
    }
}

static uint64_t blocks_per_thread; // options[BLOCKS] of each processor, split over its threads

static void prepare(size_t member)
{
    crew_bind(member);
    use_blocks(blocks_per_thread / 10);
}

static void work(size_t member)
{
    if (options[MODE].value == PASSIVE)
        free(handed_out[member]);
    use_blocks(blocks_per_thread);
}

int main(int argc, char **argv)
{
    bench_parse(argc, argv, options, OPTIONS);
    const size_t threads = options[THREADS].value;
    if (threads == 0 || options[SIZE].value == 0 || options[WRITES].value == 0)
        bench_fail("threads, size and writes are at least 1");
    const size_t busy = bench_smaller(threads, crew_processors());
    blocks_per_thread = (options[BLOCKS].value * busy + threads - 1) / threads;
    handed_out = bench_array(threads, sizeof(void *));
    for (size_t i = 0; options[MODE].value == PASSIVE && i < threads; ++i)
    {
        handed_out[i] = bench_allocate(options[SIZE].value);
        bench_touch(handed_out[i], options[SIZE].value);
    }
    const struct bench_time elapsed = crew_run(&(struct crew){.prepare = prepare, .work = work}, threads);
    const uint64_t writes = blocks_per_thread * threads * options[WRITES].value;
    bench_report("false_sharing", options, OPTIONS, writes / busy, elapsed);
    return 0;
}
