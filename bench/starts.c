// SPDX-License-Identifier: MIT
//
// starts - times the start and the end of small processes, arms in turn
//
//     starts ROUNDS {LIBRARY|- SETTINGS|- PROGRAM}...
//
// An arm is a library to preload, the FASTALLOC_CONF to run it with, and a program. Each round starts every arm once, in
// random order, and prints one line: the nanoseconds of each, in the order of the command line, from before the process
// is made until it has been waited for. Its first WARM_ROUNDS rounds are not printed. All processes run on one processor,
// this one's too, so that none waits for another to wake up. Their environment holds nothing but what an arm asks for.
#define _GNU_SOURCE
#include "child.h"

#include <sched.h>

enum
{
    WARM_ROUNDS = 10,
    WORDS_OF_ARM = 3
};

struct arm
{
    char *program;
    char *environment[4];
    uint64_t ns; // of its latest start
};

static struct arm make_arm(char **words)
{
    struct arm arm = {.program = words[2]};
    size_t count = 0;
    arm.environment[count++] = child_setting("LC_ALL", "C");
    if (strcmp(words[0], "-") != 0)
        arm.environment[count++] = child_setting("LD_PRELOAD", words[0]);
    if (strcmp(words[1], "-") != 0)
        arm.environment[count++] = child_setting("FASTALLOC_CONF", words[1]);
    return arm;
}

static void start(struct arm *arm)
{
    char *const arguments[] = {arm->program, NULL};
    const uint64_t begin = bench_clock_ns(CLOCK_MONOTONIC);
    child_run(arm->program, arguments, arm->environment);
    arm->ns = bench_clock_ns(CLOCK_MONOTONIC) - begin;
}

static void stay_on_this_processor(void)
{
    const int processor = sched_getcpu();
    if (processor < 0)
        bench_fail("sched_getcpu: %s", strerror(errno));
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET((size_t)processor, &one);
    if (sched_setaffinity(0, sizeof one, &one) != 0)
        bench_fail("sched_setaffinity: %s", strerror(errno));
}

int main(int argc, char **argv)
{
    char *end = NULL;
    const uint64_t rounds = argc > 1 ? strtoull(argv[1], &end, 10) : 0;
    const size_t words = argc > 2 ? (size_t)argc - 2 : 0;
    if (rounds == 0 || *end != 0 || words == 0 || words % WORDS_OF_ARM != 0)
        bench_fail("usage: %s ROUNDS {LIBRARY|- SETTINGS|- PROGRAM}...", argv[0]);
    const size_t count = words / WORDS_OF_ARM;
    struct arm *arms = bench_array(count, sizeof(struct arm));
    size_t *order = bench_array(count, sizeof(size_t));
    for (size_t i = 0; i < count; ++i)
    {
        arms[i] = make_arm(argv + 2 + i * WORDS_OF_ARM);
        order[i] = i;
    }
    stay_on_this_processor();

    uint64_t state = BENCH_SEED;
    for (uint64_t round = 0; round < WARM_ROUNDS + rounds; ++round)
    {
        for (size_t left = count; left > 0; --left)
        {
            const size_t picked = bench_pick(bench_random(&state), left);
            const size_t arm = order[picked];
            order[picked] = order[left - 1];
            order[left - 1] = arm;
            start(&arms[arm]);
        }
        for (size_t i = 0; round >= WARM_ROUNDS && i < count; ++i)
            printf("%" PRIu64 "%c", arms[i].ns, i + 1 < count ? ' ' : '\n');
    }
    return 0;
}
