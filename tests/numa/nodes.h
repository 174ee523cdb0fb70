// SPDX-License-Identifier: MIT
//
// nodes.h - what the tests on several memory nodes share: where threads run, and where pages lie, by libnuma, which knows
// nothing of the library's own bookkeeping. Include it instead of support.h.
#ifndef TESTS_NUMA_NODES_H
#define TESTS_NUMA_NODES_H

#include <numa.h>
#include <numaif.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../support.h"

#define node_max 8

enum
{
    longest_wait_ms = 1200 // of a thread that was moved often, until it has an arena where it is now
};

// glibc's own malloc, beside ours.
extern void *__libc_malloc(size_t size);
extern void __libc_free(void *block);

// ---- where threads run --------------------------------------------------------------------------------------------

// By node. Known from the start: a thread that asked libnuma would allocate where it runs before it is moved.
static cpu_set_t cpus_of_node[node_max];

static __attribute__((constructor)) void find_cpus(void)
{
    for (int cpu = 0; cpu < numa_num_configured_cpus(); cpu++)
        if (numa_node_of_cpu(cpu) >= 0 && numa_node_of_cpu(cpu) < node_max)
            CPU_SET((size_t)cpu, &cpus_of_node[numa_node_of_cpu(cpu)]);
}

static inline int node_has_cpus(int node)
{
    return CPU_COUNT(&cpus_of_node[node]) != 0;
}

static inline int node_has_memory(int node)
{
    return numa_bitmask_isbitset(numa_get_mems_allowed(), (unsigned)node) && numa_node_size64(node, NULL) > 0;
}

// The node that should serve threads which run on `node`.
static inline int nearest_with_memory(int node)
{
    int nearest = -1;
    for (int other = 0; other <= numa_max_node(); other++)
        if (node_has_memory(other) && (nearest < 0 || numa_distance(node, other) < numa_distance(node, nearest)))
            nearest = other;
    return nearest;
}

// Has the thread of that kernel's number run on the CPUs of a node and no others.
static inline void pin_thread(pid_t thread, int node)
{
    require(sched_setaffinity(thread, sizeof cpus_of_node[node], &cpus_of_node[node]) == 0);
}

static inline void pin(int node)
{
    pin_thread(0, node);
}

struct work_on_node
{
    int node;
    void (*work)(void *);
    void *argument;
};

static inline void *work_there(void *argument)
{
    const struct work_on_node *const work = (const struct work_on_node *)argument;
    pin(work->node);
    work->work(work->argument);
    return NULL;
}

// Runs `work` in a thread that is on this node from before its first call of malloc, and waits for its end.
static inline void on_node(int node, void (*work)(void *), void *argument)
{
    struct work_on_node there = {node, work, argument};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, work_there, &there), 0);
    pthread_join(thread, NULL);
}

// Runs `work` in a forked child, of which the requirements count.
static inline void in_child(void (*work)(void))
{
    const pid_t child = fork();
    int status = 1;
    assert_true(child >= 0);
    if (child == 0)
    {
        work();
        _exit(__atomic_load_n(&requirements_unmet, __ATOMIC_RELAXED) != 0);
    }
    require(waitpid(child, &status, 0) == child && status == 0);
}

static inline uint64_t milliseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

// Slow paths over more time than a thread must have stayed on a node to get an arena there.
static inline void settle(unsigned least_ms)
{
    const uint64_t end = milliseconds() + least_ms;
    for (unsigned path = 0; path < 16 || milliseconds() < end; path++)
    {
        free(opaque_block(malloc(opaque_size(100 * kib))));
        usleep(1000);
    }
}

// ---- where pages lie ------------------------------------------------------------------------------------------------

// Pages by node; of node_max those that lie nowhere.
struct pages
{
    unsigned long of_node[node_max + 1];
    unsigned long all;
};

// Adds the pages of a block that begin in it or that it begins in, all of which have been touched.
static inline void count_pages(struct pages *pages, void *block, size_t bytes)
{
    enum
    {
        most = 512
    };
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    const uintptr_t end = (uintptr_t)block + bytes;
    void *addresses[most];
    int nodes[most];
    for (uintptr_t at = (uintptr_t)block & ~(page - 1); at < end;)
    {
        unsigned count = 0;
        for (; at < end && count < most; at += page)
            addresses[count++] = (void *)at;
        require(numa_move_pages(0, count, addresses, NULL, nodes, 0) == 0);
        for (unsigned number = 0; number < count; number++)
        {
            const int node = nodes[number];
            pages->of_node[node >= 0 && node < node_max ? node : node_max]++;
            pages->all++;
        }
    }
}

static inline void print_pages(const char *what, const struct pages *pages)
{
    printf("# %s: %lu pages;", what, pages->all);
    for (int node = 0; node <= node_max; node++)
        if (pages->of_node[node] != 0)
            printf(node < node_max ? " node %d: %lu" : " nowhere (%d): %lu", node, pages->of_node[node]);
    printf("\n");
}

// Share of all that does not lie on `node`, in percent.
static inline double percent_elsewhere(const struct pages *pages, int node)
{
    return pages->all == 0 ? 100.0 : 100.0 * (double)(pages->all - pages->of_node[node]) / (double)pages->all;
}

static inline struct fastalloc_node_stats node_stats(int node)
{
    struct fastalloc_node_stats stats;
    memset(&stats, 0xff, sizeof stats);
    require(fastalloc_get_node_stats(node, &stats, sizeof stats) == 0);
    return stats;
}

// Blocks of about `bytes` in all, up to 64 KiB each, touched, and where they lie.
static inline void allocate_and_count(struct pages *pages, void *(*allocate)(size_t), void (*release)(void *),
                                      size_t bytes)
{
    enum
    {
        most = 4096
    };
    static __thread char *held[most];
    uint64_t random = 1;
    unsigned count = 0;
    for (size_t sum = 0; sum < bytes && count < most; count++)
    {
        const size_t size = random_size(&random, 3) * 8 * kib;
        char *const block = allocate(size);
        require(block != NULL);
        memset(block, 1, size);
        count_pages(pages, block, size);
        held[count] = block;
        sum += size;
    }
    while (count > 0)
        release(held[--count]);
}

#endif
