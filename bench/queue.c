// SPDX-License-Identifier: MIT
//
// queue - producers allocate, consumers free, through one queue; ns_per_op is wall time per block passed, all threads
//
// Half of the `threads` produce, the others consume; threads=1 does both in turns. `operations` is the number of
// blocks in all, split over the producers in batches of 16. One operation is one malloc, the writing of the block (256
// bytes at most), its way through the queue, a look at the first 8 bytes and the last one written, one free. They must
// be those of the random number that the queue carries too, so that two owners are noticed. Sizes are small and mixed
// (bench_small_size) or all `size` bytes. A tenth as many blocks, passed by the same threads before, is warm-up.
// Threads are bound to processors in turn: unbound, two may keep to one. At the end no block is live and the threads
// are gone: rss_kib is what is kept then. The queue is Vyukov's bounded ring; a cell holds
// a batch, lest the queue cost more than the allocator.
#define _GNU_SOURCE
#include "bench.h"
#include "crew.h"

#include <stdalign.h>
#include <stdatomic.h>

enum
{
    THREADS,
    SIZE,
    OPERATIONS,
    OPTIONS
};

static struct bench_option options[OPTIONS] = {
    [THREADS] = {"threads", 2, NULL}, [SIZE] = {"size", 0, NULL}, [OPERATIONS] = {"operations", 4000000, NULL}};

enum
{
    RING_CELLS = 256,
    BATCH = 16, // blocks in a cell
    TOUCH_BYTES = 256,
    SPINS = 64
};

// `sequence` is the position whose producer may write, or that plus 1 once its consumer may read. Each release store
// pairs with the acquire load of whoever is next: the consumer, then the producer one round later.
struct cell
{
    alignas(128) _Atomic uint64_t sequence;
    struct parcel
    {
        unsigned char *block;
        uint64_t mark;
    } parcels[BATCH];
};

// Next positions, of producers and of consumers. Each pairs with itself alone: `sequence` orders all else.
static alignas(128) _Atomic uint64_t head;
static alignas(128) _Atomic uint64_t tail;
static alignas(128) struct cell cells[RING_CELLS];
static uint64_t producers, warm_up_batches, timed_batches; // the batches are those of each producer

// Takes the next position of `side`, waiting until its cell's sequence is the position plus `offset`. Returns NULL
// when all positions below `limit` are taken.
static struct cell *take_cell(_Atomic uint64_t *side, uint64_t offset, uint64_t limit, uint64_t *position)
{
    unsigned turns = 0;
    for (*position = atomic_load(side); *position < limit; *position = atomic_load(side))
    {
        struct cell *cell = &cells[*position % RING_CELLS];
        const uint64_t sequence = atomic_load_explicit(&cell->sequence, memory_order_acquire);
        if (sequence == *position + offset && atomic_compare_exchange_weak(side, position, *position + 1))
            return cell;
        if (sequence < *position + offset && ++turns > SPINS)
            sched_yield();
    }
    return NULL;
}

static size_t size_of(uint64_t mark)
{
    return options[SIZE].value != 0 ? options[SIZE].value : bench_small_size(mark);
}

static void produce_batch(uint64_t *state)
{
    struct parcel parcels[BATCH];
    for (struct parcel *it = parcels; it < parcels + BATCH; ++it)
    {
        const uint64_t mark = bench_random(state);
        *it = (struct parcel){bench_allocate(size_of(mark)), mark};
        memset(it->block, (unsigned char)mark, bench_smaller(size_of(mark), TOUCH_BYTES));
        memcpy(it->block, &mark, sizeof mark);
    }
    uint64_t position;
    struct cell *cell = take_cell(&head, 0, UINT64_MAX, &position);
    memcpy(cell->parcels, parcels, sizeof parcels);
    atomic_store_explicit(&cell->sequence, position + 1, memory_order_release);
}

// Consumes, beside all other consumers, until `limit` batches have been taken since the program began.
static void consume(uint64_t limit)
{
    struct parcel parcels[BATCH];
    uint64_t position;
    for (struct cell *cell; (cell = take_cell(&tail, 1, limit, &position)) != NULL;)
    {
        memcpy(parcels, cell->parcels, sizeof parcels);
        atomic_store_explicit(&cell->sequence, position + RING_CELLS, memory_order_release);
        for (const struct parcel *it = parcels; it < parcels + BATCH; ++it)
        {
            const size_t last = bench_smaller(size_of(it->mark), TOUCH_BYTES) - 1;
            if (memcmp(it->block, &it->mark, sizeof it->mark) != 0 ||
                (last >= sizeof it->mark && it->block[last] != (unsigned char)it->mark))
                bench_fail("a block does not hold its mark %" PRIx64, it->mark);
            free(it->block);
        }
    }
}

// The share of `member` in passing `batches` of each producer, after `before` of each.
static void pass(size_t member, uint64_t before, uint64_t batches)
{
    uint64_t state = BENCH_SEED + before + member;
    for (uint64_t done = 1; member < producers && done <= batches; ++done)
    {
        produce_batch(&state);
        if (options[THREADS].value == 1)
            consume(before + done);
    }
    if (member >= producers)
        consume(producers * (before + batches));
}

static void bind_and_warm_up(size_t member)
{
    crew_bind(member);
    pass(member, 0, warm_up_batches);
}

static void work(size_t member)
{
    pass(member, warm_up_batches, timed_batches);
}

int main(int argc, char **argv)
{
    bench_parse(argc, argv, options, OPTIONS);
    const uint64_t threads = options[THREADS].value;
    if (threads == 0 || (options[SIZE].value != 0 && options[SIZE].value < sizeof(uint64_t)))
        bench_fail("threads is at least 1, size 0 or at least 8");
    producers = threads == 1 ? 1 : threads / 2;
    timed_batches = options[OPERATIONS].value / (producers * BATCH) + 1;
    warm_up_batches = timed_batches / 10 + 1;
    for (uint64_t i = 0; i < RING_CELLS; ++i)
        atomic_init(&cells[i].sequence, i);
    const struct bench_time elapsed = crew_run(&(struct crew){.prepare = bind_and_warm_up, .work = work}, threads);
    bench_report("queue", options, OPTIONS, producers * timed_batches * BATCH, elapsed);
    return 0;
}
