// SPDX-License-Identifier: MIT
//
// busy.c - a process that allocates and frees all the time, in four threads that also free each other's blocks, until
// standard input ends.
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

enum
{
    threads = 4,
    slots = 4096,
    kept = 4096,
    kept_bytes = 65536
};

static void *_Atomic blocks[slots];
static pthread_barrier_t warm; // all threads have been at it for a while
static atomic_bool is_over;

// So much that what is changed meanwhile is little beside it.
static void *keep[kept];

static void *churn(void *context)
{
    uint64_t state = (uintptr_t)context;
    for (int round = 0; !atomic_load(&is_over); ++round)
    {
        if (round == 20000)
            pthread_barrier_wait(&warm);
        round -= round == INT_MAX;
        state = state * 6364136223846793005u + 1442695040888963407u;
        const uint64_t number = state >> 33;
        const size_t size = number % 97 == 0 ? number % 3000000 : number % 2000;
        free(atomic_exchange(&blocks[(state >> 20) % slots], number % 5 == 0 ? NULL : malloc(size)));
    }
    return context;
}

int main(void)
{
    pthread_t ids[threads];
    char byte;
    for (int index = 0; index < kept; ++index)
        if ((keep[index] = malloc(kept_bytes)) == NULL)
            return 2;
    pthread_barrier_init(&warm, NULL, threads + 1);
    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
    for (uintptr_t index = 0; index < threads; ++index)
        if (pthread_create(&ids[index], NULL, churn, (void *)(index + 1)) != 0)
            return 2;
    pthread_barrier_wait(&warm);
    puts("ready");
    fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0)
        ;
    atomic_store(&is_over, 1);
    for (int index = 0; index < threads; ++index)
        pthread_join(ids[index], NULL);
    return 0;
}
