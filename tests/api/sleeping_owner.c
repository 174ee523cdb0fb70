// SPDX-License-Identifier: MIT
//
// sleeping_owner.c - the memory of a thread that allocated much and now sleeps is not stranded: when other threads free
// its blocks, it is theirs to use, or goes back to the system, without waiting for the owner. Each case runs in a child
// of its own: memory that is wanted again within a second of being given back is kept longer.
#include "../support.h"

#include "../children.h"

static const size_t total = (size_t)64 << 20;
static const size_t kept_at_most = (size_t)16 << 20;

static struct
{
    size_t size;
    size_t count;
    void **blocks;
    struct fastalloc_stats before; // the figures without the owner's blocks
    size_t resident_before;
    pthread_barrier_t filled;
    pthread_barrier_t looked;
} owner;

static void *allocate_and_sleep(void *argument)
{
    (void)argument;
    for (size_t index = 0; index < owner.count; index++)
    {
        owner.blocks[index] = malloc(owner.size);
        require(owner.blocks[index] != NULL);
        memset(owner.blocks[index], 1, owner.size);
    }
    pthread_barrier_wait(&owner.filled);
    pthread_barrier_wait(&owner.looked);
    return NULL;
}

// Returns when the owner sleeps over its blocks.
static pthread_t start_owner(size_t size)
{
    pthread_barrier_init(&owner.filled, NULL, 2);
    pthread_barrier_init(&owner.looked, NULL, 2);
    owner.size = size;
    owner.count = total / size;
    owner.blocks = malloc(owner.count * sizeof *owner.blocks);
    memset(owner.blocks, 0, owner.count * sizeof *owner.blocks);
    owner.resident_before = resident_bytes();
    require(fastalloc_get_stats(&owner.before, sizeof owner.before) == 0);
    pthread_t thread;
    require(pthread_create(&thread, NULL, allocate_and_sleep, NULL) == 0);
    pthread_barrier_wait(&owner.filled);
    return thread;
}

static void end_owner(pthread_t thread)
{
    pthread_barrier_wait(&owner.looked);
    pthread_join(thread, NULL);
    free(owner.blocks);
    require_whole_heap();
}

static void *free_a_part(void *argument)
{
    for (size_t index = (size_t)(uintptr_t)argument; index < owner.count; index += 4)
        free(owner.blocks[index]);
    return NULL;
}

static void look_after_frees(void)
{
    const struct fastalloc_stats *before = &owner.before;
    struct fastalloc_stats after;
    size_t kept = growth(owner.resident_before, resident_bytes());
    require(fastalloc_get_stats(&after, sizeof after) == 0);
    require(kept <= kept_at_most);
    if (kept > kept_at_most)
        fprintf(stderr, "# blocks of %zu bytes: %zu KiB resident while the owner sleeps\n", owner.size, kept / kib);
    require(after.inbox_bytes <= after.arenas * 128 * kib);
    require(growth(before->open_bytes, after.open_bytes) <= 12 * mib);
    require(growth(before->live_bytes + before->outside_bytes, after.live_bytes + after.outside_bytes) <= 2 * mib);
}

static void free_while_the_owner_sleeps(void *size)
{
    pthread_t thread = start_owner(*(size_t *)size);
    for (size_t index = 0; index < owner.count; index++)
        free(owner.blocks[index]);
    look_after_frees();
    end_owner(thread);
}

static void free_by_four_while_the_owner_sleeps(void *size)
{
    pthread_t thread = start_owner(*(size_t *)size);
    pthread_t helpers[4];
    for (uintptr_t part = 0; part < 4; part++)
        require(pthread_create(&helpers[part], NULL, free_a_part, (void *)part) == 0);
    for (int part = 0; part < 4; part++)
        pthread_join(helpers[part], NULL);
    look_after_frees();
    end_owner(thread);
}

static void reuse_while_the_owner_sleeps(void *size)
{
    pthread_t thread = start_owner(*(size_t *)size);
    size_t resident = resident_bytes();
    for (size_t index = 0; index < owner.count; index++)
        free(owner.blocks[index]);
    for (size_t index = 0; index < owner.count; index++)
    {
        owner.blocks[index] = malloc(owner.size);
        require(owner.blocks[index] != NULL);
        memset(owner.blocks[index], 1, owner.size);
    }
    require(growth(resident, resident_bytes()) < kept_at_most);
    for (size_t index = 0; index < owner.count; index++)
        free(owner.blocks[index]);
    end_owner(thread);
}

static void assert_for_all_sizes(void (*body)(void *))
{
    static size_t sizes[] = {64, 1000, 8000, 20000, 200000, 1000000};
    for (size_t which = 0; which < sizeof sizes / sizeof *sizes; which++)
        assert_int_equal(run_child(body, &sizes[which], 60), 0);
}

static void memory_of_a_sleeping_owner_is_not_stranded(void **state)
{
    (void)state;
    assert_for_all_sizes(free_while_the_owner_sleeps);
}

static void several_threads_may_free_for_a_sleeping_owner(void **state)
{
    (void)state;
    assert_for_all_sizes(free_by_four_while_the_owner_sleeps);
}

static void a_freeing_thread_may_use_the_memory_of_a_sleeping_owner(void **state)
{
    (void)state;
    assert_for_all_sizes(reuse_while_the_owner_sleeps);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_of_a_sleeping_owner_is_not_stranded),
        cmocka_unit_test(several_threads_may_free_for_a_sleeping_owner),
        cmocka_unit_test(a_freeing_thread_may_use_the_memory_of_a_sleeping_owner),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
