// SPDX-License-Identifier: MIT
#include "watch/asked_sizes.h"

#include "heap/outside.h"

namespace fastalloc
{

constinit AskedSizes asked_sizes;

void AskedSizes::set(const void *block, size_t asked, size_t given)
{
    if (in_window(reinterpret_cast<uintptr_t>(block)))
        set_in_window(block, asked, given);
    else
        outside.set_asked(block, asked);
}

size_t AskedSizes::take(const void *block, size_t given)
{
    if (in_window(reinterpret_cast<uintptr_t>(block)))
        return take_in_window(block, given);
    return outside.take_asked(block);
}

void AskedSizes::clear()
{
    table_.clear(window.regions());
    outside.forget_asked();
}

uint64_t AskedSizes::mapped_bytes() const
{
    return table_.mapped_bytes(window.regions());
}

uint64_t AskedSizes::resident_bytes() const
{
    return table_.resident_bytes(window.regions());
}

} // namespace fastalloc
