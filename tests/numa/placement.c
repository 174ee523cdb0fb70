// SPDX-License-Identifier: MIT
//
// placement.c - where the pages of blocks lie, on a machine of several memory nodes, as the kernel tells libnuma.
//
// Blocks are touched first by a thread of another node than they were asked from, so that first touch would put them in
// the wrong place. With an argument, `without_mbind`, the program expects just that: it is then run with a library
// preloaded that lets no mbind through to the kernel.
#include "nodes.h"

static int without_mbind;

// Every page where it was asked from; and elsewhere, where nobody could ask.
static void assert_all_on(const char *what, const struct pages *pages, int node)
{
    print_pages(what, pages);
    assert_true(pages->all > 0);
    if (without_mbind)
        assert_true(percent_elsewhere(pages, node) > 50);
    else
        assert_int_equal(pages->of_node[node], pages->all);
}

// A node with CPUs and memory that is not `node`.
static int another_node(int node)
{
    for (int other = 0; other <= numa_max_node(); other++)
        if (other != node && node_has_cpus(other) && node_has_memory(other))
            return other;
    return -1;
}

// ---- blocks, which one thread takes and another touches -----------------------------------------------------------

enum
{
    blocks_max = 3400
};

struct blocks
{
    char *block[blocks_max];
    size_t size[blocks_max];
    unsigned count;
    int on;        // the node that is named, or -1 for malloc
    unsigned most; // sizes are up to 2 to the power of that
};

static void take_blocks(void *argument)
{
    struct blocks *const blocks = argument;
    uint64_t random = 1 + (uint64_t)blocks->on;
    for (unsigned number = 0; number < blocks->count; number++)
    {
        // Mostly sizes of the bins; now and then all below a chunk.
        const size_t size = random_size(&random, number % 50 == 0 ? blocks->most : 17);
        char *block;
        if (blocks->on >= 0)
            block = fastalloc_malloc_on(blocks->on, size);
        else if (number % 3 == 0)
            block = aligned_alloc(64, size);
        else
            block = malloc(size);
        require(block != NULL);
        if (number % 7 == 0)
            block = realloc(block, size);
        blocks->block[number] = block;
        blocks->size[number] = size;
    }
}

static void touch_blocks(void *argument)
{
    struct blocks *const blocks = argument;
    for (unsigned number = 0; number < blocks->count; number++)
        memset(blocks->block[number], 1, blocks->size[number]);
}

static void free_blocks(void *argument)
{
    struct blocks *const blocks = argument;
    for (unsigned number = 0; number < blocks->count; number++)
        free(blocks->block[number]);
}

static struct blocks blocks;

// Taken by a thread on `taker`, touched by one on another node: all of it must lie on `expected`.
static void check_blocks(const char *what, int taker, int expected)
{
    struct pages pages = {0};
    on_node(taker, take_blocks, &blocks);
    on_node(another_node(expected), touch_blocks, &blocks);
    for (unsigned number = 0; number < blocks.count; number++)
    {
        count_pages(&pages, blocks.block[number], blocks.size[number]);
        require(fastalloc_node_of(blocks.block[number]) == expected);
    }
    assert_all_on(what, &pages, expected);
    on_node(another_node(expected), free_blocks, &blocks);
    assert_requirements_met();
}

static void blocks_of_a_pinned_thread_lie_on_its_node(void **state)
{
    (void)state;
    for (int node = 0; node <= numa_max_node(); node++)
    {
        if (!node_has_cpus(node))
            continue;
        blocks.count = blocks_max;
        blocks.on = -1;
        blocks.most = 20; // random_size() gives up to twice that
        check_blocks("a thread's own", node, nearest_with_memory(node));
    }
    assert_heap_is_whole();
}

