/* SPDX-License-Identifier: MIT
 *
 * sanitized FAULT - a program that a sanitizer is built into and that takes its blocks by the functions of fastalloc.h.
 * sanitizers.py knows how each fault must be told; `none` does all there is to do without one.
 */
#include "fastalloc.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

void free_sized(void *block, size_t size);
void free_aligned_sized(void *block, size_t alignment, size_t size);

static volatile char *shared;
static char *volatile lost;

static __attribute__((noinline)) char *taken_here(void)
{
    char *const block = fastalloc_malloc(40);
    return block;
}

static __attribute__((noinline)) void overflow_here(volatile char *block)
{
    block[40] = 1;
}

static __attribute__((noinline)) void use_freed_here(volatile char *block)
{
    block[3] = 1;
}

static __attribute__((noinline)) void freed_again_here(char *block)
{
    fastalloc_free(block);
}

static void *race_here(void *argument)
{
    shared[0]++;
    return argument;
}

static void *work(void *argument)
{
    for (size_t size = 0; size < 3000; size += 7)
        free(memset(fastalloc_malloc(size), 1, size));
    return argument;
}

static void two_threads(void *(*function)(void *))
{
    pthread_t threads[2];
    for (int number = 0; number < 2; number++)
        pthread_create(&threads[number], NULL, function, NULL);
    for (int number = 0; number < 2; number++)
        pthread_join(threads[number], NULL);
}

static void no_fault(void)
{
    fastalloc_free(malloc(5));
    free(fastalloc_calloc(3, 5));
    free_sized(malloc(33), 33);
    free_aligned_sized(aligned_alloc(64, 128), 64, 128);
    fastalloc_free_sized(fastalloc_malloc(33), 33);
    free(fastalloc_malloc_on(0, 9));
    void *block = fastalloc_realloc(fastalloc_memalign(64, 10), 1000);
    if (fastalloc_malloc_usable_size(block) < 1000)
        abort();
    free(block);
    struct fastalloc_stats stats;
    char message[100];
    if (fastalloc_get_stats(&stats, sizeof stats) != 0 || fastalloc_check_heap(message, sizeof message) != 0)
        abort();
    (void)fastalloc_purge();
    two_threads(work);
}

int main(int count, char **arguments)
{
    const char *const fault = count == 2 ? arguments[1] : "none";
    if (strcmp(fault, "none") == 0)
    {
        no_fault();
        return 0;
    }
    char *const block = taken_here();
    if (strcmp(fault, "overflow") == 0)
        overflow_here(block);
    if (strcmp(fault, "leak") == 0)
    {
        lost = taken_here();
        lost = NULL;
    }
    if (strcmp(fault, "race") == 0)
    {
        shared = block;
        two_threads(race_here);
    }
    fastalloc_free(block);
    if (strcmp(fault, "use_freed") == 0)
        use_freed_here(block);
    if (strcmp(fault, "double_free") == 0)
        freed_again_here(block);
    return 0;
}
