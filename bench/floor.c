// SPDX-License-Identifier: MIT
//
// floor - the least a preloaded malloc can do: a yardstick, not an allocator
//
// Requests of up to 64 bytes pop one global list of 64-byte blocks, or take fresh memory when it is empty; free
// pushes. No lock, no size class, no owner, no metadata: one thread and one block size only. What a real allocator
// needs beyond this is its price. Everything larger (start-up, stdio) is cut from a second area and never used again.
//
// Both areas lie at fixed addresses, so that free can tell a block from the rest (and from NULL) by one comparison
// with a constant. Blocks are 64 bytes, the size the workloads ask for: wider ones would cost cache misses that are
// no allocator's duty.
#define _GNU_SOURCE
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

enum
{
    BLOCK_BYTES = 64,
    AREA_SHIFT = 36, // 64 GiB each, reserved but not charged
    BLOCK_AREA = 0x120,
    OTHER_AREA = 0x121,
    HEADER_BYTES = 16 // before a request in the second area: its size, for realloc
};

struct link
{
    struct link *next;
};

static struct link *first;
static uintptr_t fresh_block, end_of_blocks; // both 0 until the areas are mapped
static uintptr_t fresh_other;

static int is_block(const void *address)
{
    return (uintptr_t)address >> AREA_SHIFT == BLOCK_AREA;
}

static void map_areas(void)
{
    void *const start = (void *)((uintptr_t)BLOCK_AREA << AREA_SHIFT);
    const size_t bytes = (size_t)2 << AREA_SHIFT;
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE;
    if (mmap(start, bytes, PROT_READ | PROT_WRITE, flags, -1, 0) != start)
    {
        static const char message[] = "floor: cannot map its areas\n";
        if (write(STDERR_FILENO, message, sizeof message - 1) < 0)
            _exit(1);
        _exit(1);
    }
    fresh_block = (uintptr_t)start;
    end_of_blocks = fresh_block + bytes / 2;
    fresh_other = end_of_blocks;
}

// What is not a block: a stretch of the second area, `alignment` a power of two.
__attribute__((noinline, cold)) static void *cut(size_t bytes, size_t alignment)
{
    if (end_of_blocks == 0)
        map_areas();
    const uintptr_t start = (fresh_other + HEADER_BYTES + alignment - 1) & ~(uintptr_t)(alignment - 1);
    if (bytes > end_of_blocks + ((size_t)1 << AREA_SHIFT) - start)
    {
        errno = ENOMEM;
        return NULL;
    }
    memcpy((void *)(start - HEADER_BYTES), &bytes, sizeof bytes);
    fresh_other = (start + bytes + 15) & ~(uintptr_t)15;
    return (void *)start;
}

__attribute__((noinline, cold)) static void *first_block(void)
{
    if (end_of_blocks != 0)
    {
        errno = ENOMEM;
        return NULL;
    }
    map_areas();
    void *block = (void *)fresh_block;
    fresh_block += BLOCK_BYTES;
    return block;
}

EXPORT void *malloc(size_t size)
{
    if (__builtin_expect(size > BLOCK_BYTES, 0))
        return cut(size, HEADER_BYTES);
    struct link *block = first;
    if (__builtin_expect(block != NULL, 1))
    {
        first = block->next;
        return block;
    }
    if (__builtin_expect(fresh_block == end_of_blocks, 0))
        return first_block();
    block = (struct link *)fresh_block;
    fresh_block += BLOCK_BYTES;
    return block;
}

EXPORT void free(void *address)
{
    if (__builtin_expect(!is_block(address), 0))
        return;
    struct link *block = address;
    block->next = first;
    first = block;
}

// ---- what start-up needs besides; no workload of the floor measures these ----

EXPORT size_t malloc_usable_size(void *address)
{
    size_t bytes = 0;
    if (is_block(address))
        bytes = BLOCK_BYTES;
    else if (address != NULL)
        memcpy(&bytes, (char *)address - HEADER_BYTES, sizeof bytes);
    return bytes;
}

EXPORT void *calloc(size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
    {
        errno = ENOMEM;
        return NULL;
    }
    void *block = malloc(bytes);
    return block == NULL ? NULL : memset(block, 0, bytes);
}

EXPORT void *realloc(void *address, size_t size)
{
    const size_t old_bytes = malloc_usable_size(address);
    if (address != NULL && size <= old_bytes)
        return address;
    void *moved = malloc(size);
    if (moved == NULL || address == NULL)
        return moved;
    memcpy(moved, address, old_bytes);
    free(address);
    return moved;
}

EXPORT void *memalign(size_t alignment, size_t size)
{
    return cut(size, alignment < HEADER_BYTES ? HEADER_BYTES : alignment);
}

EXPORT void *aligned_alloc(size_t alignment, size_t size)
{
    return memalign(alignment, size);
}

EXPORT int posix_memalign(void **block, size_t alignment, size_t size)
{
    void *found = memalign(alignment, size);
    if (found == NULL)
        return ENOMEM;
    *block = found;
    return 0;
}
