// SPDX-License-Identifier: MIT
//
// Links in free blocks: the first word of a free block names the next one, not in plain.
//
//     stored = next ^ secret ^ (address of the word >> 12)
//
// A program that writes into a freed block, or copies a free block's bytes elsewhere, does not thereby choose
// what malloc hands out: without the process's secret a stored word decodes to a wild address. Words on different pages
// that hold the same link differ.
#pragma once

#include "base/hints.h"
#include "heap/window.h"

#include <cstdint>

namespace fastalloc
{

// The fast path has the secret at hand in its arena; everybody else takes the window's.
FASTALLOC_INLINE uint64_t link_mask(const void* block, uint64_t secret)
{
    return secret ^ (reinterpret_cast<uintptr_t>(block) >> 12);
}

FASTALLOC_INLINE void* next_of(const void* block, uint64_t secret = window_bounds.link_secret)
{
    return reinterpret_cast<void*>(*static_cast<const uint64_t*>(block) ^ link_mask(block, secret));
}

FASTALLOC_INLINE void set_next(void* block, const void* next, uint64_t secret = window_bounds.link_secret)
{
    *static_cast<uint64_t*>(block) = reinterpret_cast<uintptr_t>(next) ^ link_mask(block, secret);
}

} // namespace fastalloc
