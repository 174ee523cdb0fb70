// SPDX-License-Identifier: MIT
//
// misuse.c - one misuse of free a run: `misuse NAME`. Each must end the process with SIGABRT and one line on standard
// error, which expect.py holds against the text it is given; a run that survives says so and ends with 0.
#include "fastalloc.h"

#include <stdlib.h>
#include <string.h>

enum
{
    small = 64,
    medium = 100 * 1024,
    large = 1024 * 1024,
    outside = 64 * 1024 * 1024
};

static char variable[64];

static void free_twice(size_t size)
{
    char *volatile block = malloc(size);
    free(block);
    free(block);
}

static void double_free_of_the_block_freed_last(void)
{
    free_twice(small);
}

static void double_free_of_a_medium_block(void)
{
    char *volatile other = malloc(medium);
    char *volatile block = malloc(medium);
    free(block);
    free(other);
    free(block);
}

static void double_free_of_a_large_block(void)
{
    free_twice(large);
}

static void double_free_of_an_outside_block(void)
{
    free_twice(outside);
}

static void free_of_a_variable(void)
{
    char *volatile pointer = variable;
    free(pointer);
}

static void free_inside_a_medium_block(void)
{
    char *volatile block = malloc(medium);
    free(block + 64);
}

static void free_inside_a_large_block(void)
{
    char *volatile block = malloc(large);
    free(block + 16);
}

static void sized_free_with_another_size(void)
{
    void *volatile block = malloc(small);
    fastalloc_free_sized(block, 4000);
}

static void realloc_of_a_variable(void)
{
    char *volatile pointer = variable;
    pointer = realloc(pointer, 100);
}

static const struct
{
    const char *name;
    void (*run)(void);
} misuses[] = {
    {"double_free_of_the_block_freed_last", double_free_of_the_block_freed_last},
    {"double_free_of_a_medium_block", double_free_of_a_medium_block},
    {"double_free_of_a_large_block", double_free_of_a_large_block},
    {"double_free_of_an_outside_block", double_free_of_an_outside_block},
    {"free_of_a_variable", free_of_a_variable},
    {"free_inside_a_medium_block", free_inside_a_medium_block},
    {"free_inside_a_large_block", free_inside_a_large_block},
    {"sized_free_with_another_size", sized_free_with_another_size},
    {"realloc_of_a_variable", realloc_of_a_variable},
};

int main(int count, char **arguments)
{
    for (size_t which = 0; which < sizeof misuses / sizeof *misuses; which++)
        if (count == 2 && strcmp(arguments[1], misuses[which].name) == 0)
        {
            misuses[which].run();
            fputs("nobody noticed\n", stderr);
            return 0;
        }
    fputs("misuse NAME\n", stderr);
    return 2;
}
