// SPDX-License-Identifier: MIT
//
// calls.h - the functions that `pointer` is given to, and which size they name. Include after pointers.h.
#ifndef TESTS_FAULT_CALLS_H
#define TESTS_FAULT_CALLS_H

void free_sized(void *block, size_t size);
void free_aligned_sized(void *block, size_t alignment, size_t size);

// C++'s operators delete, under the names they have for the linker: plain, with size, with size and alignment.
void delete_plain(void *block) __asm__("_ZdlPv");
void delete_sized(void *block, size_t size) __asm__("_ZdlPvm");
void delete_aligned(void *block, size_t size, size_t alignment) __asm__("_ZdlPvmSt11align_val_t");

static void call_realloc(void)
{
    pointer = realloc(pointer, named);
}

static void call_reallocarray(void)
{
    pointer = reallocarray(pointer, 2, named / 2);
}

static void call_realloc_to_0(void)
{
    pointer = realloc(pointer, 0);
}

static void call_usable(void)
{
    bytes = malloc_usable_size(pointer);
}

static void call_free(void)
{
    free(pointer);
}

static void call_free_sized(void)
{
    free_sized(pointer, named);
}

static void call_free_aligned_sized(void)
{
    free_aligned_sized(pointer, 8, named);
}

static void call_free_misaligned(void)
{
    free_aligned_sized(pointer, 24, named);
}

// The least alignment that the block does not have.
static size_t stricter(void)
{
    const uintptr_t address = (uintptr_t)pointer;
    return (address & -address) * 2;
}

static void call_free_aligned_stricter(void)
{
    free_aligned_sized(pointer, stricter(), named);
}

static void call_delete_aligned_stricter(void)
{
    delete_aligned(pointer, named, stricter());
}

static void call_delete(void)
{
    delete_plain(pointer);
}

static void call_delete_sized(void)
{
    delete_sized(pointer, named);
}

static void call_delete_aligned(void)
{
    delete_aligned(pointer, named, 8);
}

static void call_malloc(void)
{
    pointer = malloc(size);
}

enum named
{
    none,
    itself,
    larger,
    smaller,
    doubled
};

static const struct call
{
    const char *name;
    void (*run)(void);
    enum named named;
} calls[] = {
    {"free", call_free, none},
    {"realloc", call_realloc, doubled},
    {"reallocarray", call_reallocarray, doubled},
    {"realloc_to_0", call_realloc_to_0, none},
    {"malloc_usable_size", call_usable, none},
    {"free_sized", call_free_sized, itself},
    {"free_sized_larger", call_free_sized, larger},
    {"free_sized_smaller", call_free_sized, smaller},
    {"free_aligned_sized", call_free_aligned_sized, itself},
    {"free_aligned_sized_larger", call_free_aligned_sized, larger},
    {"free_aligned_sized_smaller", call_free_aligned_sized, smaller},
    {"free_aligned_sized_by_24", call_free_misaligned, itself},
    {"free_aligned_sized_stricter", call_free_aligned_stricter, itself},
    {"delete", call_delete, none},
    {"delete_sized", call_delete_sized, itself},
    {"delete_sized_larger", call_delete_sized, larger},
    {"delete_sized_smaller", call_delete_sized, smaller},
    {"delete_aligned", call_delete_aligned, itself},
    {"delete_aligned_larger", call_delete_aligned, larger},
    {"delete_aligned_stricter", call_delete_aligned_stricter, itself},
    {"malloc", call_malloc, none},
};

static size_t size_named(enum named how)
{
    return how == none ? 0 : how == itself ? size : how == larger ? bytes + 1 : how == smaller ? size / 4 : 2 * size;
}

#endif // TESTS_FAULT_CALLS_H