static void blocks_lie_on_the_node_that_is_named(void **state)
{
    (void)state;
    for (int node = 0; node <= numa_max_node(); node++)
    {
        blocks.count = 500;
        blocks.on = node;
        blocks.most = 22;
        check_blocks("a node that is named", another_node(node), nearest_with_memory(node));
    }
    assert_heap_is_whole();
}

static void a_large_block_lies_on_the_node_that_is_named(void **state)
{
    (void)state;
    for (int node = 0; node <= numa_max_node(); node++)
    {
        if (!node_has_memory(node))
            continue;
        for (size_t size = 2 * mib; size <= 64 * mib; size *= 4)
        {
            struct pages pages = {0};
            blocks.count = 1;
            blocks.block[0] = fastalloc_malloc_on(node, size);
            blocks.size[0] = size;
            assert_non_null(blocks.block[0]);
            on_node(another_node(node), touch_blocks, &blocks);
            count_pages(&pages, blocks.block[0], size);
            assert_all_on("a large block", &pages, node);
            free(blocks.block[0]);
        }
    }
    assert_requirements_met();
}

// realloc makes it larger than what was placed: so is what is new.
static void a_block_above_a_chunk_keeps_its_node_when_it_grows(void **state)
{
    (void)state;
    for (int node = 0; node <= numa_max_node(); node++)
    {
        if (!node_has_memory(node))
            continue;
        struct pages pages = {0};
        char *block = fastalloc_malloc_on(node, 3 * mib);
        void *const behind = fastalloc_malloc_on(node, 2 * mib);
        for (size_t size = 6 * mib; size <= 48 * mib; size *= 2)
        {
            block = realloc(block, size);
            assert_non_null(block);
        }
        blocks.count = 1;
        blocks.block[0] = block;
        blocks.size[0] = 48 * mib;
        on_node(another_node(node), touch_blocks, &blocks);
        count_pages(&pages, block, 48 * mib);
        assert_all_on("a block that has grown", &pages, node);
        free(block);
        free(behind);
    }
    assert_requirements_met();
}

static void a_node_that_is_not_there_is_refused(void **state)
{
    (void)state;
    for (int node = numa_max_node() + 1; node < 2000; node += 97)
    {
        errno = 0;
        assert_null(fastalloc_malloc_on(node, 100));
        assert_int_equal(errno, EINVAL);
    }
    assert_null(fastalloc_malloc_on(-1, 100));
}

// ---- memory that is nobody's own ------------------------------------------------------------------------------------

// A quarter for each of four threads.
struct quarters
{
    char *block;
    size_t bytes;
};

static void touch_quarter(void *argument)
{
    const struct quarters *const quarter = argument;
    memset(quarter->block, 1, quarter->bytes);
}

static void whole_chunks_lie_where_glibcs_would(void **state)
{
    (void)state;
    for (size_t size = 8 * mib; size <= 64 * mib; size *= 8)
    {
        struct pages ours[4] = {0};
        struct pages glibcs[4] = {0};
        char *const block = malloc(size);
        char *const other = __libc_malloc(size);
        for (int number = 0; number < 4; number++)
        {
            int node = number % (numa_max_node() + 1);
            if (!node_has_cpus(node))
                node = 0;
            struct quarters quarter = {block + size / 4 * (size_t)number, size / 4};
            on_node(node, touch_quarter, &quarter);
            count_pages(&ours[number], quarter.block, quarter.bytes);
            quarter.block = other + size / 4 * (size_t)number;
            on_node(node, touch_quarter, &quarter);
            // glibc's begins 16 bytes into a page: of that the thread before has the last one.
            count_pages(&glibcs[number], quarter.block + 4096, quarter.bytes - 4096);
            print_pages("ours", &ours[number]);
            print_pages("glibc's", &glibcs[number]);
            assert_true(percent_elsewhere(&ours[number], nearest_with_memory(node)) == 0);
            assert_true(percent_elsewhere(&glibcs[number], nearest_with_memory(node)) == 0);
        }
        free(block);
        __libc_free(other);
    }
    assert_requirements_met();
}

