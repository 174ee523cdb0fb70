// SPDX-License-Identifier: MIT
//
// core_file.c - the process whose core file core_file.py reads: it allocates blocks of every kind, says where they are
// and what is in them, waits, and aborts when standard input ends.
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

// Weak, so that it is read where the library has it.
extern const char fastalloc_root[] __attribute__((weak));

static uint64_t stamp = 0x5eed;

static void *allocate(const char *kind, size_t size)
{
    char *block = malloc(size);
    if (!block)
        exit(2);
    stamp = stamp * 0x9e3779b97f4a7c15u + 1;
    memcpy(block, &stamp, sizeof stamp);
    memcpy(block + 16, &stamp, sizeof stamp);
    printf("block %s %p %zu %zu %ju\n", kind, (void *)block, size, malloc_usable_size(block), (uintmax_t)stamp);
    return block;
}

int main(void)
{
    // A debugger that is no parent of this process may look at it.
    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
    allocate("small", 40);
    allocate("small", 1000);
    allocate("small", 9000);
    allocate("medium", 20000);
    allocate("medium", 200000);
    allocate("large", (size_t)1 << 20);
    allocate("outside", (size_t)33 << 20);
    void *freed_small = allocate("freed_small", 3000);
    void *freed_large = allocate("freed_large", (size_t)3 << 20);
    free(freed_large);
    free(freed_small);
    printf("root %p\nready\n", (const void *)fastalloc_root);
    fflush(stdout);
    char byte;
    ssize_t bytes;
    do
        bytes = read(STDIN_FILENO, &byte, 1);
    while (bytes > 0 || (bytes < 0 && errno == EINTR));
    abort();
}
