// SPDX-License-Identifier: MIT
//
// Outside: blocks with a mapping of their own, and the registry that knows them.
//
// Blocks above 32 MiB, of alignment above 2 MiB, for which the window is full, and blocks that grew out of the window.
// The registry is a hash table of (address, bytes) in a mapping of its own; nothing near a pointer is read before the
// registry has named it. A block's usable size is its mapping.
//
// Owner: the registry's lock; only that of memory events is taken under it. Functions lock for
// themselves. An entry leaves the table before its mapping goes and enters after it came, so two entries never share an
// address.
#pragma once

#include "os/address_table.h"
#include "os/lock.h"
#include "os/topology.h"

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace fastalloc
{

class Outside
{
public:
    // Zeroed memory of its own, from `place`, which it keeps when it is resized. Null if refused. Requires: alignment a
    // power of two.
    void *allocate(size_t size, size_t alignment, Node place);

    // False if no outside block begins there. A signal handler inside the registry must not wait: then the block is
    // lost.
    bool release(void *block);

    // The usable size of the block that begins there, 0 if none does.
    size_t usable(const void *block);

    // The place the block that begins there was asked from, -1 if none does.
    int place_of(const void *block);

    // How much of a block the program asked for, for those who want to know; 0 where that was not said since it was
    // resized.
    void set_asked(const void *block, size_t asked);
    size_t take_asked(const void *block); // which is not known then any more
    void forget_asked();                  // of all

    // Makes the block hold `size`, moving it if it must. Null if refused: nothing changed. Requires: it is one of ours.
    void *reallocate(void *block, size_t size);

    // Moves pages of a large block out of the window into a new block of `size`, of which what is new comes from the
    // place `wanted`.
    // Null if refused: nothing changed. Requires: bytes < size, address and bytes multiples of the page size.
    void *carry_out(uintptr_t address, size_t bytes, size_t size, Node wanted);

    uint64_t blocks() const
    {
        return blocks_.load(std::memory_order_relaxed);
    }

    uint64_t bytes() const
    {
        return bytes_.load(std::memory_order_relaxed);
    }

    // Calls `each` with address, bytes and place of every block. Requires: lock held.
    template <typename Each>
    void for_each(Each each) const
    {
        table_.for_each([&](const Entry &entry) { each(entry.address, entry.bytes, entry.place); });
    }
    // Of the registry's own mapping; what has memory of it, and of the blocks. Require: lock held.
    size_t table_bytes() const;
    size_t resident_table_bytes() const;
    uint64_t resident_bytes() const;

    // The first thing that is wrong with the table, or null. Requires: lock held.
    const char *verify() const;

    Lock lock;

private:
    friend struct LayoutMaker; // heap/layout.h
    struct Entry
    {
        uintptr_t address; // 0: free
        size_t bytes;
        size_t asked; // by the program, 0 where nobody has said
        Node place;
    };

    // Whether a block that leaves the table comes back: then its slot is kept for it.
    enum class Leaving
    {
        for_good,
        comes_back,
    };

    void *carried_out(uintptr_t address, size_t bytes, size_t whole, Node wanted);
    bool enter(void *block, size_t bytes, Node place);
    Entry leave(const void *block, Leaving leaving);
    void come_back(Entry entry);
    void count_in(Entry entry);

    AddressTable<Entry> table_;
    size_t kept_slots_ = 0;           // for blocks that come back; under the lock
    std::atomic<uint64_t> blocks_{0}; // written under the lock, read by statistics (relaxed)
    std::atomic<uint64_t> bytes_{0};
};

extern Outside outside;

} // namespace fastalloc
