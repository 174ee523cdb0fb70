// SPDX-License-Identifier: MIT
//
// thread_exit.c - threads may end in any order and allocate to the very end, also in destructors of thread-specific
// data that run after the allocator's own; their blocks outlive them; the process may end while threads run.
#include <limits.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "../support.h"

#include "../children.h"
#include "../parcel.h"

// ---- destructors of thread-specific data -------------------------------------------------------------------------

static pthread_key_t keys[3];
static atomic_int destructor_calls;
static struct shelf left_behind = {.count = 64};

struct keyed
{
    int key;
    int rounds; // how often the destructor ran for this value
    struct parcel *parcel;
};

// Frees what the last round left, allocates anew, hands a block to the shelf and asks for another round.
static void allocate_in_destructor(void *value)
{
    struct keyed *keyed = value;
    atomic_fetch_add(&destructor_calls, 1);
    open_parcel(keyed->parcel);
    for (size_t size = 1; size < 100000; size = size * 3 + 1)
    {
        void *block = malloc(size);
        require(block != NULL);
        free(realloc(block, size * 2));
    }
    keyed->parcel = make_parcel(3000, (uint64_t)keyed->rounds);
    require(keyed->parcel != NULL);
    open_parcel(exchange_parcel(&left_behind, (size_t)keyed->key + (size_t)keyed->rounds, make_parcel(200, 5)));
    if (++keyed->rounds < PTHREAD_DESTRUCTOR_ITERATIONS)
    {
        require(pthread_setspecific(keys[keyed->key], keyed) == 0);
    }
    else
    {
        open_parcel(keyed->parcel);
        free(keyed);
    }
}

static void *set_keys(void *argument)
{
    for (int key = 0; key < 3; key++)
    {
        struct keyed *keyed = calloc(1, sizeof *keyed);
        require(keyed != NULL);
        keyed->key = key;
        require(pthread_setspecific(keys[key], keyed) == 0);
    }
    return argument;
}

// The keys are made before and after the allocator's own, which the first call of malloc makes.
static void key_destructors_may_allocate_in_every_round(void **state)
{
    (void)state;
    enum
    {
        threads = 200
    };
    for (int key = 0; key < 3; key++)
        assert_int_equal(pthread_key_create(&keys[key], allocate_in_destructor), 0);
    for (int index = 0; index < threads; index++)
        join_thread(start_thread(set_keys, NULL));
    clear_shelf(&left_behind);
    for (int key = 0; key < 3; key++)
        pthread_key_delete(keys[key]);
    assert_requirements_met();
    assert_int_equal(atomic_load(&destructor_calls), threads * 3 * PTHREAD_DESTRUCTOR_ITERATIONS);
    assert_heap_is_whole();
    assert_true(stats_now().attached_threads <= 2);
}

// ---- exits in any order ------------------------------------------------------------------------------------------

enum
{
    crowd = 16,
    blocks_each = 200
};

static struct member
{
    struct parcel *parcels[blocks_each];
    sem_t may_end;
    int frees_for; // the member whose blocks this one frees before it ends
} members[crowd];
static pthread_barrier_t all_allocated;

static void *be_member(void *argument)
{
    struct member *member = argument;
    uint64_t random = (uint64_t)(member - members) + 100;
    for (size_t index = 0; index < blocks_each; index++)
    {
        member->parcels[index] = make_parcel(random_size(&random, index % 20 ? 12 : 18), index);
        require(member->parcels[index] != NULL);
    }
    pthread_barrier_wait(&all_allocated);
    sem_wait(&member->may_end);
    struct member *other = &members[member->frees_for];
    for (size_t index = 0; index < blocks_each; index++)
        open_parcel(other->parcels[index]);
    return NULL;
}

