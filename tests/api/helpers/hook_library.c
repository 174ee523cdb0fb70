// SPDX-License-Identifier: MIT
//
// hook_library.c - a library that subscribes when it is loaded, and says what it was told in a variable.
#include <fastalloc.h>

#include <string.h>

struct hook_library_told
{
    unsigned long allocated, freeing, asked_777;
} hook_library_told;

static void allocated(void *context, const struct fastalloc_event *event)
{
    (void)context;
    __atomic_fetch_add(&hook_library_told.allocated, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&hook_library_told.asked_777, event->asked == 777, __ATOMIC_RELAXED);
}

static void freeing(void *context, const struct fastalloc_event *event)
{
    (void)context;
    __atomic_fetch_add(&hook_library_told.freeing, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&hook_library_told.asked_777, event->asked == 777, __ATOMIC_RELAXED);
}

static const struct fastalloc_hooks hooks = {.size = sizeof hooks, .allocated = allocated, .freeing = freeing};

__attribute__((constructor)) static void begin(void)
{
    fastalloc_hooks_add(&hooks);
}

__attribute__((destructor)) static void end(void)
{
    fastalloc_hooks_remove(&hooks);
}
