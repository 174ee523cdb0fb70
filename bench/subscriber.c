// SPDX-License-Identifier: MIT
//
// subscriber - preloaded beside the library, subscribes with callbacks that do nothing: what is measured is what it costs
// to be told. BENCH_SAMPLE_INTERVAL is the interval of samples in bytes, 0 for every call; not set: nobody subscribes.
#include <fastalloc.h>
#include <stdio.h>
#include <stdlib.h>

static void do_nothing(void *context, const struct fastalloc_event *event)
{
    (void)context;
    (void)event;
}

static struct fastalloc_hooks hooks = {.size = sizeof hooks, .allocated = do_nothing, .freeing = do_nothing};

__attribute__((constructor)) static void subscribe(void)
{
    const char *interval = getenv("BENCH_SAMPLE_INTERVAL");
    if (!interval)
        return;
    hooks.sample_interval = strtoull(interval, NULL, 10);
    if (fastalloc_hooks_add(&hooks) != 0)
    {
        perror("fastalloc_hooks_add");
        exit(99);
    }
}
