// SPDX-License-Identifier: MIT
//
// AddressTable: a hash table of entries by address, in a mapping of its own.
//
// Entry has a member `address`, 0 in a free slot. Open addressing, at most half full; an entry that leaves moves those
// behind it up, so there are no tombstones.
// Owner: who has the table; it knows no lock.
#pragma once

#include "base/bits.h"
#include "os/pages.h"

#include <cstddef>
#include <cstdint>

namespace fastalloc
{

template <typename Entry>
class AddressTable
{
public:
    // The entry of that address, null if there is none. Valid until the table changes.
    Entry *find(uintptr_t address) const
    {
        if (capacity_ == 0)
            return nullptr;
        for (size_t slot = home(address); entries_[slot].address != 0; slot = next(slot))
            if (entries_[slot].address == address)
                return &entries_[slot];
        return nullptr;
    }

    // Sees to it that `count` entries in all have room. False if memory for them is refused: nothing changed.
    bool make_room(size_t count)
    {
        return count * 2 <= capacity_ || grow();
    }

    // Requires: there is room, and no entry of that address.
    void insert(const Entry &entry)
    {
        size_t slot = home(entry.address);
        while (entries_[slot].address != 0)
            slot = next(slot);
        entries_[slot] = entry;
    }

    // Takes an entry out that find() has found.
    void erase(Entry *entry)
    {
        auto hole = static_cast<size_t>(entry - entries_);
        for (size_t slot = next(hole); entries_[slot].address != 0; slot = next(slot))
        {
            const size_t distance = (slot - home(entries_[slot].address)) & (capacity_ - 1);
            if (distance < ((slot - hole) & (capacity_ - 1)))
                continue;
            entries_[hole] = entries_[slot];
            hole = slot;
        }
        entries_[hole] = {};
    }

    void clear()
    {
        for (size_t slot = 0; slot < capacity_; ++slot)
            entries_[slot] = {};
    }

    // Calls each(entry) for all; `each` may change what is not the address.
    template <typename Each>
    void for_each(Each each) const
    {
        for (size_t slot = 0; slot < capacity_; ++slot)
            if (entries_[slot].address != 0)
                each(entries_[slot]);
    }

    // What the table is mapped in, and what has memory of that.
    size_t mapped_bytes() const
    {
        return bytes_of(capacity_);
    }

    size_t resident_bytes() const
    {
        return pages::resident_pages(reinterpret_cast<uintptr_t>(entries_), mapped_bytes()) * pages::page_bytes();
    }

private:
    friend struct LayoutMaker; // heap/layout.h
    static constexpr size_t first_capacity = 128;

    static size_t bytes_of(size_t capacity)
    {
        return round_up(capacity * sizeof(Entry), pages::page_bytes());
    }

    size_t home(uintptr_t address) const
    {
        return address * 0x9e3779b97f4a7c15 >> 20 & (capacity_ - 1);
    }

    size_t next(size_t slot) const
    {
        return (slot + 1) & (capacity_ - 1);
    }

    bool grow()
    {
        const size_t old_capacity = capacity_;
        Entry *const old_entries = entries_;
        const size_t capacity = old_capacity == 0 ? first_capacity : old_capacity * 2;
        auto *const entries = static_cast<Entry *>(pages::map(bytes_of(capacity), 1));
        if (entries == nullptr)
            return false;
        entries_ = entries;
        capacity_ = capacity;
        for (size_t slot = 0; slot < old_capacity; ++slot)
            if (old_entries[slot].address != 0)
                insert(old_entries[slot]);
        if (old_entries != nullptr)
            pages::unmap(old_entries, bytes_of(old_capacity));
        return true;
    }

    Entry *entries_ = nullptr;
    size_t capacity_ = 0; // a power of two
};

} // namespace fastalloc
