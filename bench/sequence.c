// SPDX-License-Identifier: MIT
//
// sequence - a great many blocks allocated, then written, then freed; ns_per_op is the time per block of all three
//
// `blocks` in all, of `smallest` to `largest` bytes, uniform. One thread goes through three phases, each told on its
// own: allocate_ns, write_ns (the first `touch` bytes of each block; 0: no such phase), free_ns (oldest first).
// keep=array holds the blocks by an array of pointers outside the allocator, which counts as resident memory;
// keep=chain has none: each block holds the address of the next.
//
// With `threads` above 1 a first wave of threads allocates, each its part, and ends. A second wave of as many new
// threads writes; end=leave frees nothing, end=free has each thread free what it has written, blocks of a thread that
// is gone: both together are write_free_ns.
// ranges=overlapping is what gmalloc published: thread t of each wave works on the slots from t on, not from t times
// its share on, so that most blocks are lost and never written.
//
// There is no warm-up: the first touch of memory is what is measured, and creating threads is not in the time.
#define _GNU_SOURCE
#include "bench.h"
#include "crew.h"

#include <stdatomic.h>

enum
{
    BLOCKS,
    SMALLEST,
    LARGEST,
    TOUCH,
    THREADS,
    KEEP,
    END,
    RANGES,
    OPTIONS
};

enum
{
    ARRAY,
    CHAIN
};

enum
{
    LEAVE,
    FREE
};

enum
{
    APART,
    OVERLAPPING
};

static const char *const keeps[] = {[ARRAY] = "array", [CHAIN] = "chain", NULL};
static const char *const ends[] = {[LEAVE] = "leave", [FREE] = "free", NULL};
static const char *const all_ranges[] = {[APART] = "apart", [OVERLAPPING] = "overlapping", NULL};

static struct bench_option options[OPTIONS] = {
    [BLOCKS] = {"blocks", 10000000, NULL}, [SMALLEST] = {"smallest", 8, NULL},       [LARGEST] = {"largest", 8, NULL},
    [TOUCH] = {"touch", 8, NULL},          [THREADS] = {"threads", 1, NULL},         [KEEP] = {"keep", ARRAY, keeps},
    [END] = {"end", FREE, ends},           [RANGES] = {"ranges", APART, all_ranges},
};

// Atomic, for threads with overlapping ranges write the same slots. Relaxed: a join is between the two waves.
static void *_Atomic *slots;
static void *_Atomic chain;

static size_t size_of_next(uint64_t *state)
{
    const size_t smallest = options[SMALLEST].value;
    const size_t largest = options[LARGEST].value;
    return smallest == largest ? smallest : smallest + bench_pick(bench_random(state), largest - smallest + 1);
}

static size_t share(void)
{
    return options[BLOCKS].value / options[THREADS].value;
}

static size_t first_slot(size_t member)
{
    return options[RANGES].value == APART ? member * share() : member;
}

static void allocate(size_t member)
{
    uint64_t state = BENCH_SEED + member;
    void *_Atomic *const first = slots + first_slot(member);
    for (size_t i = 0; i < share(); ++i)
        atomic_store_explicit(&first[i], bench_allocate(size_of_next(&state)), memory_order_relaxed);
}

static void write_blocks(size_t member)
{
    void *_Atomic *const first = slots + first_slot(member);
    const size_t touch = bench_smaller(options[TOUCH].value, options[SMALLEST].value);
    for (size_t i = 0; i < share(); ++i)
        bench_touch(atomic_load_explicit(&first[i], memory_order_relaxed), touch);
}

static void release(size_t member)
{
    void *_Atomic *const first = slots + first_slot(member);
    for (size_t i = 0; i < share(); ++i)
        free(atomic_load_explicit(&first[i], memory_order_relaxed));
}

static void write_and_release(size_t member)
{
    write_blocks(member);
    release(member);
}

static void allocate_chain(size_t member)
{
    (void)member;
    uint64_t state = BENCH_SEED;
    void *last = NULL;
    for (size_t i = 0; i < share(); ++i)
    {
        void **block = bench_allocate(size_of_next(&state));
        *block = last;
        last = block;
    }
    chain = last;
}

static void release_chain(size_t member)
{
    (void)member;
    for (void **block = chain, **next; block != NULL; block = next)
    {
        next = *block;
        free(block);
    }
}

static struct bench_time time_alone(void (*work)(size_t))
{
    const struct bench_time start = bench_start();
    work(0);
    return bench_stop(start);
}

// By the main thread, or by a new crew where there are threads.
static void add_phase(void (*work)(size_t), const char *name, struct bench_time *sum)
{
    const struct crew crew = {.work = work};
    const size_t threads = options[THREADS].value;
    const struct bench_time elapsed = threads == 1 ? time_alone(work) : crew_run(&crew, threads);
    bench_tell(name, (double)elapsed.wall_ns / (double)options[BLOCKS].value);
    sum->wall_ns += elapsed.wall_ns;
    sum->cpu_ns += elapsed.cpu_ns;
}

static void run_chain(struct bench_time *sum)
{
    add_phase(allocate_chain, "allocate_ns", sum);
    if (options[END].value == FREE)
        add_phase(release_chain, "free_ns", sum);
}

static void run_array(struct bench_time *sum)
{
    const int is_freed = options[END].value == FREE;
    slots = bench_array(options[BLOCKS].value + options[THREADS].value, sizeof(void *));
    add_phase(allocate, "allocate_ns", sum);
    if (is_freed && options[THREADS].value > 1)
    {
        add_phase(write_and_release, "write_free_ns", sum);
        return;
    }
    if (options[TOUCH].value != 0)
        add_phase(write_blocks, "write_ns", sum);
    if (is_freed)
        add_phase(release, "free_ns", sum);
}

int main(int argc, char **argv)
{
    bench_parse(argc, argv, options, OPTIONS);
    const int is_chain = options[KEEP].value == CHAIN;
    if (is_chain && (options[THREADS].value != 1 || options[SMALLEST].value < sizeof(void *)))
        bench_fail("a chain is for one thread and blocks of 8 bytes and more");
    if (options[RANGES].value == OVERLAPPING && options[END].value == FREE)
        bench_fail("blocks in overlapping ranges cannot be freed: nobody knows whose they are");
    struct bench_time sum = {0, 0};
    if (is_chain)
        run_chain(&sum);
    else
        run_array(&sum);
    bench_report("sequence", options, OPTIONS, options[BLOCKS].value, sum);
    return 0;
}
