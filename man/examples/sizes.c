/* SPDX-License-Identifier: MIT
 *
 * sizes.c - how much memory a program holds, and in blocks of which size
 *
 *     cc sizes.c -o sizes $(pkg-config --cflags --libs fastalloc)
 */
#include <fastalloc.h>
#include <inttypes.h>
#include <stdio.h>

static int print_sizes(void)
{
    struct fastalloc_stats total;
    struct fastalloc_class_stats size;

    if (fastalloc_get_stats(&total, sizeof total) != 0)
        return -1;
    printf("live %" PRIu64 ", of:\n", total.live_bytes);
    for (unsigned row = 0;
         fastalloc_get_class_stats(row, &size, sizeof size) == 0;
         row++)
        if (size.live_bytes > total.live_bytes / 10)
            printf("%8" PRIu64 " blocks of %5" PRIu64 " bytes\n",
                   size.live_blocks, size.block_bytes);
    return 0;
}

int main(void)
{
    for (int i = 0; i < 20000; i++)
        if (fastalloc_malloc(1000) == NULL ||
            fastalloc_malloc(3000) == NULL)
        {
            perror("sizes");
            return 1;
        }
    if (print_sizes() != 0)
    {
        perror("fastalloc_get_stats");
        return 1;
    }
    return 0;
}
