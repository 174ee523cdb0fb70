// SPDX-License-Identifier: MIT
//
// hooks.h - subscribers that write down what they are told. Include it after ../support.h.
#ifndef TESTS_API_HOOKS_H
#define TESTS_API_HOOKS_H

// What one thread at a time is told; `live` counts over all threads.
struct told
{
    size_t allocated, freeing, reallocated;
    struct fastalloc_event last;
    long long stands_for; // allocated less freed
    long long stands_for_allocated;
};

static inline void tell_allocated(void *context, const struct fastalloc_event *event)
{
    struct told *told = (struct told *)context;
    __atomic_fetch_add(&told->allocated, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&told->stands_for, (long long)event->stands_for, __ATOMIC_RELAXED);
    __atomic_fetch_add(&told->stands_for_allocated, (long long)event->stands_for, __ATOMIC_RELAXED);
    told->last = *event;
}

static inline void tell_freeing(void *context, const struct fastalloc_event *event)
{
    struct told *told = (struct told *)context;
    __atomic_fetch_add(&told->freeing, 1, __ATOMIC_RELAXED);
    __atomic_fetch_sub(&told->stands_for, (long long)event->stands_for, __ATOMIC_RELAXED);
    told->last = *event;
}

static inline void tell_reallocated(void *context, const struct fastalloc_event *event)
{
    struct told *told = (struct told *)context;
    __atomic_fetch_add(&told->reallocated, 1, __ATOMIC_RELAXED);
    told->last = *event;
}

// Told of every call, or of samples; realloc as free and malloc.
static inline struct fastalloc_hooks hooks_by_address(struct told *told, size_t interval)
{
    struct fastalloc_hooks hooks;
    memset(&hooks, 0, sizeof hooks);
    hooks.size = sizeof hooks;
    hooks.context = told;
    hooks.sample_interval = interval;
    hooks.allocated = tell_allocated;
    hooks.freeing = tell_freeing;
    return hooks;
}

static inline struct fastalloc_hooks hooks_on_every_call(struct told *told)
{
    struct fastalloc_hooks hooks = hooks_by_address(told, 0);
    hooks.reallocated = tell_reallocated;
    return hooks;
}

#endif
