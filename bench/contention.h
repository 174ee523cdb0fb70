// SPDX-License-Identifier: MIT
//
// contention.h - what an allocator tells of its threads' getting in each other's way
//
// libfastalloc tells by fastalloc_get_stats, jemalloc by mallctl; the others measured here count nothing of the kind.
// Both are looked up in the running process, so the programs link neither. Totals since the process began; bench_start
// and bench_stop take the difference.
#ifndef CONTENTION_H
#define CONTENTION_H

#include <fastalloc.h>

#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct contention
{
    int is_told;
    uint64_t lock_waits;    // times a thread found a lock of the allocator held by another
    uint64_t shared_writes; // atomic writes to memory that other threads write too; two for each lock taken and given
};

typedef int contention_mallctl(const char *name, void *old_value, size_t *old_bytes, void *new_value, size_t new_bytes);

// One mutex of jemalloc; `name` is that of the mutex. Nothing happens where this jemalloc does not have it.
static inline void contention_add_mutex(contention_mallctl *mallctl, const char *name, struct contention *sum)
{
    char key[128];
    uint64_t value = 0;
    size_t bytes = sizeof value;
    snprintf(key, sizeof key, "%s.num_ops", name);
    if (mallctl(key, &value, &bytes, NULL, 0) != 0)
        return;
    sum->shared_writes += 2 * value;
    // Waits are counted apart by whether spinning was enough.
    static const char *const waits[] = {"num_wait", "num_spin_acq"};
    for (size_t i = 0; i < sizeof waits / sizeof waits[0]; ++i)
    {
        snprintf(key, sizeof key, "%s.%s", name, waits[i]);
        if (mallctl(key, &value, &bytes, NULL, 0) == 0)
            sum->lock_waits += value;
    }
}

static inline struct contention contention_of_jemalloc(contention_mallctl *mallctl)
{
    // Arena 4096 stands for the sum over all of them.
    static const char *const names[] = {"base",          "large",         "extent_avail",
                                        "extents_dirty", "extents_muzzy", "decay_dirty",
                                        "decay_muzzy",   "tcache_list",   "extents_retained"};
    struct contention sum = {1, 0, 0};
    uint64_t epoch = 1;
    if (mallctl("epoch", NULL, NULL, &epoch, sizeof epoch) != 0)
        return (struct contention){0};
    char name[96];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; ++i)
    {
        snprintf(name, sizeof name, "stats.arenas.4096.mutexes.%s", names[i]);
        contention_add_mutex(mallctl, name, &sum);
    }
    unsigned bins = 0;
    size_t bytes = sizeof bins;
    if (mallctl("arenas.nbins", &bins, &bytes, NULL, 0) != 0)
        return (struct contention){0};
    for (unsigned bin = 0; bin < bins; ++bin)
    {
        snprintf(name, sizeof name, "stats.arenas.4096.bins.%u.mutex", bin);
        contention_add_mutex(mallctl, name, &sum);
    }
    return sum;
}

static inline struct contention contention_now(void)
{
    void *found = dlsym(RTLD_DEFAULT, "fastalloc_get_stats");
    if (found != NULL)
    {
        int (*get_stats)(struct fastalloc_stats *, size_t);
        memcpy(&get_stats, &found, sizeof found);
        struct fastalloc_stats stats;
        if (get_stats(&stats, sizeof stats) != 0)
            return (struct contention){0};
        // A version that does not know these two sets them to 0; one that does has taken locks for this call.
        return (struct contention){stats.shared_writes != 0, stats.lock_waits, stats.shared_writes};
    }
    found = dlsym(RTLD_DEFAULT, "mallctl");
    if (found == NULL)
        return (struct contention){0};
    contention_mallctl *mallctl;
    memcpy(&mallctl, &found, sizeof found);
    return contention_of_jemalloc(mallctl);
}

#endif
