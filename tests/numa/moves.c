// SPDX-License-Identifier: MIT
//
// moves.c - threads that move between memory nodes, and blocks that are passed between them. Needs nodes 0 to 3 with CPUs and memory.
#include "nodes.h"

enum
{
    nodes = 4
};

// ---- threads that are moved ------------------------------------------------------------------------------------------

static volatile int is_to_end;
static pid_t bounced;

static void *bounce(void *argument)
{
    (void)argument;
    for (int node = 0; !is_to_end; node = (node + 1) % nodes)
    {
        pin_thread(bounced, node);
        usleep(5000);
    }
    return NULL;
}

// While it is thrown about, its blocks come from few homes; once it may stay, from where it is.
static void a_bounced_thread_is_at_home_where_it_stays(void **state)
{
    (void)state;
    pthread_t bouncer;
    bounced = (pid_t)syscall(SYS_gettid);
    is_to_end = 0;
    pin(0);
    assert_int_equal(pthread_create(&bouncer, NULL, bounce, NULL), 0);
    unsigned changes = 0;
    int home = fastalloc_thread_node();
    const uint64_t begin = milliseconds();
    while (milliseconds() < begin + 3000)
    {
        free(opaque_block(malloc(opaque_size(100 * kib))));
        const int now = fastalloc_thread_node();
        changes += now != home;
        home = now;
    }
    is_to_end = 1;
    pthread_join(bouncer, NULL);
    printf("# bounced for 3 s: %u moves\n", changes);
    assert_in_range(changes, 0, 30);
    for (int node = 0; node < nodes; node++)
    {
        struct pages pages = {0};
        pin(node);
        settle(longest_wait_ms);
        allocate_and_count(&pages, malloc, free, 8 * mib);
        print_pages("after it has settled", &pages);
        assert_true(percent_elsewhere(&pages, node) < 5);
    }
    assert_requirements_met();
    assert_heap_is_whole();
}

static void work_unpinned(void *argument)
{
    struct pages *const pages = argument;
    numa_run_on_node(-1);
    const int home = fastalloc_thread_node();
    struct pages counted = {0};
    require(home >= 0);
    if (home < 0)
        return;
    allocate_and_count(&counted, malloc, free, 4 * mib);
    // It may have moved: then part of it lies on one node and part on another, but all of it at home.
    const int home_now = fastalloc_thread_node();
    require(counted.of_node[home] + (home_now != home ? counted.of_node[home_now] : 0) == counted.all);
    pages->all += counted.all;
}

static void an_unpinned_threads_blocks_lie_at_its_home(void **state)
{
    (void)state;
    struct pages pages = {0};
    for (int node = 0; node < nodes; node++)
        on_node(node, work_unpinned, &pages);
    assert_true(pages.all >= 4 * nodes * 256);
    assert_requirements_met();
}

static void count_where_it_is(void *argument)
{
    struct pages *const pages = argument;
    allocate_and_count(pages, malloc, free, 4 * mib);
}

static void a_thread_that_pins_itself_gets_memory_there_at_once(void **state)
{
    (void)state;
    for (int node = 0; node < nodes; node++)
    {
        struct pages pages = {0};
        pin(node);
        count_where_it_is(&pages);
        print_pages("pinned just now", &pages);
        assert_true(percent_elsewhere(&pages, node) < 5);
        usleep(20000); // not again at once
        settle(20);
    }
    assert_requirements_met();
}

// ---- threads that end, and fork ------------------------------------------------------------------------------------------

static char *left[1000];

static void leave_blocks(void *argument)
{
    (void)argument;
    for (unsigned number = 0; number < 1000; number++)
    {
        left[number] = malloc(1000);
        memset(left[number], 1, 1000);
    }
    for (unsigned number = 0; number < 1000; number += 2)
        free(left[number]);
}

// Whoever comes after it on its node has its memory, nobody on another.
static void what_a_thread_leaves_is_for_its_node(void **state)
{
    (void)state;
    on_node(2, leave_blocks, NULL);
    for (int node = 0; node < nodes; node++)
    {
        struct pages pages = {0};
        on_node(node, count_where_it_is, &pages);
        assert_int_equal(pages.of_node[node], pages.all);
    }
    for (unsigned number = 1; number < 1000; number += 2)
        free(left[number]);
    assert_requirements_met();
}

static void allocate_in_child(void)
{
    const int home = fastalloc_thread_node();
    struct pages pages = {0};
    require(home == 1);
    if (home < 0)
        return;
    allocate_and_count(&pages, malloc, free, 4 * mib);
    require(pages.of_node[home] == pages.all);
    struct pages elsewhere = {0};
    on_node((home + 1) % nodes, count_where_it_is, &elsewhere);
    require(elsewhere.of_node[(home + 1) % nodes] == elsewhere.all);
}

