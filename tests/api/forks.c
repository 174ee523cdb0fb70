// SPDX-License-Identifier: MIT
//
// forks.c - fork at any moment of a program whose other threads allocate and hand blocks over. The child, which has one
// thread, allocates and frees its own and its parent's blocks, forks again, starts threads. A child that hangs is
// killed and counts as a failure.
#include <stdatomic.h>

#include "../support.h"

#include "../children.h"
#include "../parcel.h"

enum
{
    busy_threads = 3,
    seconds_for_a_child = 10
};

static struct shelf shelf = {.count = 256};
static atomic_int stop;

static void *hand_over(void *argument)
{
    for (uint64_t random = (uint64_t)(uintptr_t)argument; !atomic_load(&stop); next_random(&random))
        exchange_parcels(&shelf, random, 20, 12);
    return NULL;
}

static pthread_t busy[busy_threads];

static void start_busy_threads(void)
{
    atomic_store(&stop, 0);
    for (uintptr_t index = 0; index < busy_threads; index++)
        busy[index] = start_thread(hand_over, (void *)(index + 1));
    sleep_milliseconds(2);
}

static void stop_busy_threads(void)
{
    atomic_store(&stop, 1);
    for (int index = 0; index < busy_threads; index++)
        join_thread(busy[index]);
    clear_shelf(&shelf);
    assert_requirements_met();
    assert_heap_is_whole();
}

static void *allocate_some(void *argument)
{
    exchange_parcels(&shelf, (uint64_t)(uintptr_t)argument, 200, 13);
    return NULL;
}

static void use_all_sizes(void)
{
    for (size_t size = 1; size < 3 * mib; size = size * 2 + 1)
    {
        char *block = malloc(size);
        require(block != NULL);
        block[0] = block[size - 1] = 1;
        block = realloc(block, size + size / 2 + 1);
        require(block != NULL && block[0] == 1);
        free(block);
    }
}

static void live_as_child(void *argument)
{
    (void)argument;
    clear_shelf(&shelf); // the parent's blocks
    allocate_some((void *)5);
    clear_shelf(&shelf);
    require_whole_heap();
}

static void live_as_child_with_threads(void *argument)
{
    (void)argument;
    pthread_t threads[3];
    for (uintptr_t index = 0; index < 3; index++)
        require(pthread_create(&threads[index], NULL, allocate_some, (void *)index) == 0);
    for (int index = 0; index < 3; index++)
        pthread_join(threads[index], NULL);
    use_all_sizes();
    live_as_child(NULL);
}

static int child_succeeds(void (*life)(void *), unsigned seconds)
{
    int status = run_child(life, NULL, seconds);
    if (WIFSIGNALED(status))
        fprintf(stderr, "# a child ended by signal %d\n", WTERMSIG(status));
    return status == 0;
}

static void live_as_parent_of_a_grandchild(void *argument)
{
    (void)argument;
    use_all_sizes();
    require(child_succeeds(live_as_child, seconds_for_a_child / 2));
    live_as_child(NULL);
}

// 400 of 400: none hangs, none finds a broken heap.
static void four_hundred_forks_among_busy_threads_succeed(void **state)
{
    (void)state;
    start_busy_threads();
    int succeeded = 0;
    for (int index = 0; index < 400 && succeeded >= index - 3; index++)
    {
        void (*life)(void *) = index % 20 == 0   ? live_as_child_with_threads
                               : index % 20 == 1 ? live_as_parent_of_a_grandchild
                                                 : live_as_child;
        succeeded += child_succeeds(life, seconds_for_a_child);
        if (index % 4 == 0)
            allocate_some((void *)(uintptr_t)index);
    }
    stop_busy_threads();
    assert_int_equal(succeeded, 400);
}

static atomic_int children_succeeded;

static void *fork_often(void *argument)
{
    for (int index = 0; index < 10; index++)
    {
        allocate_some(argument);
        if (!child_succeeds(live_as_child, seconds_for_a_child))
            break;
        atomic_fetch_add(&children_succeeded, 1);
    }
    return NULL;
}

static void several_threads_may_fork_at_once(void **state)
{
    (void)state;
    pthread_t forkers[4];
    start_busy_threads();
    for (uintptr_t index = 0; index < 4; index++)
        forkers[index] = start_thread(fork_often, (void *)(index + 9));
    for (int index = 0; index < 4; index++)
        join_thread(forkers[index]);
    stop_busy_threads();
    assert_int_equal(atomic_load(&children_succeeded), 40);
}

// Handlers registered with pthread_atfork run while the allocator is held still for the fork; they may use it.
static struct parcel *prepared;

static void allocate_before_fork(void)
{
    use_all_sizes();
    prepared = make_parcel(1000, 3);
}

static void free_after_fork(void)
{
    open_parcel(prepared);
    prepared = NULL;
    use_all_sizes();
}

static void handlers_of_fork_may_allocate(void **state)
{
    (void)state;
    assert_int_equal(pthread_atfork(allocate_before_fork, free_after_fork, free_after_fork), 0);
    start_busy_threads();
    int succeeded = 0;
    for (int index = 0; index < 20 && succeeded == index; index++)
        succeeded += child_succeeds(live_as_child, seconds_for_a_child);
    stop_busy_threads();
    assert_int_equal(succeeded, 20);
}

// Blocks of threads that are gone in the child are not lost: a chain of forks does not grow.
static void fork_in_turn(void *argument)
{
    uintptr_t depth = (uintptr_t)argument;
    pthread_t thread;
    require(pthread_create(&thread, NULL, allocate_some, (void *)depth) == 0);
    pthread_join(thread, NULL);
    clear_shelf(&shelf);
    struct fastalloc_stats stats;
    require(fastalloc_get_stats(&stats, sizeof stats) == 0);
    require(stats.arenas <= 16);
    require(stats.attached_threads <= 2);
    require_whole_heap();
    if (depth > 0)
        require(run_child(fork_in_turn, (void *)(depth - 1), (unsigned)depth + 5) == 0); // before its own time is up
}

static void a_chain_of_children_does_not_grow(void **state)
{
    (void)state;
    assert_int_equal(run_child(fork_in_turn, (void *)30, 40), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chain_of_children_does_not_grow),
        cmocka_unit_test(four_hundred_forks_among_busy_threads_succeed),
        cmocka_unit_test(several_threads_may_fork_at_once),
        cmocka_unit_test(handlers_of_fork_may_allocate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
