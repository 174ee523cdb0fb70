// SPDX-License-Identifier: MIT
//
// pointers.h - what is given away: pointers of every kind, made from blocks of one size that the main thread owns.
#ifndef TESTS_FAULT_POINTERS_H
#define TESTS_FAULT_POINTERS_H

#include <malloc.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

// The part of the root record that is read here. Weak, so that it is read where the library has it.
extern const struct
{
    uint64_t magic;
    uint64_t layout_version;
    uint64_t window_base;
    uint64_t window_bytes;
    const void *tables[7];
    const char *fatal_line;
} fastalloc_root __attribute__((weak));

enum
{
    slice_bytes = 64 * 1024,
    record_bytes = 64,
    small_block_max = 16 * 1024, // of a span that counts them; above, it has a bit for each
    span_block_max = 256 * 1024  // above, a block shares no span
};

static size_t size;         // asked for
static size_t bytes;        // what a block of this size has
static char *block;         // of this size, the first one of its span
static char **others;       // allocated after it: of the same span where it has room
static size_t others_count; // of them, and how many have been freed, from the first on
static size_t others_freed;
static char *pointer; // what is given away
static size_t named;  // the size that the call names, 0 if it names none

// ---- blocks --------------------------------------------------------------------------------------------------------

static uintptr_t slice_of(const char *address)
{
    return ((uintptr_t)address - fastalloc_root.window_base) / slice_bytes;
}

// The first block of a span, so that the span is this program's alone. Those before it stay in use.
static char *first_of_a_span(void)
{
    char *first = malloc(size);
    if (size > span_block_max)
        return first;
    char *next = first;
    while (slice_of(next) == slice_of(first))
        next = malloc(size);
    return next;
}

// `block`, and up to `count` others of its span, at least one if that is not 0.
static void take_blocks(size_t count)
{
    others = mmap(NULL, slice_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    block = first_of_a_span();
    bytes = malloc_usable_size(block);
    pointer = block;
    while (others_count < count)
    {
        char *const next = malloc(size);
        others[others_count++] = next;
        if (slice_of(next) != slice_of(block))
            break;
    }
}

static void take_block(void)
{
    take_blocks(1);
}

static void take_block_alone(void)
{
    take_blocks(0);
}

static void take_span(void)
{
    take_blocks(slice_bytes / sizeof *others);
}

static void free_others(size_t count)
{
    for (; others_freed < count; others_freed++)
        free(others[others_freed]);
}

// ---- pointers: each has `pointer` made by the owner -----------------------------------------------------------------

static void point_at_variable(void)
{
    static char variable[64];
    take_block();
    pointer = variable;
}

static void point_at_mapping(void)
{
    take_block();
    pointer = mmap(NULL, slice_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void point_at_nothing(void)
{
    point_at_mapping();
    munmap(pointer, slice_bytes);
}

static void point_low(void)
{
    take_block();
    pointer = (char *)16;
}

static void point_high(void)
{
    take_block();
    pointer = (char *)-16;
}

static void point_at_first_chunk(void)
{
    take_block();
    pointer = (char *)fastalloc_root.window_base;
}

// The last page of the reserved addresses, of a region that is given to nobody.
static void point_at_window_end(void)
{
    take_block();
    pointer = (char *)(fastalloc_root.window_base + fastalloc_root.window_bytes - 4096);
}

// The record of a block's slice.
static void point_at_record(void)
{
    take_block();
    pointer = (char *)(fastalloc_root.window_base - slice_of(block) * record_bytes);
}

// The block's arena: a record's first word.
static void point_at_arena(void)
{
    point_at_record();
    pointer = *(char **)pointer;
}

static void point_one_off(void)
{
    take_block();
    pointer = block + 1;
}

static void point_inside(void)
{
    take_block();
    pointer = block + (size / 2 < 4096 ? size / 2 : 4096);
}

static void point_at_end(void)
{
    take_block();
    pointer = block + size - 8;
}

// The block that a span hands out last: the one before its first, or the span's last.
static void point_at_unborn(void)
{
    take_block();
    const size_t offset = (size_t)(block - (char *)fastalloc_root.window_base) % slice_bytes;
    pointer = offset >= bytes ? block - bytes : block + (slice_bytes / bytes - 1) * bytes;
}

// ---- what is done before, by the first of two ----------------------------------------------------------------------

static void free_block(void)
{
    free(block);
}

static void free_block_and_another(void)
{
    free(block);
    free_others(1);
}

static void free_block_and_half(void)
{
    free(block);
    free_others(others_count / 2);
}

static void free_and_trim(void)
{
    free(block);
    malloc_trim(0);
}

static void free_and_take_again(void)
{
    free(block);
    block = malloc(size);
    if (block != pointer)
        _exit(3);
}

static void free_and_write(void)
{
    free(block);
    memset(block, 'x', 8);
}

static const struct pointer
{
    const char *name;
    void (*make)(void);
    void (*before)(void);
} pointers[] = {
    // outside the window, and not in the registry of outside blocks
    {"variable", point_at_variable, NULL},
    {"mapping", point_at_mapping, NULL},
    {"unmapped", point_at_nothing, NULL},
    {"low", point_low, NULL},
    {"high", point_high, NULL},
    {"record", point_at_record, NULL},
    {"window_end", point_at_window_end, NULL},
    // in the window, and in no block
    {"first_chunk", point_at_first_chunk, NULL},
    {"arena", point_at_arena, NULL},
    {"gone", take_block_alone, free_and_trim},
    {"unborn", point_at_unborn, NULL},
    // in a block
    {"one_off", point_one_off, NULL},
    {"inside", point_inside, NULL},
    {"last_word", point_at_end, NULL},
    // a block
    {"live", take_block, NULL},
    {"freed", take_block, free_block},
    {"freed_before_another", take_block, free_block_and_another},
    {"freed_among_many", take_span, free_block_and_half},
    {"handed_out_again", take_block, free_and_take_again},
    {"written_to", take_block, free_and_write},
};

#endif // TESTS_FAULT_POINTERS_H
