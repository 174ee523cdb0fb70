/* SPDX-License-Identifier: MIT
 *
 * on_node.c - a table on the node of the thread that reads it
 *
 *     cc on_node.c -o on_node $(pkg-config --cflags --libs fastalloc)
 */
#include <fastalloc.h>
#include <stdio.h>
#include <string.h>

int main(void)
{
    size_t bytes = 8 << 20;
    int node = fastalloc_thread_node();
    int placed;
    char *table;

    /* -1: the thread was given a memory policy, which rules. */
    table = node < 0 ? fastalloc_malloc(bytes)
                     : fastalloc_malloc_on(node, bytes);
    if (table == NULL)
    {
        perror("on_node");
        return 1;
    }
    memset(table, 1, bytes);
    placed = fastalloc_node_of(table);
    if (node >= 0 && placed >= 0 && placed != node)
        printf("node %d is full, node %d took it\n", node, placed);
    printf("%zu bytes\n", bytes);
    fastalloc_free(table);
    return 0;
}
