/* SPDX-License-Identifier: MIT
 *
 * cache.c - a cache that is emptied when the soft limit is passed
 *
 *     cc cache.c -o cache $(pkg-config --cflags --libs fastalloc)
 *     FASTALLOC_CONF=soft_limit=64M ./cache
 */
#include <fastalloc.h>
#include <stdio.h>

enum
{
    entries = 200,
    entry_bytes = 1 << 20
};

static void *cache[entries];
static int emptied;

static void empty_cache(void *context, uint64_t held,
                        uint64_t limit)
{
    (void)context;
    (void)held;
    (void)limit;
    for (int i = 0; i < entries; i++)
    {
        fastalloc_free(cache[i]);
        cache[i] = NULL;
    }
    emptied++;
}

static const struct fastalloc_observer observer = {
    .size = sizeof observer,
    .soft_limit_passed = empty_cache,
};

int main(void)
{
    struct fastalloc_stats stats;

    if (fastalloc_observe(&observer) != 0)
    {
        perror("fastalloc_observe");
        return 1;
    }
    for (int i = 0; i < entries; i++)
    {
        cache[i] = fastalloc_malloc(entry_bytes);
        if (cache[i] == NULL)
        {
            perror("cache");
            return 1;
        }
    }
    if (fastalloc_get_stats(&stats, sizeof stats) != 0)
        return 1;
    printf("emptied %d times, held at most %llu MiB\n", emptied,
           (unsigned long long)stats.peak_held_bytes >> 20);
    return 0;
}
