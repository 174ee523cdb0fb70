/* SPDX-License-Identifier: MIT
 *
 * options.c - a program that keeps no free memory while it rests
 *
 *     cc options.c -o options $(pkg-config --cflags --libs fastalloc)
 *     FASTALLOC_CONF=slack=16M ./options
 */
#include <errno.h>
#include <fastalloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void set(const char *name, const char *value)
{
    if (fastalloc_option_set(name, value) == 0)
        return;
    fprintf(stderr, "%s=%s: %s\n", name, value,
            errno == EPERM ? "set it when the program starts"
                           : strerror(errno));
    exit(1);
}

static void work(void)
{
    static void *parts[3000];
    int done = 0;

    while (done < 3000 && (parts[done] = malloc(4096)) != NULL)
        memset(parts[done++], 1, 4096);
    for (int i = 0; i < done; i++)
        free(parts[i]);
}

static void show(const char *when)
{
    struct fastalloc_stats stats;

    if (fastalloc_get_stats(&stats, sizeof stats) == 0)
        printf("%s: %llu KiB kept\n", when,
               (unsigned long long)stats.idle_bytes / 1024);
}

int main(void)
{
    char slack[64], share[64];

    if (fastalloc_option_get("slack", slack, sizeof slack) < 0 ||
        fastalloc_option_get("slack_share", share, sizeof share) <
            0)
        return 1;
    printf("slack=%s,slack_share=%s\n", slack, share);

    work();
    show("after work");

    set("slack", "0");
    set("slack_share", "0%");
    fastalloc_purge();
    show("at rest");

    set("slack", slack);
    set("slack_share", share);
    work();
    show("after work");
    return 0;
}
