// SPDX-License-Identifier: MIT
//
// start - the least that a program does which needs malloc: one block, and the end
//
// Built twice: alone, and linked with libnuma, of which it uses nothing. What a start of the second takes beyond one of
// the first is what linking libnuma costs a process: loading it, and what its constructor does. See bench/startup.
#include <stdlib.h>

int main(void)
{
    void *block = malloc(64);
    if (block == NULL)
        return 1;
    free(block);
    return 0;
}
