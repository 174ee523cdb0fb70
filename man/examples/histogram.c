/* SPDX-License-Identifier: MIT
 *
 * histogram.c - how many bytes a program holds, by the size of its blocks, every second
 *
 *     cc -shared -fPIC histogram.c -o histogram.so $(pkg-config --cflags --libs fastalloc)
 *     LD_PRELOAD="libfastalloc.so.1 ./histogram.so" PROGRAM
 *
 * Samples one byte in half a mebibyte, so the program stays as fast as it is. Each sample stands for so many bytes.
 */
#include <fastalloc.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum
{
    sizes = 48 /* powers of two */
};

static long long live[sizes]; /* bytes, changed by all threads */

static void print(void)
{
    static const char bar[] =
        "################################################";

    dprintf(STDERR_FILENO, "%12s %12s\n", "block size",
            "live bytes");
    for (int size = 0; size < sizes; size++)
    {
        long long bytes =
            __atomic_load_n(&live[size], __ATOMIC_RELAXED);
        if (bytes > 0)
            dprintf(STDERR_FILENO, "%12llu %12lld %.*s\n",
                    1ULL << size, bytes,
                    63 - __builtin_clzll(bytes), bar);
    }
}

static void add(const struct fastalloc_event *event,
                long long bytes)
{
    int size = 63 - __builtin_clzll(event->given | 1);

    __atomic_fetch_add(&live[size], bytes, __ATOMIC_RELAXED);
}

static void allocated(void *context,
                      const struct fastalloc_event *event)
{
    static time_t printed;
    time_t now = time(NULL);

    (void)context;
    add(event, (long long)event->stands_for);
    if (__atomic_exchange_n(&printed, now, __ATOMIC_RELAXED) != now)
        print();
}

static void freeing(void *context,
                    const struct fastalloc_event *event)
{
    (void)context;
    add(event, -(long long)event->stands_for);
}

static const struct fastalloc_hooks hooks = {
    .size = sizeof hooks,
    .sample_interval = 512 * 1024,
    .allocated = allocated,
    .freeing = freeing,
};

__attribute__((constructor)) static void begin(void)
{
    if (fastalloc_hooks_add(&hooks) != 0)
        perror("fastalloc_hooks_add");
}