static void a_forked_child_has_its_parents_home(void **state)
{
    (void)state;
    pin(1);
    settle(50);
    in_child(allocate_in_child);
    assert_requirements_met();
}

// ---- blocks that are passed on ------------------------------------------------------------------------------------------

enum
{
    parcels = 64
};
static char *parcel[parcels];
static pthread_mutex_t post = PTHREAD_MUTEX_INITIALIZER;
static int production_has_ended;
static struct pages produced;

static void produce(void *argument)
{
    uint64_t random = 7;
    (void)argument;
    for (unsigned round = 0; round < 6000; round++)
    {
        const size_t size = random_size(&random, 13);
        char *const block = malloc(size);
        require(block != NULL);
        memset(block, 1, size);
        if (round % 50 == 0)
            count_pages(&produced, block, size);
        for (unsigned slot = round % parcels;; sched_yield())
        {
            pthread_mutex_lock(&post);
            const int is_free = parcel[slot] == NULL;
            if (is_free)
                parcel[slot] = block;
            pthread_mutex_unlock(&post);
            if (is_free)
                break;
        }
    }
    __atomic_store_n(&production_has_ended, 1, __ATOMIC_RELEASE);
}

static void consume(void *argument)
{
    struct pages *const own = argument;
    for (int ended = 0; !ended;)
    {
        ended = __atomic_load_n(&production_has_ended, __ATOMIC_ACQUIRE);
        for (unsigned slot = 0; slot < parcels; slot++)
        {
            pthread_mutex_lock(&post);
            char *const block = parcel[slot];
            parcel[slot] = NULL;
            pthread_mutex_unlock(&post);
            free(block);
            ended &= block == NULL;
        }
        sched_yield();
    }
    count_where_it_is(own); // none of what it freed
}

static void *consume_there(void *argument)
{
    pin(3);
    consume(argument);
    return NULL;
}

static void blocks_go_home_whoever_frees_them(void **state)
{
    (void)state;
    struct pages consumers = {0};
    pthread_t consumer;
    const struct fastalloc_node_stats before = node_stats(0);
    const struct fastalloc_node_stats there_before = node_stats(3);
    assert_int_equal(pthread_create(&consumer, NULL, consume_there, &consumers), 0);
    on_node(0, produce, NULL);
    pthread_join(consumer, NULL);
    print_pages("produced", &produced);
    assert_int_equal(produced.of_node[0], produced.all);
    assert_int_equal(consumers.of_node[3], consumers.all);
    const struct fastalloc_node_stats after = node_stats(0);
    const struct fastalloc_node_stats there = node_stats(3);
    assert_true(after.freed_by_others - before.freed_by_others > 5000);
    assert_int_equal(there.freed_for_others - there_before.freed_for_others,
                     after.freed_by_others - before.freed_by_others);
    assert_requirements_met();
    assert_heap_is_whole();
}

static char *many[8000];

static void take_many(void *argument)
{
    (void)argument;
    for (unsigned number = 0; number < 8000; number++)
    {
        many[number] = malloc(8 * kib);
        memset(many[number], 1, 8 * kib);
    }
}

static void free_many(void *argument)
{
    (void)argument;
    for (unsigned number = 0; number < 8000; number++)
        free(many[number]);
}

static long long free_on(int node)
{
    long long bytes = 0;
    numa_node_size64(node, &bytes);
    return bytes;
}

// A thread of another node frees last: the memory goes back to the node it is of.
static void memory_goes_back_to_its_node(void **state)
{
    (void)state;
    fastalloc_purge();
    const long long begin = free_on(2);
    on_node(2, take_many, NULL);
    const long long taken = begin - free_on(2);
    assert_true(taken > (long long)(60 * mib));
    on_node(1, free_many, NULL);
    const long long kept = begin - free_on(2);
    printf("# %lld MiB taken, %lld MiB kept, slack %llu KiB\n", taken / (long long)mib, kept / (long long)mib,
           (unsigned long long)node_stats(2).slack_bytes / 1024);
    assert_true(kept < (long long)(16 * mib));
    assert_true(node_stats(2).slack_bytes <= 8 * mib);
    assert_requirements_met();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thread_that_pins_itself_gets_memory_there_at_once),
        cmocka_unit_test(an_unpinned_threads_blocks_lie_at_its_home),
        cmocka_unit_test(what_a_thread_leaves_is_for_its_node),
        cmocka_unit_test(a_forked_child_has_its_parents_home),
        cmocka_unit_test(blocks_go_home_whoever_frees_them),
        cmocka_unit_test(memory_goes_back_to_its_node),
        cmocka_unit_test(a_bounced_thread_is_at_home_where_it_stays),
    };
    setvbuf(stdout, NULL, _IOLBF, 4096);
    return cmocka_run_group_tests_name("moves", tests, NULL, NULL);
}
