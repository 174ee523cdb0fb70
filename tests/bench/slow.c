// SPDX-License-Identifier: MIT
//
// slow - a preloaded malloc that is glibc's with a loop before each call: the arm that must come out slower
//
// The environment variable SLOW_TURNS says how many turns; 2 000 if it is not set.
#include <stddef.h>
#include <stdlib.h>

#define EXPORT __attribute__((visibility("default")))

extern void *__libc_malloc(size_t);

static unsigned long turns = 2000;

__attribute__((constructor)) static void begin(void)
{
    const char *text = getenv("SLOW_TURNS");
    if (text != NULL)
        turns = strtoul(text, NULL, 10);
}

EXPORT void *malloc(size_t size)
{
    for (unsigned long turn = 0; turn < turns; ++turn)
        __asm__ volatile("");
    return __libc_malloc(size);
}
