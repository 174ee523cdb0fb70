// SPDX-License-Identifier: MIT
#include "api/sized.h"

namespace fastalloc
{

void release_sized_slow(Call call, void *block, size_t size, size_t alignment)
{
    if (block == nullptr)
        return;
    Arena *const arena = thread_words.free_arena.load(std::memory_order_relaxed);
    arena->operations->release_sized(arena, block, size, alignment, call);
}

} // namespace fastalloc
