// SPDX-License-Identifier: MIT
//
// nodes.h - the NUMA nodes of the machine, threads bound to them, and on which of them pages lie
//
// A node counts if it has processors and memory that this process may use. Numbers are the kernel's, which may have
// gaps; `nodes.list` has none. Where the kernel tells nothing of nodes (one built without them, or a container that
// may not ask) all processors are one node, number 0, and where a page lies is not known.
#ifndef NODES_H
#define NODES_H

#include "crew.h"

#include <numa.h>
#include <numaif.h>

enum
{
    NODES_MOST = 64
};

struct nodes_node
{
    int number;
    cpu_set_t processors; // those that this process may use
};

// Written by nodes_find, read by all threads afterwards.
static struct
{
    struct nodes_node list[NODES_MOST];
    size_t count;
    int are_told;
} nodes;

// ---- finding them ----

static inline cpu_set_t nodes_processors(int number, const cpu_set_t *allowed)
{
    struct bitmask *of_node = numa_allocate_cpumask();
    cpu_set_t found;
    CPU_ZERO(&found);
    if (numa_node_to_cpus(number, of_node) == 0)
        for (unsigned processor = 0; processor < of_node->size && processor < CPU_SETSIZE; ++processor)
            if (numa_bitmask_isbitset(of_node, processor) && CPU_ISSET(processor, allowed))
                CPU_SET(processor, &found);
    numa_free_cpumask(of_node);
    return found;
}

// Finds the nodes. `leave_out`, unless it is NULL, is called with each that does not count, and why.
static inline void nodes_find(void (*leave_out)(int number, const char *why))
{
    const cpu_set_t allowed = crew_allowed();
    nodes.are_told = numa_available() >= 0 && get_mempolicy(NULL, NULL, 0, NULL, 0) == 0 &&
                     numa_move_pages(0, 0, NULL, NULL, NULL, 0) == 0;
    if (!nodes.are_told)
    {
        nodes.list[nodes.count++] = (struct nodes_node){0, allowed};
        return;
    }
    struct bitmask *with_memory = numa_get_mems_allowed();
    for (int number = 0; number <= numa_max_node(); ++number)
    {
        if (!numa_bitmask_isbitset(numa_nodes_ptr, (unsigned)number))
            continue;
        const struct nodes_node node = {number, nodes_processors(number, &allowed)};
        const char *why = NULL;
        if (!numa_bitmask_isbitset(with_memory, (unsigned)number) || numa_node_size64(number, NULL) <= 0)
            why = "no memory that this process may use";
        else if (CPU_COUNT(&node.processors) == 0)
            why = "no processors that this process may use";
        else if (nodes.count == NODES_MOST)
            why = "a place beyond the number of nodes that are looked at";
        else
            nodes.list[nodes.count++] = node;
        if (why != NULL && leave_out != NULL)
            leave_out(number, why);
    }
    numa_bitmask_free(with_memory);
    if (nodes.count == 0)
        bench_fail("no node has both processors and memory that this process may use");
}

// ---- threads ----

// Binds the calling thread to the processors of a node, an index in the list.
static inline void nodes_bind(size_t node)
{
    if (sched_setaffinity(0, sizeof(cpu_set_t), &nodes.list[node].processors) != 0)
        bench_fail("cannot run on node %d: %s", nodes.list[node].number, strerror(errno));
}

// ---- pages ----

// Pages, each once: a table of their addresses with open addressing, 0 where it is empty.
struct nodes_pages
{
    uintptr_t *table;
    size_t slots; // a power of 2
    size_t count;
};

// Room for `most` pages.
static inline struct nodes_pages nodes_new_pages(size_t most)
{
    size_t slots = 64;
    while (slots < 2 * most)
        slots *= 2;
    return (struct nodes_pages){bench_array(slots, sizeof(uintptr_t)), slots, 0};
}

static inline void nodes_free_pages(struct nodes_pages *pages)
{
    munmap(pages->table, pages->slots * sizeof(uintptr_t));
}

static inline void nodes_add_page(struct nodes_pages *pages, uintptr_t page)
{
    size_t slot = (size_t)((page * BENCH_SEED) >> 20) & (pages->slots - 1);
    while (pages->table[slot] != 0 && pages->table[slot] != page)
        slot = (slot + 1) & (pages->slots - 1);
    if (pages->table[slot] == page)
        return;
    if (++pages->count == pages->slots)
        bench_fail("more pages than there is room for");
    pages->table[slot] = page;
}

static inline size_t nodes_page_bytes(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

static inline void nodes_add_block(struct nodes_pages *pages, const void *block, size_t bytes)
{
    const size_t page_bytes = nodes_page_bytes();
    const uintptr_t end = (uintptr_t)block + bytes;
    for (uintptr_t page = (uintptr_t)block & ~(uintptr_t)(page_bytes - 1); page < end; page += page_bytes)
        nodes_add_page(pages, page);
}

// Of pages whose node is known, how many there are and how many lie where they were wanted.
struct nodes_share
{
    uint64_t pages;
    uint64_t there;
};

// Adds what the pages are to `share`, `node` (an index in the list) being wanted. Pages of which the kernel does not
// say where they lie, those that nobody touched among them, are not counted.
static inline void nodes_add_share(struct nodes_share *share, const struct nodes_pages *pages, size_t node)
{
    if (!nodes.are_told || pages->count == 0)
        return;
    void **addresses = bench_array(pages->count, sizeof(void *));
    int *states = bench_array(pages->count, sizeof(int));
    size_t count = 0;
    for (size_t slot = 0; slot < pages->slots; ++slot)
        if (pages->table[slot] != 0)
            addresses[count++] = (void *)pages->table[slot];
    if (numa_move_pages(0, count, addresses, NULL, states, 0) != 0)
        bench_fail("move_pages: %s", strerror(errno));
    for (size_t i = 0; i < count; ++i)
        if (states[i] >= 0)
        {
            ++share->pages;
            share->there += states[i] == nodes.list[node].number;
        }
    munmap(addresses, pages->count * sizeof(void *));
    munmap(states, pages->count * sizeof(int));
}

#endif
