/* SPDX-License-Identifier: MIT
 *
 * purge.c - memory goes back before a program waits for long
 *
 *     cc purge.c -o purge $(pkg-config --cflags --libs fastalloc)
 */
#include <fastalloc.h>
#include <stdio.h>
#include <string.h>

/* Memory for a request; 0 if there is none. */
static int serve(void)
{
    static void *parts[300];
    int done = 0;

    while (done < 300)
    {
        parts[done] = fastalloc_malloc(10000);
        if (parts[done] == NULL)
            break;
        memset(parts[done++], 1, 10000);
    }
    for (int i = 0; i < done; i++)
        fastalloc_free(parts[i]);
    return done == 300;
}

int main(void)
{
    if (!serve())
    {
        perror("purge");
        return 1;
    }
    printf("%zu KiB went back\n", fastalloc_purge() / 1024);
    return 0;
}
