// SPDX-License-Identifier: MIT
//
// OperatorBlocks: which blocks came from operator new and which from operator new[], two bits for each 16 bytes of
// addresses, set where such a block begins.
//
//     operator new:  add       free, delete, realloc:  take   says what the block came from, and forgets it
//
// Only under memcheck, where all blocks come from malloc's family and memcheck cannot tell them apart. Addresses are kept as
// bits, never as pointers: the leak check sees no way from here to a block. Of the tables only what is used is resident.
//
// Owner: nobody; any thread, no lock (each change is one atomic operation), also in signal handlers and across fork.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace fastalloc
{

class OperatorBlocks
{
public:
    enum class Origin : uint8_t
    {
        other = 0, // malloc and its family, or not ours
        new_single = 1,
        new_array = 2,
    };

    // Where there is no memory for the bits the block counts as `other`. What was known of the address is forgotten: the
    // block before may have gone back unseen. Requires: aligned to 16.
    void add(const void *block, Origin origin);

    Origin take(const void *block);

private:
    using Word = std::atomic<uint64_t>;
    using Leaf = std::atomic<Word *>;

    static Word *word_in(const Leaf *leaf, uintptr_t address);

    std::atomic<Leaf *> leaves_{nullptr};
};

extern OperatorBlocks operator_blocks;

} // namespace fastalloc
