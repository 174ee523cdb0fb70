// SPDX-License-Identifier: MIT
//
// nodes.c - what a program may ask and say about memory nodes, on any machine: tests/numa has those that need several.
#include "../support.h"

static int my_node(void)
{
    const int node = fastalloc_thread_node();
    return node >= 0 ? node : 0;
}

static void blocks_of_every_size_come_from_a_node_that_is_named(void **state)
{
    (void)state;
    for (size_t size = 0; size <= 80 * mib; size = size * 3 + 1)
    {
        char *block = fastalloc_malloc_on(my_node(), size);
        assert_non_null(block);
        assert_true(malloc_usable_size(block) >= size && is_aligned(block, alignment_due(size)));
        fill_block(block, size, size);
        block = realloc(block, size + 100);
        assert_non_null(block);
        assert_true(block_is_filled(block, size, size));
        free(block);
    }
    assert_heap_is_whole();
}

static void a_block_that_is_named_a_node_is_as_any_other(void **state)
{
    void *blocks[200];
    const struct fastalloc_stats before = stats_now();
    (void)state;
    for (unsigned number = 0; number < 200; number++)
        blocks[number] = fastalloc_malloc_on(my_node(), 1000);
    assert_true(stats_now().live_bytes >= before.live_bytes + 200 * 1000);
    for (unsigned number = 0; number < 200; number++)
        free_sized(blocks[number], 1000);
    assert_int_equal(stats_now().live_bytes, before.live_bytes);
}

static void a_node_that_is_not_there_is_refused(void **state)
{
    const int nodes[] = {-1, 1023, 1024, 70000, INT32_MAX, INT32_MIN};
    (void)state;
    for (unsigned number = 0; number < sizeof nodes / sizeof *nodes; number++)
    {
        errno = 0;
        assert_null(fastalloc_malloc_on(nodes[number], 100));
        assert_int_equal(errno, EINVAL);
    }
}

static void what_no_memory_can_be_had_for_is_refused(void **state)
{
    (void)state;
    for (size_t size = (size_t)1 << 50; size != 0; size *= 2)
    {
        errno = 0;
        assert_null(fastalloc_malloc_on(my_node(), opaque_size(size)));
        assert_int_equal(errno, ENOMEM);
    }
}

static void the_node_of_memory_is_known(void **state)
{
    static const char of_the_program[] = "here";
    char *const block = fastalloc_malloc_on(my_node(), 100);
    volatile char on_the_stack = 1;
    (void)state;
    assert_int_equal(fastalloc_node_of(block), my_node());
    assert_int_equal(fastalloc_node_of(block + 50), my_node());
    free(block);
    // Where the kernel tells.
    errno = 0;
    const int stack = fastalloc_node_of((const void *)&on_the_stack);
    const int program = fastalloc_node_of(of_the_program);
    assert_true((stack >= 0 && program >= 0) || errno == ENOENT);
    errno = 0;
    assert_int_equal(fastalloc_node_of(NULL), -1);
    assert_int_equal(errno, ENOENT);
}

static void *call_late(void *argument)
{
    (void)argument;
    require(fastalloc_thread_node() == my_node()); // before the thread's first block
    void *const block = fastalloc_malloc_on(my_node(), 100);
    require(block != NULL && fastalloc_thread_node() == my_node());
    return block;
}

static void a_block_that_is_named_a_node_may_be_the_threads_first(void **state)
{
    pthread_t thread;
    void *block;
    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, call_late, NULL), 0);
    pthread_join(thread, &block);
    free(block);
    assert_requirements_met();
    assert_heap_is_whole();
}

static void figures_of_a_node_are_within_those_of_all(void **state)
{
    struct fastalloc_node_stats sum = {0};
    struct fastalloc_node_stats stats;
    void *const block = malloc(3000);
    (void)state;
    for (int node = -1; node < 1024; node++)
    {
        assert_int_equal(fastalloc_get_node_stats(node, &stats, sizeof stats), 0);
        sum.committed_bytes += stats.committed_bytes;
        sum.live_bytes += stats.live_bytes;
        sum.slack_bytes += stats.slack_bytes;
        sum.spans_of_locals += stats.spans_of_locals;
    }
    const struct fastalloc_stats all = stats_now();
    assert_int_equal(sum.committed_bytes, all.committed_bytes);
    // With what this thread has freed for others and not handed over.
    const uint64_t live = all.live_bytes - all.outside_bytes;
    assert_true(sum.live_bytes >= live && sum.live_bytes <= live + 4 * kib);
    assert_int_equal(sum.slack_bytes, all.slack_bytes);
    assert_true(sum.spans_of_locals > 0);
    free(block);
    const int never[] = {1024, 70000, INT32_MAX, -2, INT32_MIN};
    for (unsigned number = 0; number < sizeof never / sizeof *never; number++)
    {
        errno = 0;
        assert_int_equal(fastalloc_get_node_stats(never[number], &stats, sizeof stats), -1);
        assert_int_equal(errno, EINVAL);
    }
}

static void callers_of_any_age_get_the_members_they_know(void **state)
{
    unsigned char larger[sizeof(struct fastalloc_node_stats) + 64];
    uint64_t first[2] = {0, 77};
    (void)state;
    assert_int_equal(fastalloc_get_node_stats(my_node(), (struct fastalloc_node_stats *)(void *)first, 8), 0);
    assert_true(first[1] == 77);
    memset(larger, 0xff, sizeof larger);
    assert_int_equal(fastalloc_get_node_stats(my_node(), (struct fastalloc_node_stats *)(void *)larger, sizeof larger),
                     0);
    assert_true(block_is_zero(larger + sizeof(struct fastalloc_node_stats), 64));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_of_every_size_come_from_a_node_that_is_named),
        cmocka_unit_test(a_block_that_is_named_a_node_is_as_any_other),
        cmocka_unit_test(a_node_that_is_not_there_is_refused),
        cmocka_unit_test(what_no_memory_can_be_had_for_is_refused),
        cmocka_unit_test(the_node_of_memory_is_known),
        cmocka_unit_test(a_block_that_is_named_a_node_may_be_the_threads_first),
        cmocka_unit_test(figures_of_a_node_are_within_those_of_all),
        cmocka_unit_test(callers_of_any_age_get_the_members_they_know),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
