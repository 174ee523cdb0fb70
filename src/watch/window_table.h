// SPDX-License-Identifier: MIT
//
// WindowTable: bytes about the blocks of the window, so many for each region of it, mapped when its first block comes.
//
// Owner: nobody. Any thread, no lock, also in signal handlers and across fork; what the bytes mean, and who writes which,
// is their user's business. A region's bytes are zero when they come (release; acquire where they are looked up).
#pragma once

#include "base/config.h"
#include "os/pages.h"

#include <atomic>
#include <cstdint>
#include <cstring>

namespace fastalloc
{

template <size_t region_table_bytes>
class WindowTable
{
public:
    // The bytes of the region that has this offset in the window, null if they are not mapped.
    char *find(uintptr_t offset) const
    {
        return regions_[offset >> region_shift].load(std::memory_order_acquire);
    }

    // The same, mapped if they are not. Null if memory is refused.
    char *find_or_map(uintptr_t offset)
    {
        if (char *const found = find(offset))
            return found;
        auto *const bytes = static_cast<char *>(pages::map(region_table_bytes, 1));
        if (bytes == nullptr)
            return nullptr;
        char *expected = nullptr;
        if (!regions_[offset >> region_shift].compare_exchange_strong(expected, bytes, std::memory_order_acq_rel))
            pages::unmap(bytes, region_table_bytes);
        return find(offset);
    }

    // All bytes of the first `regions` regions are zero again.
    void clear(unsigned regions)
    {
        for (unsigned number = 0; number < regions; ++number)
            if (char *const bytes = regions_[number].load(std::memory_order_acquire))
                if (!pages::discard(reinterpret_cast<uintptr_t>(bytes), region_table_bytes))
                    memset(bytes, 0, region_table_bytes); // locked
    }

    // Of the first `regions` regions: what is mapped, and what has memory of that.
    uint64_t mapped_bytes(unsigned regions) const
    {
        uint64_t bytes = 0;
        for (unsigned number = 0; number < regions; ++number)
            bytes += regions_[number].load(std::memory_order_relaxed) != nullptr ? region_table_bytes : 0;
        return bytes;
    }

    uint64_t resident_bytes(unsigned regions) const
    {
        uint64_t pages = 0;
        for (unsigned number = 0; number < regions; ++number)
            if (const char *const bytes = regions_[number].load(std::memory_order_relaxed))
                pages += pages::resident_pages(reinterpret_cast<uintptr_t>(bytes), region_table_bytes);
        return pages * pages::page_bytes();
    }

private:
    std::atomic<char *> regions_[window_max_bytes / region_bytes] = {};
};

} // namespace fastalloc
