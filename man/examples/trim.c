/* SPDX-License-Identifier: MIT
 *
 * trim.c - what the heap has while a program holds much, when that is freed, and when it is trimmed
 *
 *     cc trim.c -o trim $(pkg-config --cflags --libs fastalloc)
 */
#include <fastalloc.h>
#include <stdio.h>
#include <string.h>

enum
{
    count = 50000,
    bytes = 1000
};

static char *blocks[count];

static void print(const char *when)
{
    struct mallinfo2 info = fastalloc_mallinfo2();

    printf("%-8s %5zu KiB in use of %5zu\n", when,
           info.uordblks / 1024, info.arena / 1024);
}

int main(void)
{
    for (int i = 0; i < count; i++)
    {
        blocks[i] = fastalloc_malloc(bytes);
        if (blocks[i] == NULL)
        {
            perror("trim");
            return 1;
        }
        memset(blocks[i], 1, bytes);
    }
    print("filled:");
    for (int i = 0; i < count; i++)
        fastalloc_free(blocks[i]);
    print("freed:");
    if (!fastalloc_malloc_trim(0))
        puts("there was nothing to give back");
    print("trimmed:");
    return 0;
}
