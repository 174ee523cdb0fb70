/* SPDX-License-Identifier: MIT
 *
 * version.c - which version of the library a program was compiled for, and which it runs on
 *
 *     cc version.c -o version $(pkg-config --cflags --libs fastalloc)
 */
#include <fastalloc.h>
#include <stdio.h>

int main(void)
{
    printf("compiled for %d.%d.%d, runs on %s\n",
           FASTALLOC_VERSION_MAJOR, FASTALLOC_VERSION_MINOR,
           FASTALLOC_VERSION_PATCH, fastalloc_version());
    return 0;
}