// ---- a node that is full ----------------------------------------------------------------------------------------------

static void when_a_node_is_full_others_serve(void **state)
{
    enum
    {
        most = 400
    };
    static char *held[most];
    const int node = 1;
    struct pages pages = {0};
    struct pages again = {0};
    (void)state;
    long long free_bytes;
    fastalloc_purge();
    numa_node_size64(node, &free_bytes);
    const unsigned count = (unsigned)(free_bytes / (long long)mib) + 40;
    assert_true(count <= most);
    for (unsigned number = 0; number < count; number++)
    {
        held[number] = fastalloc_malloc_on(node, mib);
        assert_non_null(held[number]);
        memset(held[number], 1, mib);
        count_pages(&pages, held[number], mib);
    }
    print_pages("more than the node has", &pages);
    assert_true(pages.of_node[node] != pages.all);
    assert_int_equal(pages.of_node[node_max], 0);
    if (!without_mbind)
        assert_true(percent_elsewhere(&pages, node) < 50);
    for (unsigned number = 0; number < count; number++)
        free(held[number]);
    fastalloc_purge();
    blocks.count = 50;
    blocks.on = node;
    blocks.most = 20;
    on_node(another_node(node), take_blocks, &blocks);
    on_node(another_node(node), touch_blocks, &blocks);
    for (unsigned number = 0; number < blocks.count; number++)
        count_pages(&again, blocks.block[number], blocks.size[number]);
    assert_all_on("when it has room again", &again, node);
    free_blocks(&blocks);
    assert_requirements_met();
}

// ---- the machine, as libnuma sees it ----------------------------------------------------------------------------------

struct report
{
    int cpu;
    int node;
};

static void report_node(void *argument)
{
    struct report *const report = argument;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(report->cpu, &one);
    require(sched_setaffinity(0, sizeof one, &one) == 0);
    report->node = fastalloc_thread_node();
}

static void threads_are_at_home_where_libnuma_says(void **state)
{
    (void)state;
    for (int cpu = 0; cpu < numa_num_configured_cpus(); cpu++)
    {
        const int node = numa_node_of_cpu(cpu);
        struct report report = {cpu, -1};
        assert_true(node >= 0);
        on_node(node, report_node, &report);
        assert_int_equal(report.node, nearest_with_memory(node));
    }
    for (int node = 0; node <= numa_max_node() + 2; node++)
    {
        void *const block = fastalloc_malloc_on(node, 100);
        assert_int_equal(block != NULL, numa_bitmask_isbitset(numa_nodes_ptr, (unsigned)node) ||
                                            (node <= numa_max_node() && node_has_cpus(node)));
        if (block != NULL)
            assert_int_equal(fastalloc_node_of(block), nearest_with_memory(node));
        free(block);
    }
}

static void the_kernel_has_not_refused(void **state)
{
    (void)state;
    for (int node = -1; node <= numa_max_node(); node++)
        assert_int_equal(node_stats(node).fallbacks, 0);
}

int main(int count, char **arguments)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_are_at_home_where_libnuma_says),
        cmocka_unit_test(blocks_of_a_pinned_thread_lie_on_its_node),
        cmocka_unit_test(blocks_lie_on_the_node_that_is_named),
        cmocka_unit_test(a_large_block_lies_on_the_node_that_is_named),
        cmocka_unit_test(a_block_above_a_chunk_keeps_its_node_when_it_grows),
        cmocka_unit_test(a_node_that_is_not_there_is_refused),
        cmocka_unit_test(whole_chunks_lie_where_glibcs_would),
        cmocka_unit_test(when_a_node_is_full_others_serve),
        cmocka_unit_test(the_kernel_has_not_refused),
    };
    without_mbind = count > 1 && strcmp(arguments[1], "without_mbind") == 0;
    return cmocka_run_group_tests_name("placement", tests, NULL, NULL);
}
