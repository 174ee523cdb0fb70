// SPDX-License-Identifier: MIT
//
// other.c - a process on libc's malloc: it has a block, and waits until standard input ends.
#include <stdio.h>
#include <stdlib.h>

int main(void)
{
    char *const block = malloc(100);
    puts(block != NULL ? "ready" : "none");
    fflush(stdout);
    while (getchar() != EOF)
        ;
    free(block);
    return 0;
}
