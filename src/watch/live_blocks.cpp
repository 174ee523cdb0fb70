// SPDX-License-Identifier: MIT
#include "watch/live_blocks.h"

#include "heap/window.h"
#include "os/pages.h"

namespace fastalloc
{

constinit LiveBlocks live_blocks;

namespace
{

constexpr unsigned grain_shift = 3; // blocks begin at multiples of 8
constexpr size_t words_per_region = region_bytes >> grain_shift >> 6;

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

} // namespace

LiveBlocks::Word *LiveBlocks::word_of(uintptr_t offset) const
{
    Word *const words = regions_[offset >> region_shift].load(std::memory_order_acquire);
    return words != nullptr ? words + (offset >> grain_shift >> 6) % words_per_region : nullptr;
}

LiveBlocks::Word *LiveBlocks::map_word_of(uintptr_t offset)
{
    if (Word *const word = word_of(offset))
        return word;
    auto *const words = static_cast<Word *>(pages::map(words_per_region * sizeof(Word), 1));
    if (words == nullptr)
        return nullptr;
    Word *expected = nullptr;
    if (!regions_[offset >> region_shift].compare_exchange_strong(expected, words, std::memory_order_acq_rel))
        pages::unmap(words, words_per_region * sizeof(Word));
    return word_of(offset);
}

LiveBlocks::Added LiveBlocks::add(const void *block)
{
    const uintptr_t offset = offset_of(block);
    Word *const word = map_word_of(offset);
    if (word == nullptr)
        return Added::no_memory;
    return word->fetch_or(bit_of(offset), std::memory_order_relaxed) & bit_of(offset) ? Added::was_live : Added::yes;
}

bool LiveBlocks::remove(const void *block)
{
    const uintptr_t offset = offset_of(block);
    Word *const word = word_of(offset);
    return word != nullptr && is_aligned(offset) &&
           (word->fetch_and(~bit_of(offset), std::memory_order_relaxed) & bit_of(offset)) != 0;
}

bool LiveBlocks::contains(const void *block) const
{
    const uintptr_t offset = offset_of(block);
    const Word *const word = word_of(offset);
    return word != nullptr && is_aligned(offset) && (word->load(std::memory_order_relaxed) & bit_of(offset)) != 0;
}

uint64_t LiveBlocks::mapped_bytes() const
{
    uint64_t bytes = 0;
    for (unsigned region = 0; region < window.regions(); ++region)
        if (regions_[region].load(std::memory_order_relaxed) != nullptr)
            bytes += words_per_region * sizeof(Word);
    return bytes;
}

uint64_t LiveBlocks::resident_bytes() const
{
    uint64_t pages = 0;
    for (unsigned region = 0; region < window.regions(); ++region)
        if (const Word *const words = regions_[region].load(std::memory_order_relaxed))
            pages += pages::resident_pages(reinterpret_cast<uintptr_t>(words), words_per_region * sizeof(Word));
    return pages * pages::page_bytes();
}

} // namespace fastalloc
