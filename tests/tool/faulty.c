// SPDX-License-Identifier: MIT
//
// Writes behind a block, for `fastalloc run --valgrind`.
#include <stdlib.h>

int main(void)
{
    volatile char *const block = malloc(24);
    block[24] = 1;
    free((char *)block);
    return 0;
}
