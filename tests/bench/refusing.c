// SPDX-License-Identifier: MIT
//
// refusing - a preloaded malloc that is glibc's for 10 000 calls and then has no memory: the arm that must fail
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>

#define EXPORT __attribute__((visibility("default")))

extern void *__libc_malloc(size_t);

enum
{
    CALLS = 10000
};

static _Atomic int calls; // relaxed: a count

EXPORT void *malloc(size_t size)
{
    if (atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed) < CALLS)
        return __libc_malloc(size);
    errno = ENOMEM;
    return NULL;
}
