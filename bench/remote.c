// SPDX-License-Identifier: MIT
//
// remote - one thread allocates, another frees; ns_per_op is the time per block that passes from one to the other
//
// The blocks go through a ring of 4 096 pointers with one writer and one reader. `head` is written by the producer
// only, `tail` by the consumer only, each on cache lines of its own together with its writer's last look at the
// other, and moved on by 16 blocks at a time, so that the ring costs little and the allocator much. Each block carries
// its number, which the consumer checks: two owners of one block would be noticed. The first tenth of the blocks is
// warm-up. The threads are bound to the first two processors they may use: on one they would take turns and share a
// cache, which is another workload. A full or empty ring is waited for by spinning, then by yielding, so the program
// also ends where there is one processor.
#define _GNU_SOURCE
#include "bench.h"
#include "crew.h"

#include <stdalign.h>
#include <stdatomic.h>

enum
{
    SIZE,
    OPERATIONS,
    OPTIONS
};

static struct bench_option options[OPTIONS] = {
    [SIZE] = {"size", 64, NULL},
    [OPERATIONS] = {"operations", 4000000, NULL},
};

enum
{
    RING_SLOTS = 4096,
    BATCH = 16,       // blocks by which head and tail move on
    LINE_BYTES = 128, // two lines: processors fetch them in pairs
    SPINS = 256
};

static struct
{
    alignas(LINE_BYTES) _Atomic uint64_t head; // blocks made visible; release pairs with the consumer's acquire
    uint64_t put;                              // producer only: blocks put in
    uint64_t seen_tail;                        // producer only
    alignas(LINE_BYTES) _Atomic uint64_t tail; // blocks freed, as told; release pairs with the producer's acquire
    uint64_t seen_head;                        // consumer only
    alignas(LINE_BYTES) uint64_t *slots[RING_SLOTS];
} ring;

// The consumer inherits the producer's processors, so it must have chosen before the producer is bound.
static _Atomic int consumer_is_bound;

// One turn of waiting for the other thread; `turns` counts them.
static void wait_a_turn(unsigned *turns)
{
    if (++*turns % SPINS == 0)
        sched_yield();
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void show_all(void)
{
    atomic_store_explicit(&ring.head, ring.put, memory_order_release);
}

static void put(uint64_t *block)
{
    unsigned turns = 0;
    while (ring.put - ring.seen_tail == RING_SLOTS)
    {
        ring.seen_tail = atomic_load_explicit(&ring.tail, memory_order_acquire);
        if (ring.put - ring.seen_tail == RING_SLOTS)
            wait_a_turn(&turns);
    }
    ring.slots[ring.put % RING_SLOTS] = block;
    if (++ring.put % BATCH == 0)
        show_all();
}

static void produce(uint64_t first, uint64_t count, size_t size)
{
    for (uint64_t number = first; number < first + count; ++number)
    {
        uint64_t *block = bench_allocate(size);
        *block = number;
        put(block);
    }
    show_all();
    unsigned turns = 0;
    while (atomic_load_explicit(&ring.tail, memory_order_acquire) != first + count)
        wait_a_turn(&turns);
}

// Frees until it takes out NULL.
static void *consume(void *unused)
{
    (void)unused;
    crew_bind(1);
    atomic_store_explicit(&consumer_is_bound, 1, memory_order_release);
    for (uint64_t tail = 0;; ++tail)
    {
        // Told only after the frees, so that the producer's last look also waits for the last free.
        if (tail % BATCH == 0 || tail == ring.seen_head)
            atomic_store_explicit(&ring.tail, tail, memory_order_release);
        unsigned turns = 0;
        while (tail == ring.seen_head)
        {
            ring.seen_head = atomic_load_explicit(&ring.head, memory_order_acquire);
            if (tail == ring.seen_head)
                wait_a_turn(&turns);
        }
        uint64_t *block = ring.slots[tail % RING_SLOTS];
        if (block == NULL)
            return NULL;
        if (*block != tail)
            bench_fail("block %" PRIu64 " holds %" PRIu64, tail, *block);
        free(block);
    }
}

int main(int argc, char **argv)
{
    bench_parse(argc, argv, options, OPTIONS);
    const size_t size = options[SIZE].value;
    const uint64_t blocks = options[OPERATIONS].value;
    const uint64_t warm_up = blocks / 10;
    if (size < sizeof(uint64_t))
        bench_fail("a block must hold its number: size is at least 8");

    pthread_t consumer;
    if (pthread_create(&consumer, NULL, consume, NULL) != 0)
        bench_fail("pthread_create failed");
    while (!atomic_load_explicit(&consumer_is_bound, memory_order_acquire))
        sched_yield();
    crew_bind(0);
    produce(0, warm_up, size);
    const struct bench_time start = bench_start();
    produce(warm_up, blocks, size);
    const struct bench_time elapsed = bench_stop(start);
    put(NULL);
    show_all();
    pthread_join(consumer, NULL);
    bench_report("remote", options, OPTIONS, blocks, elapsed);
    return 0;
}
