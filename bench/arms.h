// SPDX-License-Identifier: MIT
//
// arms.h - what numa compares, a process for each arm and part, and the sums of what these found out
//
// An arm is an environment: what is preloaded, and the setting for it. The program starts itself in it, waits until
// that process has ended, and adds its findings to the arm's; processes of different arms take turns. One that has its
// malloc from elsewhere than the arm says ends everything: its findings would be another arm's.
#ifndef ARMS_H
#define ARMS_H

#include "child.h"
#include "findings.h"

enum
{
    ARMS = 3,
    AUTO = 0,
    OFF = 1,
    FIRST_TOUCH_BYTES = 2 << 20, // from this size on libfastalloc leaves a block's pages to who touches them first
    ROUNDS_MOST = 1000
};

struct arm
{
    const char *name;
    const char *settings; // of FASTALLOC_CONF; NULL: glibc, nothing is preloaded
    char malloc_from[4096];
    char *environment[5];
    struct nodes_share pairs[NODES_MOST][NODES_MOST]; // allocating, touching; of blocks below FIRST_TOUCH_BYTES
    struct nodes_share same[SIZES], other[SIZES];     // touched on the node that allocated, or on another
    struct nodes_share live[NODES_MOST];              // of all rounds
    double operations_per_second[EXCHANGE + 1][ROUNDS_MOST];
};

static struct arm arms[ARMS] = {
    {.name = "numa=auto", .settings = "numa=auto"},
    {.name = "numa=off", .settings = "numa=off"},
    {.name = "glibc"},
};

static struct findings *arms_findings; // of the process that ended last

// ---- before the first process ----

static inline void arms_prepare_one(struct arm *arm, const char *library)
{
    size_t count = 0;
    arm->environment[count++] = child_setting("LC_ALL", "C");
    if (getenv("LD_LIBRARY_PATH") != NULL)
        arm->environment[count++] = child_setting("LD_LIBRARY_PATH", getenv("LD_LIBRARY_PATH"));
    if (arm->settings == NULL)
    {
        findings_note_malloc(arm->malloc_from, sizeof arm->malloc_from);
        return;
    }
    if (realpath(library, arm->malloc_from) == NULL)
        bench_fail("%s: %s", library, strerror(errno));
    arm->environment[count++] = child_setting("LD_PRELOAD", arm->malloc_from);
    arm->environment[count++] = child_setting("FASTALLOC_CONF", arm->settings);
}

static inline void arms_prepare(const char *library)
{
    for (size_t a = 0; a < ARMS; ++a)
        arms_prepare_one(&arms[a], library);
    const int file = memfd_create("findings", 0);
    if (file < 0 || ftruncate(file, sizeof(struct findings)) != 0)
        bench_fail("cannot share memory: %s", strerror(errno));
    arms_findings = findings_map(file);
    findings_options[FINDINGS].value = (uint64_t)file;
}

// ---- processes ----

static inline void arms_run(const struct arm *arm, enum part part, size_t allocating, size_t touching)
{
    findings_options[PART].value = part;
    findings_options[ALLOCATING].value = allocating;
    findings_options[TOUCHING].value = touching;
    char words[OPTIONS][64];
    char *arguments[OPTIONS + 2] = {"numa"};
    for (size_t o = 0; o < OPTIONS; ++o)
    {
        const struct bench_option *option = &findings_options[o];
        if (option->words != NULL)
            snprintf(words[o], sizeof words[o], "%s=%s", option->name, option->words[option->value]);
        else
            snprintf(words[o], sizeof words[o], "%s=%" PRIu64, option->name, option->value);
        arguments[o + 1] = words[o];
    }
    memset(arms_findings, 0, sizeof *arms_findings);
    child_run("/proc/self/exe", arguments, arm->environment);
    if (strcmp(arms_findings->malloc_from, arm->malloc_from) != 0)
        bench_fail("%s: malloc came from %s: the preload had no effect", arm->name, arms_findings->malloc_from);
}

static inline void arms_add_share(struct nodes_share *sum, const struct nodes_share *more)
{
    sum->pages += more->pages;
    sum->there += more->there;
}

static inline void arms_place_one(struct arm *arm, size_t allocating, size_t touching)
{
    arms_run(arm, PLACEMENT, allocating, touching);
    for (size_t s = 0; s < SIZES; ++s)
    {
        arms_add_share(allocating == touching ? &arm->same[s] : &arm->other[s], &arms_findings->sizes[s]);
        if (findings_sizes[s] < FIRST_TOUCH_BYTES)
            arms_add_share(&arm->pairs[allocating][touching], &arms_findings->sizes[s]);
    }
}

static inline void arms_place(void)
{
    for (size_t allocating = 0; allocating < nodes.count; ++allocating)
        for (size_t touching = 0; touching < nodes.count; ++touching)
            for (size_t a = 0; a < ARMS; ++a)
                arms_place_one(&arms[a], allocating, touching);
}

// Own and exchange; the threads that worked in each process.
static inline size_t arms_measure(size_t rounds)
{
    for (size_t round = 0; round < rounds; ++round)
        for (enum part part = OWN; part <= EXCHANGE; ++part)
            for (size_t a = 0; a < ARMS; ++a)
            {
                struct arm *arm = &arms[(round + a) % ARMS];
                arms_run(arm, part, 0, 0);
                arm->operations_per_second[part][round] = arms_findings->operations_per_second;
                for (size_t node = 0; part == EXCHANGE && node < nodes.count; ++node)
                    arms_add_share(&arm->live[node], &arms_findings->live[node]);
            }
    return arms_findings->threads;
}

#endif
