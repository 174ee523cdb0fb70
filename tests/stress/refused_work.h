// SPDX-License-Identifier: MIT
//
// refused_work.h - the run whose system calls refused_calls.c refuses: every kind of block, the same each time, by
// threads that come one after the other on stacks of the program, so that all calls are the library's. Include after
// tracer.h.
#ifndef TESTS_STRESS_REFUSED_WORK_H
#define TESTS_STRESS_REFUSED_WORK_H

enum
{
    slots = 40000,
    stack_bytes = 512 * 1024
};

struct held
{
    void *block;
    size_t size;
};

static struct held held[slots];
static size_t held_count;
static int must_succeed;

// Writes to a few places of a block, so that a run of large ones takes little time.
enum
{
    stamps = 8
};

static inline unsigned char stamp_of(size_t size)
{
    return (unsigned char)(size % 251 + 1);
}

static inline void stamp(void *block, size_t size)
{
    for (size_t index = 0; index <= stamps && size > 0; index++)
        ((unsigned char *)block)[(size - 1) / stamps * index] = stamp_of(size);
}

static inline int is_stamped(const void *block, size_t size)
{
    int same = 1;
    for (size_t index = 0; index <= stamps && size > 0; index++)
        same &= ((const unsigned char *)block)[(size - 1) / stamps * index] == stamp_of(size);
    return same;
}

// Notes a block, or that there was none.
static inline void hold(void *block, size_t size)
{
    if (!block)
    {
        require(errno == ENOMEM);
        require(!must_succeed);
        return;
    }
    stamp(block, size);
    require(held_count < slots);
    held[held_count++] = (struct held){block, size};
}

static inline void verify(const struct held *one)
{
    require(is_stamped(one->block, one->size));
    require(malloc_usable_size(one->block) >= one->size);
}

static inline void free_all(void)
{
    while (held_count > 0)
    {
        verify(&held[--held_count]);
        free(held[held_count].block);
    }
}

static inline void *allocate_in_thread(void *argument)
{
    const size_t base = (size_t)(uintptr_t)argument;
    errno = 0;
    for (size_t size = 16; size < 40000; size += size / 4 + base)
        hold(malloc(size), size);
    return NULL;
}

static inline void in_threads(void)
{
    static _Alignas(4096) char stack[stack_bytes];
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstack(&attributes, stack, sizeof stack);
    for (uintptr_t index = 1; index <= 3; index++)
    {
        pthread_t thread;
        if (pthread_create(&thread, &attributes, allocate_in_thread, (void *)(index * 16)) == 0)
            pthread_join(thread, NULL);
        else
            require(!must_succeed);
    }
}

static inline void grow(size_t from, size_t to, size_t step)
{
    struct held grown = {malloc(from), from};
    if (!grown.block)
    {
        hold(NULL, 0);
        return;
    }
    stamp(grown.block, from);
    for (size_t size = from + step; size <= to; size += step)
    {
        errno = 0;
        void *block = realloc(grown.block, size);
        verify(&(struct held){block ? block : grown.block, grown.size});
        if (!block)
        {
            require(errno == ENOMEM);
            require(!must_succeed);
            continue;
        }
        grown = (struct held){block, size};
        stamp(block, size);
    }
    for (size_t size = grown.size / 2; size > 100; size /= 3)
    {
        void *block = realloc(grown.block, size);
        if (!block)
            continue;
        grown.block = block;
        require(*(unsigned char *)block == stamp_of(grown.size));
        grown.size = size;
        stamp(block, size);
    }
    held[held_count++] = grown;
}

static inline void use_every_kind(void)
{
    errno = 0;
    for (size_t index = 0; index < 12000; index++) // more than the window's first steps
        hold(malloc(600), 600);
    for (size_t size = 100; size < 20 * mib; size += size / 2)
        hold(malloc(size), size);
    for (size_t size = 17000; size < 250000; size += 20000)
        hold(calloc(1, size), size);
    in_threads();
    hold(malloc(34 * mib), 34 * mib);
    hold(calloc(3, 12 * mib), 36 * mib);
    for (size_t index = 0; index < 3; index++)
        hold(aligned_alloc(4 * mib, 100000), 100000);
    grow(300 * kib, 50 * mib, 7 * mib);
    grow(35 * mib, 60 * mib, 8 * mib);
    malloc_trim(0);
}

// Enough outside blocks for their registry to grow.
static inline void use_many_mappings(void)
{
    errno = 0;
    for (size_t index = 0; index < 140; index++)
        hold(aligned_alloc(4 * mib, 100), 100);
}

static inline size_t address_bytes(void)
{
    char text[128] = {0};
    unsigned long pages = 0;
    int file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (file >= 0 && read(file, text, sizeof text - 1) > 0)
        sscanf(text, "%lu", &pages);
    close(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static inline void require_nothing_is_lost(size_t resident, size_t addresses)
{
    struct fastalloc_stats stats;
    require_whole_heap();
    require(fastalloc_get_stats(&stats, sizeof stats) == 0);
    require(stats.outside_blocks == 0 && stats.outside_bytes == 0);
    require(stats.live_bytes < 256 * kib);
    // The memory of a block that munmap is refused for is given back, its addresses stay; a kernel that takes nothing
    // back at all keeps it.
    require(growth(resident, resident_bytes()) < 8 * mib);
    require(growth(addresses, address_bytes()) < 8 * mib);
}

// "one" of all calls is refused, or "all" from one on; the run holds blocks of "every kind" or "many" mappings.
static inline int work(const char *what)
{
    void (*const use)(void) = strstr(what, "many") ? use_many_mappings : use_every_kind;
    memset(held, 1, sizeof held); // resident from here on
    size_t resident = resident_bytes();
    use();
    free_all();
    mark(mark_heal);
    if (strstr(what, "all"))
        resident = resident_bytes();
    must_succeed = 1;
    use();
    free_all();
    malloc_trim(0);
    const size_t addresses = address_bytes();
    use();
    free_all();
    malloc_trim(0);
    require_nothing_is_lost(resident, addresses);
    return requirements_unmet ? 1 : 0;
}

#endif // TESTS_STRESS_REFUSED_WORK_H
