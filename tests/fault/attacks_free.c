// SPDX-License-Identifier: MIT
//
// attacks_free.c - attacks by a wrong call of free: double frees in their forms, and pointers to what is no block.
#include "attacks.h"

#include <pthread.h>

enum
{
    small = 64,
    small_chunk = 0x51, // of such a block in glibc: its size and that the chunk before it is in use
    middling = 2000,    // not for glibc's thread cache
    medium = 100 * 1024,
    large = 1024 * 1024,
    mapped = 64 * 1024 * 1024
};

// ---- double frees --------------------------------------------------------------------------------------------

static bool double_free_at_once(void)
{
    char *const block = malloc(small);
    free(block);
    free(block);
    return hands_out_twice(small);
}

static bool double_free_with_others_between(size_t size, int others)
{
    void *other[32];
    char *const block = malloc(size);
    take_some(size, other, others);
    free(block);
    free_all(other, others);
    free(block);
    return hands_out_twice(size);
}

static bool double_free_with_one_between(void)
{
    return double_free_with_others_between(small, 1);
}

static bool double_free_with_twenty_between(void)
{
    return double_free_with_others_between(small, 20);
}

// Blocks that glibc keeps in its list of unsorted chunks; the chunk behind each knows that it is free.
static bool double_free_of_2000_bytes(void)
{
    char *const block = malloc(middling);
    malloc(small);
    char *const other = malloc(middling);
    malloc(small);
    free(block);
    free(other);
    free(block);
    return hands_out_twice(middling);
}

static bool double_free_of_100_kib(void)
{
    char *const block = malloc(medium);
    malloc(small);
    char *const other = malloc(medium);
    malloc(small);
    free(block);
    free(other);
    free(block);
    return hands_out_twice(medium);
}

static bool double_free_of_a_mapped_block(void)
{
    char *const block = malloc(mapped);
    free(block);
    free(block);
    return hands_out_twice(mapped);
}

// "fastbin dup": the thread cache is full, so the block goes to a list that looks at its first entry only.
static bool double_free_behind_a_full_cache(void)
{
    void *cached[cache_places];
    take_some(small, cached, cache_places);
    char *const block = malloc(small);
    char *const other = malloc(small);
    free_all(cached, cache_places);
    free(block);
    free(other);
    free(block);
    return hands_out_twice(small);
}

// "fastbin dup into stack": the first owner of the block writes the link that the second life of it in the list has.
static bool double_free_then_a_link_to_the_stack(void)
{
    _Alignas(16) uintptr_t stack[64] = {0, small_chunk};
    void *cached[cache_places];
    take_some(small, cached, cache_places);
    free_all(cached, cache_places);
    char *const block = calloc(1, small);
    char *const other = calloc(1, small);
    free(block);
    free(other);
    const uintptr_t sample = *(uintptr_t *)other;
    free(block);
    if (calloc(1, small) != block || calloc(1, small) != other)
        return false;
    *(uintptr_t *)block = forged_link(block, sample, other, block, stack + 2);
    calloc(1, small);
    return calloc(1, small) == (void *)(stack + 2);
}

// "fastbin dup consolidate": a larger block takes the freed one's place before it is freed again.
static bool double_free_after_consolidation(void)
{
    void *cached[cache_places];
    take_some(small, cached, cache_places);
    free_all(cached, cache_places);
    char *const block = calloc(1, small);
    free(block);
    char *const larger = malloc(1024);
    free(block);
    return malloc(1024) == larger || hands_out_twice(small);
}

// "house of botcake": the block is merged with its neighbour, and its second free goes to the thread cache.
static bool double_free_of_a_merged_block(void)
{
    void *cached[cache_places];
    char *row[2];
    take_some(256, cached, cache_places);
    take_row(256, row, 2);
    malloc(16);
    free_all(cached, cache_places);
    free(row[1]);
    free(row[0]);
    malloc(256);
    free(row[1]);
    char *const merged = malloc(256 + 32);
    char *const again = malloc(256);
    return overlap(merged, 256 + 32, again, 256) || hands_out_twice(256);
}

// The thread frees the block first, then its owner does; each thread uses the blocks it gets.
static void *volatile shared;
static void *taken[6024];
static pthread_barrier_t freed_here;
static pthread_barrier_t freed_there;

