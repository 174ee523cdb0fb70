// SPDX-License-Identifier: MIT
#include "watch/operator_blocks.h"

#include "os/pages.h"

namespace fastalloc
{

constinit OperatorBlocks operator_blocks;

namespace
{

constexpr unsigned grain_shift = 4;
constexpr unsigned address_bits = 48; // what a process has of addresses on amd64 and arm64
constexpr unsigned leaf_shift = 26;   // 64 MiB of addresses: 1 MiB of bits
constexpr size_t leaf_count = size_t{1} << (address_bits - leaf_shift);
constexpr unsigned grains_per_word = 32;
constexpr size_t words_per_leaf = (size_t{1} << (leaf_shift - grain_shift)) / grains_per_word;

uintptr_t leaf_of(uintptr_t address)
{
    return address >> leaf_shift;
}

unsigned shift_of(uintptr_t address)
{
    return static_cast<unsigned>(address >> grain_shift) % grains_per_word * 2;
}

bool can_be_known(uintptr_t address)
{
    return address >> address_bits == 0 && (address & ((1u << grain_shift) - 1)) == 0;
}

// What `place` points to, mapped by whoever needs it first; null if there is no memory.
template <typename Table>
Table *map_once(std::atomic<Table *> *place, size_t count)
{
    Table *const there = place->load(std::memory_order_acquire);
    if (there != nullptr)
        return there;
    auto *const mine = static_cast<Table *>(pages::map(count * sizeof(Table), 1));
    if (mine == nullptr)
        return nullptr;
    Table *first = nullptr;
    if (place->compare_exchange_strong(first, mine, std::memory_order_acq_rel))
        return mine;
    pages::unmap(mine, count * sizeof(Table));
    return first;
}

} // namespace

OperatorBlocks::Word *OperatorBlocks::word_in(const Leaf *leaf, uintptr_t address)
{
    Word *const words = leaf->load(std::memory_order_acquire);
    return words != nullptr ? words + (address >> grain_shift) / grains_per_word % words_per_leaf : nullptr;
}

void OperatorBlocks::add(const void *block, Origin origin)
{
    const auto address = reinterpret_cast<uintptr_t>(block);
    Leaf *const leaves = can_be_known(address) ? map_once(&leaves_, leaf_count) : nullptr;
    if (leaves == nullptr || map_once(&leaves[leaf_of(address)], words_per_leaf) == nullptr)
        return;
    (void)take(block);
    word_in(&leaves[leaf_of(address)], address)
        ->fetch_or(static_cast<uint64_t>(origin) << shift_of(address), std::memory_order_relaxed);
}

OperatorBlocks::Origin OperatorBlocks::take(const void *block)
{
    const auto address = reinterpret_cast<uintptr_t>(block);
    const Leaf *const leaves = can_be_known(address) ? leaves_.load(std::memory_order_acquire) : nullptr;
    Word *const word = leaves != nullptr ? word_in(&leaves[leaf_of(address)], address) : nullptr;
    if (word == nullptr)
        return Origin::other;
    const unsigned shift = shift_of(address);
    const uint64_t before = word->fetch_and(~(uint64_t{3} << shift), std::memory_order_relaxed);
    return static_cast<Origin>(before >> shift & 3);
}

} // namespace fastalloc
