// SPDX-License-Identifier: MIT
//
// user_library.c - a library that links libfastalloc, for a program that does not: in that program malloc is libc's,
// and the library uses the allocator under its own names.
#include <fastalloc.h>

#include <string.h>

// Allocates, resizes and frees blocks of all sizes; 0 if all held what was written.
__attribute__((visibility("default"))) int library_uses_blocks(unsigned seed)
{
    enum
    {
        live = 64
    };
    unsigned char *blocks[live] = {NULL};
    size_t sizes[live] = {0};
    int wrong = 0;
    for (unsigned step = 0; step < 4000; step++)
    {
        seed = seed * 1103515245u + 12345u;
        unsigned slot = (seed >> 16) % live;
        size_t size = ((size_t)1 << (seed >> 8) % 17) + slot;
        if (blocks[slot])
        {
            wrong |= blocks[slot][0] != slot || blocks[slot][sizes[slot] - 1] != slot;
            wrong |= fastalloc_malloc_usable_size(blocks[slot]) < sizes[slot];
        }
        blocks[slot] = fastalloc_realloc(blocks[slot], size);
        if (!blocks[slot])
            return 1;
        memset(blocks[slot], (int)slot, size);
        sizes[slot] = size;
    }
    for (unsigned slot = 0; slot < live; slot++)
        fastalloc_free(blocks[slot]);
    return wrong;
}

// A block for somebody else to free.
__attribute__((visibility("default"))) void *library_makes_block(size_t size)
{
    return fastalloc_malloc(size);
}

// Gives a block of anybody's to fastalloc_free.
__attribute__((visibility("default"))) void library_frees(void *block)
{
    fastalloc_free(block);
}

// 0 if the heap is whole and as many threads are attached as could be, at most `threads`.
__attribute__((visibility("default"))) int library_checks(unsigned threads)
{
    struct fastalloc_stats stats;
    if (fastalloc_check_heap(NULL, 0) != 0 || fastalloc_get_stats(&stats, sizeof stats) != 0)
        return 1;
    return stats.attached_threads > threads;
}