static void *free_elsewhere(void *unused)
{
    free(shared);
    pthread_barrier_wait(&freed_here);
    pthread_barrier_wait(&freed_there);
    take_some(small, taken, 24);
    return unused;
}

static bool double_free_by_two_threads(void)
{
    pthread_t thread;
    pthread_barrier_init(&freed_here, NULL, 2);
    pthread_barrier_init(&freed_there, NULL, 2);
    shared = malloc(small);
    pthread_create(&thread, NULL, free_elsewhere, NULL);
    pthread_barrier_wait(&freed_here);
    free(shared);
    pthread_barrier_wait(&freed_there);
    pthread_join(thread, NULL);
    take_some(small, taken + 24, 6000);
    return any_twice(taken, 6024);
}

static bool realloc_of_a_freed_block(void)
{
    char *const block = malloc(small);
    malloc(small); // it cannot grow where it is
    free(block);
    return realloc(block, 4000) != NULL;
}

// ---- pointers to what is no block ----------------------------------------------------------------------------

static bool free_of_a_variable(void)
{
    _Alignas(16) char variable[256] = {0};
    free(variable + 64);
    return true;
}

// "tcache house of spirit": what lies in front of the variable looks like the header of a chunk.
static bool free_of_a_chunk_forged_on_the_stack(void)
{
    _Alignas(16) uintptr_t stack[64] = {0, small_chunk};
    malloc(small);
    free(stack + 2);
    return malloc(small) == (void *)(stack + 2);
}

// "house of spirit": the same past the thread cache, where the header behind it is looked at, too.
static bool free_of_two_chunks_forged_on_the_stack(void)
{
    _Alignas(16) uintptr_t stack[64] = {0, small_chunk};
    void *cached[cache_places];
    stack[1 + small_chunk / sizeof *stack] = small_chunk;
    take_some(small, cached, cache_places);
    free_all(cached, cache_places);
    free(stack + 2);
    return calloc(1, small) == (void *)(stack + 2);
}

static bool free_inside_a_block(void)
{
    char *const block = calloc(1, middling);
    free(block + 64);
    return true;
}

static bool free_inside_a_block_of_a_forged_chunk(void)
{
    char *const block = calloc(1, middling);
    *(uintptr_t *)(block + 72) = small_chunk;
    free(block + 80);
    return overlap(malloc(small), small, block, middling);
}

static bool free_inside_a_large_block(void)
{
    char *const block = calloc(1, large);
    free(block + 64 * 1024);
    return true;
}

static bool free_of_an_unaligned_pointer(void)
{
    char *const block = calloc(1, small);
    free(block + 8);
    return true;
}

// Where a block would begin that was not handed out yet.
static bool free_of_memory_not_handed_out(void)
{
    char *const block = malloc(small);
    free(block + 3 * (following(block) - block));
    return hands_out_twice(small);
}

const struct attack attacks_by_free[] = {
    {"double_free_at_once", double_free_at_once},
    {"double_free_with_one_between", double_free_with_one_between},
    {"double_free_with_twenty_between", double_free_with_twenty_between},
    {"double_free_of_2000_bytes", double_free_of_2000_bytes},
    {"double_free_of_100_kib", double_free_of_100_kib},
    {"double_free_of_a_mapped_block", double_free_of_a_mapped_block},
    {"double_free_behind_a_full_cache", double_free_behind_a_full_cache},
    {"double_free_then_a_link_to_the_stack", double_free_then_a_link_to_the_stack},
    {"double_free_after_consolidation", double_free_after_consolidation},
    {"double_free_of_a_merged_block", double_free_of_a_merged_block},
    {"double_free_by_two_threads", double_free_by_two_threads},
    {"realloc_of_a_freed_block", realloc_of_a_freed_block},
    {"free_of_a_variable", free_of_a_variable},
    {"free_of_a_chunk_forged_on_the_stack", free_of_a_chunk_forged_on_the_stack},
    {"free_of_two_chunks_forged_on_the_stack", free_of_two_chunks_forged_on_the_stack},
    {"free_inside_a_block", free_inside_a_block},
    {"free_inside_a_block_of_a_forged_chunk", free_inside_a_block_of_a_forged_chunk},
    {"free_inside_a_large_block", free_inside_a_large_block},
    {"free_of_an_unaligned_pointer", free_of_an_unaligned_pointer},
    {"free_of_memory_not_handed_out", free_of_memory_not_handed_out},
    {NULL, NULL},
};
