/* SPDX-License-Identifier: MIT
 *
 * largest.c - looks whether the heap is whole, and for the largest block in it
 *
 *     cc largest.c -o largest $(pkg-config --cflags --libs fastalloc)
 */
#include <fastalloc.h>
#include <stdio.h>

static int look(void *context, const struct fastalloc_block *block)
{
    size_t *largest = context;

    if (block->usable > *largest)
        *largest = block->usable;
    return 0;
}

int main(void)
{
    char message[200];
    size_t largest = 0;
    void *blocks[2] = {fastalloc_malloc(3000000),
                       fastalloc_malloc(5000000)};

    if (blocks[0] == NULL || blocks[1] == NULL)
    {
        perror("largest");
        return 1;
    }
    if (fastalloc_check_heap(message, sizeof message) == 1)
    {
        fprintf(stderr, "the heap is broken: %s\n", message);
        return 1;
    }
    if (fastalloc_heap_visit(look, &largest) != 0)
    {
        perror("fastalloc_heap_visit");
        return 1;
    }
    printf("the largest block has %zu bytes\n", largest);
    for (int i = 0; i < 2; i++)
        fastalloc_free(blocks[i]);
    return 0;
}
