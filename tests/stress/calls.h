// SPDX-License-Identifier: MIT
//
// calls.h - a block of any size from any call that allocates, and any call that may free it. Used by stress.cpp;
// include after support.h.
#ifndef TESTS_STRESS_CALLS_H
#define TESTS_STRESS_CALLS_H

#include <new>

// The calls a block came from, as far as they bind those that may free it.
enum class Origin
{
    malloc_family,
    aligned_family,
    plain_new,
    aligned_new,
};

struct Held
{
    void *block = nullptr;
    size_t size = 0;
    size_t alignment = 0; // of the aligned origins
    uint64_t seed = 0;
    Origin origin = Origin::malloc_family;
};

inline void verify(const Held &held)
{
    require(held.block != nullptr);
    require(block_is_filled(held.block, held.size, held.seed));
    require(malloc_usable_size(held.block) >= held.size);
}

// Allocates `size` bytes by the call that `choice` names, and fills them.
inline void allocate(Held &held, size_t size, uint64_t choice)
{
    held.size = size;
    held.seed = choice;
    held.alignment = size_t{8} << (choice >> 8) % 11;
    held.origin = Origin::malloc_family;
    switch (choice % 10)
    {
    case 0:
        held.block = calloc(1, size);
        require(held.block && block_is_zero(held.block, size));
        break;
    case 1:
        held.block = realloc(nullptr, size);
        break;
    case 2:
        held.origin = Origin::aligned_family;
        held.block = aligned_alloc(held.alignment, size);
        break;
    case 3:
        held.origin = Origin::aligned_family;
        require(posix_memalign(&held.block, held.alignment, size) == 0);
        break;
    case 4:
        held.origin = Origin::plain_new;
        held.block = ::operator new(size);
        break;
    case 5:
        held.origin = Origin::aligned_new;
        held.block = ::operator new (size, std::align_val_t{held.alignment});
        break;
    case 6:
        held.block = fastalloc_malloc(size);
        break;
    case 7:
        held.block = fastalloc_malloc_on(fastalloc_thread_node(), size);
        break;
    default:
        held.block = malloc(size);
        break;
    }
    require(held.block != nullptr);
    const bool aligned = held.origin == Origin::aligned_family || held.origin == Origin::aligned_new;
    require(is_aligned(held.block, aligned ? held.alignment : alignment_due(size)));
    fill_block(held.block, size, held.seed);
}

// Verifies and frees by one of the calls that suit the origin. An empty `held` is left alone.
inline void release(Held &held, uint64_t choice)
{
    if (!held.block)
        return;
    verify(held);
    switch (held.origin)
    {
    case Origin::malloc_family:
        if (choice % 3 == 0)
            free_sized(held.block, held.size);
        else if (choice % 3 == 1)
            fastalloc_free(held.block);
        else
            free(held.block);
        break;
    case Origin::aligned_family:
        if (choice % 2)
            free_aligned_sized(held.block, held.alignment, held.size);
        else
            free(held.block);
        break;
    case Origin::plain_new:
        if (choice % 2)
            ::operator delete(held.block, held.size);
        else
            ::operator delete(held.block);
        break;
    case Origin::aligned_new:
        if (choice % 2)
            ::operator delete (held.block, held.size, std::align_val_t{held.alignment});
        else
            ::operator delete (held.block, std::align_val_t{held.alignment});
        break;
    }
    held.block = nullptr;
}

// Resizes a block of the malloc families; one of operator new is released and allocated anew.
inline void resize(Held &held, size_t size, uint64_t choice)
{
    if (held.origin == Origin::plain_new || held.origin == Origin::aligned_new)
    {
        release(held, choice);
        allocate(held, size, choice);
        return;
    }
    verify(held);
    const size_t kept = (held.size < size ? held.size : size) / 8 * 8;
    void *block = realloc(held.block, size);
    require(block != nullptr);
    require(block_is_filled(block, kept, held.seed));
    held = {block, size, 0, choice, Origin::malloc_family};
    fill_block(block, size, choice);
}

#endif // TESTS_STRESS_CALLS_H
