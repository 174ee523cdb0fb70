// SPDX-License-Identifier: MIT
//
// findings.h - what a process of numa is told to do, and what it found out
//
// numa.c starts such a process for each arm and part and reads its findings; findings.c is what happens in it. Both
// sides know the options, which are its arguments, and the memory that they share, in which the findings are. The
// process writes them, and the one that started it reads them once it has ended.
#ifndef FINDINGS_H
#define FINDINGS_H

#include "nodes.h"

#include <sys/mman.h>

// ---- what there is to find out ----

enum part
{
    PLACEMENT,
    OWN,
    EXCHANGE
};

// Sizes of the blocks that are placed.
enum
{
    SIZES = 9
};

static const size_t findings_sizes[SIZES] = {64,      512,     4 << 10, 32 << 10, 256 << 10,
                                             1 << 20, 2 << 20, 4 << 20, 16 << 20};

struct findings
{
    char malloc_from[4096];
    struct nodes_share sizes[SIZES];     // placement: pages on the node that allocated them
    struct nodes_share live[NODES_MOST]; // exchange: pages of the blocks of a node's threads that lie on it
    double operations_per_second;        // own, exchange
    size_t threads;                      // own, exchange: that worked
};

// ---- the options of a process ----

enum
{
    PART,
    ALLOCATING,
    TOUCHING,
    PLACED_KIB,
    SLOTS,
    TURNS,
    FINDINGS,
    OPTIONS
};

static const char *const findings_part_words[] = {"placement", "own", "exchange", NULL};

static struct bench_option findings_options[OPTIONS] = {
    [PART] = {"part", PLACEMENT, findings_part_words}, // the first argument: by it numa.c knows such a process
    [ALLOCATING] = {"allocating", 0, NULL},            // placement: the node, by index
    [TOUCHING] = {"touching", 0, NULL},                // the same
    [PLACED_KIB] = {"placed_kib", 4096, NULL},         // placement: of blocks of one size, or one block
    [SLOTS] = {"slots", 16384, NULL},                  // own, exchange: live blocks of a thread
    [TURNS] = {"turns", 256, NULL},                    // own, exchange: in each a quarter of the blocks is replaced
    [FINDINGS] = {"findings", 0, NULL},                // the file descriptor of the shared memory
};

// ---- for both sides ----

static inline struct findings *findings_map(int file)
{
    void *memory = mmap(NULL, sizeof(struct findings), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (memory == MAP_FAILED)
        bench_fail("cannot share memory: %s", strerror(errno));
    return memory;
}

// The file that malloc comes from here, by its real name.
static inline void findings_note_malloc(char *path, size_t bytes)
{
    Dl_info origin = {0};
    void *address = dlsym(RTLD_DEFAULT, "malloc");
    char whole[4096];
    if (address == NULL || dladdr(address, &origin) == 0 || realpath(origin.dli_fname, whole) == NULL)
        bench_fail("cannot tell where malloc comes from");
    if (snprintf(path, bytes, "%s", whole) >= (int)bytes)
        bench_fail("%s: too long a path", whole);
}

// What a process does that was started with these options.
void findings_find(int argc, char **argv);

#endif
