// SPDX-License-Identifier: MIT
//
// Told: allocate, free and realloc with somebody told of it, whatever serves them: first_view() or the thread's arena.
//
// realloc is malloc and free to samples, and one thing to those on every call: it takes and gives blocks of its own accord
// by calls that say so (Call::realloc), of which only samples are told.
//
// All are operations of arenas (arena/operations.h), whichever arena they are given; any thread, no lock held.
#pragma once

#include "arena/allocate.h"
#include "watch/hooks.h"

namespace fastalloc
{

Allocation told_allocate(Arena *, size_t size, size_t alignment, Call call);
Allocation told_allocate_on(Arena *, Node place, size_t size);
void told_release(Arena *, void *block, Call call);
void told_release_sized(Arena *, void *block, size_t size, size_t alignment, Call call);
void *told_reallocate(Arena *, void *block, size_t size);
BlockShape told_shape(Arena *, Call call, const void *block);

// As told_release for a block that can be a sample, and realloc, where only samples are told.
void sampled_release(Arena *, void *block, Call call);
void *sampled_reallocate(Arena *, void *block, size_t size);

// What malloc and kin promise, where nothing was asked for.
inline size_t alignment_said(size_t size, size_t alignment)
{
    return alignment > default_alignment || size <= default_alignment ? alignment : 2 * default_alignment;
}

static_assert(static_cast<int>(Call::malloc_on) == FASTALLOC_CALL_MALLOC_ON &&
              static_cast<int>(Call::delete_array) == FASTALLOC_CALL_DELETE_ARRAY);

FASTALLOC_INLINE fastalloc_event event_of(void *block, size_t asked, size_t given, size_t alignment, Call call)
{
    return {
        .size = sizeof(fastalloc_event),
        .call = static_cast<fastalloc_call>(call),
        .block = block,
        .asked = asked,
        .given = given,
        .alignment = alignment,
        .stands_for = given,
        .old_block = nullptr,
        .old_asked = 0,
        .old_given = 0,
    };
}

} // namespace fastalloc
