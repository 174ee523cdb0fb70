// SPDX-License-Identifier: MIT
//
// malloc_info.c - what malloc_info and mallinfo2 say of a heap of known contents, for malloc_info.py. It uses no name that
// glibc does not have, so it runs on glibc's own malloc as well. Writes to standard output, between lines that begin with
// '=': what malloc_info says before; the same with blocks held, some of them by a thread that waits, and some free ones;
// how many usable bytes these blocks have and how many of them are in mmapped ones; mallinfo2's members, before and then.
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum
{
    count = 2000
};

static void *blocks[2][count];
static pthread_barrier_t steps;
static size_t usable[2];

static void *hold(void *argument)
{
    const size_t mine = (size_t)argument;
    for (size_t index = 0; index < count; index++)
        blocks[mine][index] = malloc(index * 7 % 3000 + 24);
    for (size_t index = 0; index < count; index += 2) // not next to each other
        free(blocks[mine][index]);
    for (size_t index = 1; index < count; index += 2)
        usable[mine] += malloc_usable_size(blocks[mine][index]);
    if (mine != 0)
    {
        pthread_barrier_wait(&steps);
        pthread_barrier_wait(&steps);
    }
    return NULL;
}

static void say(const char *title)
{
    const struct mallinfo2 info = mallinfo2();
    printf("=%s %zu %zu %zu %zu %zu %zu %zu %zu %zu %zu\n", title, info.arena, info.ordblks, info.smblks, info.hblks,
           info.hblkhd, info.usmblks, info.fsmblks, info.uordblks, info.fordblks, info.keepcost);
    if (malloc_info(0, stdout) != 0)
        exit(1);
}

int main(void)
{
    static char buffer[1 << 16]; // so that the stream does not allocate
    pthread_t thread;
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    pthread_barrier_init(&steps, NULL, 2);
    pthread_create(&thread, NULL, hold, (void *)1);
    pthread_barrier_wait(&steps);
    say("before");
    hold((void *)0);
    void *mapped = malloc((size_t)50 << 20);
    const size_t mapped_bytes = malloc_usable_size(mapped);
    say("held");
    printf("=usable %zu %zu\n", usable[0], mapped_bytes);
    pthread_barrier_wait(&steps);
    pthread_join(thread, NULL);
    free(mapped);
    return 0;
}
