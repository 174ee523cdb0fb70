// SPDX-License-Identifier: MIT
//
// remote_frees.c - blocks freed by a thread that did not allocate them: they stay whole on the way, at every size, and
// their memory is not lost.
#include <sched.h>
#include <stdatomic.h>

#include "../support.h"

#include "../parcel.h"

enum
{
    batch = 512
};

static struct
{
    size_t size;
    size_t count;
    struct parcel *parcels[batch];
    pthread_barrier_t made;
    pthread_barrier_t freed;
} handed;

static const size_t most_sizes[] = {16,     24,     32,     48,     64,      96,      128,     160,     256,   320,
                                    512,    1000,   1024,   1500,   2048,    3000,    4096,    6000,    8192,  8193,
                                    10240,  12000,  16384,  20000,  32768,   40000,   65536,   65537,   98304, 131072,
                                    200000, 262144, 262145, 400000, 1048576, 2097152, 3000000, 34000000};
enum
{
    size_count = sizeof most_sizes / sizeof *most_sizes
};

static size_t count_for(size_t size)
{
    size_t count = 16 * mib / size + 2;
    return count < batch ? count : batch;
}

static void *allocate_all_sizes(void *argument)
{
    (void)argument;
    for (size_t round = 0; round < 3 * size_count; round++)
    {
        handed.size = most_sizes[round % size_count];
        handed.count = count_for(handed.size);
        for (size_t index = 0; index < handed.count; index++)
        {
            handed.parcels[index] = make_parcel(handed.size, round * batch + index);
            require(handed.parcels[index] != NULL);
        }
        pthread_barrier_wait(&handed.made);
        pthread_barrier_wait(&handed.freed);
    }
    return NULL;
}

static void *free_all_sizes(void *argument)
{
    (void)argument;
    for (size_t round = 0; round < 3 * size_count; round++)
    {
        pthread_barrier_wait(&handed.made);
        for (size_t index = 0; index < handed.count; index++)
            open_parcel(handed.parcels[round % 2 ? index : handed.count - 1 - index]);
        pthread_barrier_wait(&handed.freed);
    }
    return NULL;
}

static void blocks_of_every_size_may_be_freed_by_another_thread(void **state)
{
    (void)state;
    pthread_barrier_init(&handed.made, NULL, 2);
    pthread_barrier_init(&handed.freed, NULL, 2);
    size_t before = resident_bytes();
    pthread_t threads[2] = {start_thread(allocate_all_sizes, NULL), start_thread(free_all_sizes, NULL)};
    join_thread(threads[0]);
    join_thread(threads[1]);
    assert_requirements_met();
    assert_heap_is_whole();
    assert_true(!heap_is_ours() || growth(before, resident_bytes()) < 64 * mib);
}

// ---- producers and consumers -------------------------------------------------------------------------------------

enum
{
    pairs = 2,
    ring_slots = 256,
    parcels_each = 120000
};

static struct ring
{
    _Atomic(struct parcel *) slots[ring_slots];
    size_t max_shift;
} rings[pairs];

static void *produce(void *argument)
{
    struct ring *ring = argument;
    uint64_t random = (uint64_t)(ring - rings) + 1;
    for (size_t index = 0; index < parcels_each; index++)
    {
        struct parcel *parcel = make_parcel(random_size(&random, 11), index);
        while (atomic_load_explicit(&ring->slots[index % ring_slots], memory_order_relaxed))
            sched_yield();
        atomic_store_explicit(&ring->slots[index % ring_slots], parcel, memory_order_release);
    }
    return NULL;
}

static void *consume(void *argument)
{
    struct ring *ring = argument;
    for (size_t index = 0; index < parcels_each; index++)
    {
        struct parcel *parcel;
        while (!(parcel = atomic_load_explicit(&ring->slots[index % ring_slots], memory_order_acquire)))
            sched_yield();
        require(parcel->seed == index);
        atomic_store_explicit(&ring->slots[index % ring_slots], NULL, memory_order_release);
        open_parcel(parcel);
    }
    return NULL;
}

static void consumers_find_every_block_as_it_was_produced(void **state)
{
    (void)state;
    pthread_t threads[2 * pairs];
    size_t before = resident_bytes();
    for (int pair = 0; pair < pairs; pair++)
    {
        threads[2 * pair] = start_thread(produce, &rings[pair]);
        threads[2 * pair + 1] = start_thread(consume, &rings[pair]);
    }
    for (int index = 0; index < 2 * pairs; index++)
        join_thread(threads[index]);
    assert_requirements_met();
    assert_heap_is_whole();
    assert_true(growth(before, resident_bytes()) < 24 * mib);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_of_every_size_may_be_freed_by_another_thread),
        cmocka_unit_test(consumers_find_every_block_as_it_was_produced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
