// SPDX-License-Identifier: MIT
//
// AskedSizes: how many bytes the program asked for, of each block it holds, while somebody wants to know.
//
// Of a block in the window it is what it was given more, plus one, in up to four bytes of a table that has one byte for
// eight of the window: at the block's place in it, so that blocks do not share them. 0: not known. Of an outside block
// its registry's entry says it.
// Who may touch a block's bytes: who allocates or frees it; its program sees to the order of both.
#pragma once

#include "base/hints.h"
#include "heap/window.h"
#include "watch/window_table.h"

namespace fastalloc
{

class AskedSizes
{
public:
    // Requires: asked <= given. Without memory for the table it stays unknown.
    void set(const void *block, size_t asked, size_t given);

    // The same for a block in the window.
    FASTALLOC_INLINE void set_in_window(const void *block, size_t asked, size_t given)
    {
        const uintptr_t offset = reinterpret_cast<uintptr_t>(block) - window_bounds.base;
        char *table = table_.find(offset);
        if (FASTALLOC_UNLIKELY(table == nullptr))
            table = table_.find_or_map(offset);
        if (FASTALLOC_LIKELY(table != nullptr))
            put(table + offset % region_bytes / 8, static_cast<uint32_t>(given - asked + 1), given);
    }

    // What was asked for, 0 where that is not known; and forgets it.
    size_t take(const void *block, size_t given);

    FASTALLOC_INLINE size_t take_in_window(const void *block, size_t given)
    {
        const uintptr_t offset = reinterpret_cast<uintptr_t>(block) - window_bounds.base;
        char *const table = table_.find(offset);
        if (table == nullptr)
            return 0;
        char *const place = table + offset % region_bytes / 8;
        const uint32_t more = get(place, given);
        put(place, 0, given);
        return more != 0 ? given - (more - 1) : 0;
    }

    // Forgets all. Requires: nobody else calls.
    void clear();

    // What the table is mapped in, and what has memory of that.
    uint64_t mapped_bytes() const;
    uint64_t resident_bytes() const;

private:
    friend struct LayoutMaker; // heap/layout.h
    // One byte of a block of 8, two of one of 16 or 24, else four.
    static FASTALLOC_INLINE void put(char *place, uint32_t more, size_t given)
    {
        const auto short_more = static_cast<uint16_t>(more);
        if (FASTALLOC_LIKELY(given >= 32))
            __builtin_memcpy(place, &more, sizeof more);
        else if (given >= 16)
            __builtin_memcpy(place, &short_more, sizeof short_more);
        else
            *place = static_cast<char>(more);
    }

    static FASTALLOC_INLINE uint32_t get(const char *place, size_t given)
    {
        uint32_t more = 0;
        uint16_t short_more = 0;
        if (FASTALLOC_LIKELY(given >= 32))
            __builtin_memcpy(&more, place, sizeof more);
        else if (given >= 16)
            __builtin_memcpy(&short_more, place, sizeof short_more);
        else
            return static_cast<unsigned char>(*place);
        return more + short_more;
    }

    static constexpr size_t region_table_bytes = region_bytes / 8;

    WindowTable<region_table_bytes> table_;
};

extern AskedSizes asked_sizes;

} // namespace fastalloc
