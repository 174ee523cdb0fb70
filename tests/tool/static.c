// SPDX-License-Identifier: MIT
//
// A program for `fastalloc run` that is linked statically: the dynamic linker has no part in it.
#include <stdio.h>

int main(void)
{
    puts("ran");
    return 0;
}
