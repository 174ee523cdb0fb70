// SPDX-License-Identifier: MIT
//
// Links in free blocks: the first word of a free block names the next one, not in plain.
//
//     stored = next ^ secret of the process
//
// A program that writes into a freed block does not thereby choose
// what malloc hands out: without the secret a stored word decodes to a wild address, which is refused where blocks go
// back to their spans. What it costs, and what mixing in the word's own address would cost, stands in src/README.md.
#pragma once

#include "base/hints.h"
#include "heap/window.h"

#include <cstdint>

namespace fastalloc
{

// The fast path has the secret at hand in its arena; everybody else takes the window's.
FASTALLOC_INLINE void *next_of(const void *block, uint64_t secret = window_bounds.link_secret)
{
    return reinterpret_cast<void *>(*static_cast<const uint64_t *>(block) ^ secret);
}

FASTALLOC_INLINE void set_next(void *block, const void *next, uint64_t secret = window_bounds.link_secret)
{
    *static_cast<uint64_t *>(block) = reinterpret_cast<uintptr_t>(next) ^ secret;
}

} // namespace fastalloc
