// SPDX-License-Identifier: MIT
#include "api/sized.h"

#include "arena/foreign.h"
#include "arena/misuse.h"

namespace fastalloc
{

void release_sized_slow(Call call, void *block, size_t size, size_t alignment)
{
    if (block == nullptr)
        return;
    const BlockShape shape = shape_of_block(call, block);
    if (shape.foreign)
        return foreign_release(call, block);
    const bool aligned = is_power_of_two(alignment) && (reinterpret_cast<uintptr_t>(block) & (alignment - 1)) == 0;
    if (!aligned || !accepted(shape, size, alignment))
        fatal_wrong_size(name_of(call), block, size, shape.usable);
    if (!release_fast(block))
        release(block, call);
}

} // namespace fastalloc
