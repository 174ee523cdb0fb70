// SPDX-License-Identifier: MIT
//
// count - how many bytes a program holds at most: a preloaded malloc that adds up what was asked for
//
// glibc's malloc serves, with 16 bytes before each block for the size asked and where the block begins. Live bytes and
// their peak are counted across all threads, and added as a line to the file that BENCH_COUNT_FILE names when the
// process ends: the denominator of every allocator's overhead at peak. Beside it, how many blocks were given out, the
// moved ones of realloc too, and how many came back. It is slow and takes memory: no run under it is
// timed. Each process of a command that starts others has its line; a forked child goes on from its parent's count.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void __libc_free(void *);

enum
{
    HEADER_BYTES = 16
};

struct header
{
    void *start; // what glibc gave
    size_t size; // what was asked for
};

static _Atomic size_t live, peak, allocations, frees; // relaxed: figures, and nothing is ordered by them
static char path[256];

static struct header *header_of(void *block)
{
    return (struct header *)block - 1;
}

static void *count_in(void *start, size_t offset, size_t size)
{
    if (start == NULL)
        return NULL;
    void *block = (char *)start + offset;
    *header_of(block) = (struct header){start, size};
    atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed);
    const size_t now = atomic_fetch_add_explicit(&live, size, memory_order_relaxed) + size;
    size_t most = atomic_load_explicit(&peak, memory_order_relaxed);
    while (now > most &&
           !atomic_compare_exchange_weak_explicit(&peak, &most, now, memory_order_relaxed, memory_order_relaxed))
        continue;
    return block;
}

static int too_large(size_t size, size_t more)
{
    if (size <= PTRDIFF_MAX - more)
        return 0;
    errno = ENOMEM;
    return 1;
}

EXPORT void *malloc(size_t size)
{
    if (too_large(size, HEADER_BYTES))
        return NULL;
    return count_in(__libc_malloc(size + HEADER_BYTES), HEADER_BYTES, size);
}

EXPORT void free(void *block)
{
    if (block == NULL)
        return;
    atomic_fetch_add_explicit(&frees, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&live, header_of(block)->size, memory_order_relaxed);
    __libc_free(header_of(block)->start);
}

EXPORT void *calloc(size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || too_large(bytes, HEADER_BYTES))
    {
        errno = ENOMEM;
        return NULL;
    }
    return count_in(__libc_calloc(1, bytes + HEADER_BYTES), HEADER_BYTES, bytes);
}

EXPORT void *realloc(void *block, size_t size)
{
    if (block == NULL)
        return malloc(size);
    if (size == 0)
    {
        free(block);
        return NULL;
    }
    const struct header old = *header_of(block);
    const size_t offset = (size_t)((char *)block - (char *)old.start);
    if (too_large(size, offset))
        return NULL;
    void *start = __libc_realloc(old.start, size + offset);
    if (start == NULL)
        return NULL;
    atomic_fetch_sub_explicit(&live, old.size, memory_order_relaxed);
    return count_in(start, offset, size);
}

EXPORT void *memalign(size_t alignment, size_t size)
{
    const size_t offset = alignment < HEADER_BYTES ? HEADER_BYTES : alignment;
    if (alignment > PTRDIFF_MAX / 2 || too_large(size, offset))
        return NULL;
    return count_in(__libc_memalign(offset, size + offset), offset, size);
}

EXPORT void *aligned_alloc(size_t alignment, size_t size)
{
    return memalign(alignment, size);
}

EXPORT void *valloc(size_t size)
{
    return memalign((size_t)sysconf(_SC_PAGESIZE), size);
}

EXPORT void *pvalloc(size_t size)
{
    const size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    return too_large(size, page_bytes) ? NULL : valloc((size + page_bytes - 1) / page_bytes * page_bytes);
}

EXPORT int posix_memalign(void **block, size_t alignment, size_t size)
{
    if (alignment < sizeof(void *) || (alignment & (alignment - 1)) != 0)
        return EINVAL;
    void *found = memalign(alignment, size);
    if (found == NULL)
        return ENOMEM;
    *block = found;
    return 0;
}

EXPORT size_t malloc_usable_size(void *block)
{
    return block == NULL ? 0 : header_of(block)->size;
}

__attribute__((constructor)) static void begin(void)
{
    const char *named = getenv("BENCH_COUNT_FILE");
    if (named != NULL && strlen(named) < sizeof path)
        strcpy(path, named);
}

__attribute__((destructor)) static void end(void)
{
    const int file = path[0] == 0 ? -1 : open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (file < 0)
        return;
    dprintf(file, "peak_bytes=%zu allocations=%zu frees=%zu\n", atomic_load_explicit(&peak, memory_order_relaxed),
            atomic_load_explicit(&allocations, memory_order_relaxed),
            atomic_load_explicit(&frees, memory_order_relaxed));
    close(file);
}
