// SPDX-License-Identifier: MIT
//
// early_hooks.c - a library that subscribes before the allocator's own constructor has run: it is not linked with it, so
// the loader knows no order of the two.
#include <fastalloc.h>

#pragma weak fastalloc_hooks_add

static void nothing(void *context, const struct fastalloc_event *event)
{
    (void)event;
    ++*(unsigned long *)context;
}

unsigned long early_hooks_told;

static const struct fastalloc_hooks hooks = {
    .size = sizeof hooks, .context = &early_hooks_told, .allocated = nothing, .freeing = nothing};

__attribute__((constructor)) static void begin(void)
{
    fastalloc_hooks_add(&hooks);
}
