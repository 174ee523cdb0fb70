// SPDX-License-Identifier: MIT
//
// Frees that name the size: C23's free_sized pair and C++'s sized delete. The size is checked against the block, by the
// same predicate that decides when realloc keeps a block where it is.
#pragma once

#include "arena/allocate.h"

namespace fastalloc
{

// Checks and frees; `call` names the function in a message. Null is ignored.
FASTALLOC_SLOW void release_sized_slow(Call call, void *block, size_t size, size_t alignment);

// A block of a small class goes straight to its bin if malloc would choose its class for `size`: one branch more than
// free.
FASTALLOC_INLINE void release_sized(Call call, void *block, size_t size)
{
    const auto address = reinterpret_cast<uintptr_t>(block);
    const bool fits = size <= small_max && in_window(address) && span_of(address)->size_class == small_class_of(size);
    if (FASTALLOC_UNLIKELY(!fits) || FASTALLOC_UNLIKELY(!release_fast(block)))
        release_sized_slow(call, block, size, default_alignment);
}

FASTALLOC_INLINE void release_aligned_sized(Call call, void *block, size_t size, size_t alignment)
{
    release_sized_slow(call, block, size, alignment);
}

} // namespace fastalloc