static void threads_may_end_in_any_order_before_their_blocks_are_freed(void **state)
{
    (void)state;
    uint64_t random = 5;
    for (int round = 0; round < 20; round++)
    {
        pthread_t threads[crowd];
        int order[crowd];
        pthread_barrier_init(&all_allocated, NULL, crowd + 1);
        for (int index = 0; index < crowd; index++)
        {
            sem_init(&members[index].may_end, 0, 0);
            members[index].frees_for = (index + 1 + round) % crowd;
            order[index] = index;
            threads[index] = start_thread(be_member, &members[index]);
        }
        pthread_barrier_wait(&all_allocated);
        for (int index = crowd - 1; index > 0; index--)
        {
            int other = (int)(next_random(&random) % (uint64_t)(index + 1)), kept = order[index];
            order[index] = order[other];
            order[other] = kept;
        }
        for (int index = 0; index < crowd; index++)
        {
            sem_post(&members[order[index]].may_end);
            if (round % 2)
                join_thread(threads[order[index]]);
        }
        for (int index = 0; round % 2 == 0 && index < crowd; index++)
            join_thread(threads[index]);
        assert_requirements_met();
        assert_heap_is_whole();
    }
}

static atomic_int detached_done;

static void *be_detached(void *argument)
{
    pthread_detach(pthread_self());
    open_parcel(exchange_parcel(&left_behind, (size_t)(uintptr_t)argument, make_parcel(5000, 7)));
    free(malloc(100000));
    atomic_fetch_add(&detached_done, 1);
    return NULL;
}

static void detached_threads_leave_their_blocks_whole(void **state)
{
    (void)state;
    enum
    {
        threads = 500
    };
    for (uintptr_t index = 0; index < threads; index++)
        start_thread(be_detached, (void *)index);
    while (atomic_load(&detached_done) < threads)
        sleep_milliseconds(1);
    clear_shelf(&left_behind);
    assert_requirements_met();
    assert_heap_is_whole();
}

// ---- the end of the process --------------------------------------------------------------------------------------

static void *churn_for_ever(void *argument)
{
    uint64_t random = (uint64_t)(uintptr_t)argument;
    for (;;)
    {
        struct parcel *parcel = make_parcel(random_size(&random, 14), random);
        open_parcel(exchange_parcel(&left_behind, next_random(&random), parcel));
    }
    return NULL;
}

static void start_churning(void)
{
    pthread_t thread;
    for (uintptr_t index = 0; index < 4; index++)
        require(pthread_create(&thread, NULL, churn_for_ever, (void *)(index + 1)) == 0);
    sleep_milliseconds(5);
}

static void allocate_at_exit(void)
{
    for (int index = 0; index < 1000; index++)
        free(malloc((size_t)index * 37));
}

static void exit_among_threads(void *argument)
{
    (void)argument;
    atexit(allocate_at_exit);
    start_churning();
    exit(__atomic_load_n(&requirements_unmet, __ATOMIC_RELAXED) ? 1 : 0);
}

static void the_process_may_exit_while_threads_run(void **state)
{
    (void)state;
    for (int round = 0; round < 30; round++)
        assert_int_equal(run_child(exit_among_threads, NULL, 20), 0);
}

static void *outlive_main(void *argument)
{
    sleep_milliseconds(10);
    for (size_t size = 1; size < mib; size *= 2)
        free(malloc(size));
    return argument;
}

static void end_main_first(void *argument)
{
    (void)argument;
    pthread_t thread;
    for (int index = 0; index < 4; index++)
        require(pthread_create(&thread, NULL, outlive_main, NULL) == 0);
    free(malloc(1000));
    pthread_exit(NULL);
}

static void the_main_thread_may_end_first(void **state)
{
    (void)state;
    for (int round = 0; round < 5; round++)
        assert_int_equal(run_child(end_main_first, NULL, 20), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(key_destructors_may_allocate_in_every_round),
        cmocka_unit_test(threads_may_end_in_any_order_before_their_blocks_are_freed),
        cmocka_unit_test(detached_threads_leave_their_blocks_whole),
        cmocka_unit_test(the_process_may_exit_while_threads_run),
        cmocka_unit_test(the_main_thread_may_end_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
