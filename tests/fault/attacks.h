// SPDX-License-Identifier: MIT
//
// attacks.h - classic attacks on a heap and misuses of it, written for no particular allocator: the same program runs
// on libc's malloc and on the library (attacks.py), finds every address at run time, and breaks only what a faulty
// program could break: it frees what it must not, or it writes through pointers it has or had, near their blocks.
//
// Each attack says whether it reached its goal:
//
//   a double free                  malloc hands out a block that is in use
//   a free of what is no block     the call returns
//   a forged header, link or size  malloc hands out memory that is in use or none of the heap's, or a variable of the
//                                  program changed
//   a plain overflow or a write
//   to a freed block               the process goes on with its calls of malloc and free
//
// Where the bytes mean something to glibc only (headers, bins), they are glibc's (2.36, 64 bits); on another allocator
// the same bytes are written to the same places.
#pragma once

#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum
{
    ended_short_of_goal = 0,
    ended_at_goal = 10,
    ended_unsuited = 11, // the attack could not be tried: its blocks did not lie as they must
};

struct attack
{
    const char *name;
    bool (*reaches_goal)(void);
};

extern const struct attack attacks_by_free[];
extern const struct attack attacks_by_write[];
extern const struct attack attacks_on_bins[];

enum
{
    cache_places = 7, // blocks of a size that glibc's thread cache holds
    header = 16,      // of a glibc chunk: previous size and size
};

static inline bool overlap(const void *first, size_t first_bytes, const void *second, size_t second_bytes)
{
    const uintptr_t one = (uintptr_t)first;
    const uintptr_t other = (uintptr_t)second;
    return one < other + second_bytes && other < one + first_bytes;
}

// The first byte behind what the block may hold: glibc's size of the next chunk is there.
static inline uintptr_t *end_of(void *block)
{
    return (uintptr_t *)((char *)block + malloc_usable_size(block));
}

// Where a block right behind this one begins.
static inline char *following(void *block)
{
    return (char *)(((uintptr_t)end_of(block) + 15) & ~(uintptr_t)15);
}

// Blocks that lie in a row, in the order of their addresses.
static inline void take_row(size_t size, char **row, int count)
{
    int length = 0;
    for (int tries = 0; tries < 1000 && length < count; tries++)
    {
        char *const block = malloc(size);
        if (length > 0 && block != following(row[length - 1]))
            length = 0;
        row[length++] = block;
    }
    if (length < count)
        exit(ended_unsuited);
}

static inline void take_some(size_t size, void **blocks, int count)
{
    for (int number = 0; number < count; number++)
        blocks[number] = malloc(size);
}

static inline void free_all(void **blocks, int count)
{
    for (int number = 0; number < count; number++)
        free(blocks[number]);
}

static inline bool any_twice(void *const *blocks, int count)
{
    for (int one = 0; one < count; one++)
        for (int other = 0; other < one; other++)
            if (blocks[one] == blocks[other])
                return true;
    return false;
}

static inline bool hands_out_twice(size_t size)
{
    void *blocks[24];
    take_some(size, blocks, 24);
    return any_twice(blocks, 24);
}

// A link as the allocator would store it at `place`, to `target`, learnt from `sample`: a freed block whose first word
// leads to `sample_next`, known to the attacker. Allocators mix links with the place (glibc, which may also link chunks
// instead of blocks) or with a secret.
static inline uintptr_t forged_link(const void *place, uintptr_t sample_word, const void *sample,
                                    const void *sample_next, const void *target)
{
    const uintptr_t next = sample_word ^ (uintptr_t)sample >> 12;
    if (next == (uintptr_t)sample_next)
        return (uintptr_t)target ^ (uintptr_t)place >> 12;
    if (next == (uintptr_t)sample_next - header)
        return ((uintptr_t)target - header) ^ (uintptr_t)place >> 12;
    return (uintptr_t)target ^ sample_word ^ (uintptr_t)sample_next;
}
