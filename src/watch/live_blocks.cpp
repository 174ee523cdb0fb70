// SPDX-License-Identifier: MIT
#include "watch/live_blocks.h"

#include "heap/window.h"

namespace fastalloc
{

constinit LiveBlocks live_blocks;

namespace
{

constexpr unsigned grain_shift = 3; // blocks begin at multiples of 8

uintptr_t offset_of(const void *block)
{
    return reinterpret_cast<uintptr_t>(block) - window_bounds.base;
}

uint64_t bit_of(uintptr_t offset)
{
    return uint64_t{1} << (offset >> grain_shift & 63);
}

// Whether a block can begin there at all.
bool is_aligned(uintptr_t offset)
{
    return (offset & ((1u << grain_shift) - 1)) == 0;
}

// The word for a block, of its region's bits.
std::atomic<uint64_t> *word_in(char *bits, uintptr_t offset)
{
    if (bits == nullptr)
        return nullptr;
    return reinterpret_cast<std::atomic<uint64_t> *>(bits) + (offset % region_bytes >> grain_shift >> 6);
}

} // namespace

LiveBlocks::Added LiveBlocks::add(const void *block)
{
    const uintptr_t offset = offset_of(block);
    std::atomic<uint64_t> *const word = word_in(bits_.find_or_map(offset), offset);
    if (word == nullptr)
        return Added::no_memory;
    return word->fetch_or(bit_of(offset), std::memory_order_relaxed) & bit_of(offset) ? Added::was_live : Added::yes;
}

bool LiveBlocks::remove(const void *block)
{
    const uintptr_t offset = offset_of(block);
    std::atomic<uint64_t> *const word = word_in(bits_.find(offset), offset);
    return word != nullptr && is_aligned(offset) &&
           (word->fetch_and(~bit_of(offset), std::memory_order_relaxed) & bit_of(offset)) != 0;
}

bool LiveBlocks::contains(const void *block) const
{
    const uintptr_t offset = offset_of(block);
    const std::atomic<uint64_t> *const word = word_in(bits_.find(offset), offset);
    return word != nullptr && is_aligned(offset) && (word->load(std::memory_order_relaxed) & bit_of(offset)) != 0;
}

uint64_t LiveBlocks::mapped_bytes() const
{
    return bits_.mapped_bytes(window.regions());
}

uint64_t LiveBlocks::resident_bytes() const
{
    return bits_.resident_bytes(window.regions());
}

} // namespace fastalloc
