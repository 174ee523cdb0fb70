// SPDX-License-Identifier: MIT
//
// SpanPages: which pages of a span no block in use touches, so that memory can go back page by page.
//
// A page here is 4 KiB, a slice has 16; where the system's pages are larger, spans go back as a whole only. Of a small
// span:
//
//     free_blocks[p]   blocks that touch page p and have come back, and are counted
//     idle             pages that hold something and are nobody's: all blocks that touch them have come back and are
//                      counted, or none was ever handed out
//     discarded        pages whose memory was given back, as far as it could be: all blocks that touch them have come
//                      back, and none of these is in the span's list, for a link would lie on the page
//
// Most spans get all their blocks back soon or hand them out again, and are never looked at: blocks at the head of the
// list are *uncounted* when they come back (Span::uncounted), and counted, once each, only where so much may be idle that
// it matters. A span of which nothing was counted and that began on fresh pages leaves all this zero and untouched, as
// Span::paged says. A block that touches two pages is in the list if neither is discarded.
//
// Of a medium span, whose blocks are whole pages and have a bit each instead of a list, `absent` has a bit per free block
// without memory; the rest is unused.
//
// Invariant: idle and discarded have no page in common; a page of either is touched by no block in use.
// Owner: as the span's record, the lock of the arena that has the span.
#pragma once

#include "base/bits.h"
#include "base/index_list.h"
#include "base/size_class.h"

#include <cstdint>

namespace fastalloc
{

constexpr unsigned pages_per_slice = slice_bytes / small_page_bytes;
using PageMask = uint16_t; // a bit per page of a slice
static_assert(pages_per_slice == width_of<PageMask>);

namespace detail
{

struct PageShapes
{
    uint16_t blocks[small_class_count][pages_per_slice]; // that touch a page
};

constexpr PageShapes make_page_shapes()
{
    PageShapes made{};
    for (unsigned index = 0; index < small_class_count; ++index)
    {
        const uint32_t bytes = bytes_of_class(index);
        const auto capacity = static_cast<uint32_t>(slice_bytes / bytes);
        for (uint32_t page = 0; page < pages_per_slice; ++page)
        {
            const auto begin = static_cast<uint32_t>(page * small_page_bytes);
            const uint32_t first = begin / bytes;
            const auto behind = static_cast<uint32_t>((begin + small_page_bytes + bytes - 1) / bytes);
            const uint32_t end = behind < capacity ? behind : capacity;
            made.blocks[index][page] = static_cast<uint16_t>(end > first ? end - first : 0);
        }
    }
    return made;
}

inline constexpr PageShapes page_shapes = make_page_shapes();

} // namespace detail

// Blocks of a small class that touch a page of its span.
constexpr uint32_t blocks_on_page(SizeClass size_class, unsigned page)
{
    return detail::page_shapes.blocks[size_class][page];
}

// The pages that bytes [begin, end) of a slice touch. Requires: begin < end <= slice_bytes.
constexpr PageMask pages_touched(uint32_t begin, uint32_t end)
{
    const auto first = static_cast<unsigned>(begin / small_page_bytes);
    const auto last = static_cast<unsigned>((end - 1) / small_page_bytes);
    return mask_of<PageMask>(first, last - first + 1);
}

class SpanPages
{
public:
    // ---- of a small span --------------------------------------------------------------------------------

    // A span begins of which no block was handed out yet. `resident`: its pages may hold something.
    void begin(SizeClass size_class, bool resident)
    {
        forget_blocks();
        idle_ = resident ? pages_touched(0, blocks_end(size_class)) : 0;
    }

    // A block at `offset` that has come back is counted.
    void count(SizeClass size_class, uint32_t offset)
    {
        const auto last = static_cast<unsigned>((offset + class_bytes(size_class) - 1) / small_page_bytes);
        for (auto page = static_cast<unsigned>(offset / small_page_bytes); page <= last; ++page)
            if (++free_blocks_[page] == blocks_on_page(size_class, page))
                idle_ = static_cast<PageMask>(idle_ | 1u << page);
    }

    // A counted block at `offset` is handed out again.
    void hand_out(SizeClass size_class, uint32_t offset)
    {
        const auto last = static_cast<unsigned>((offset + class_bytes(size_class) - 1) / small_page_bytes);
        const auto first = static_cast<unsigned>(offset / small_page_bytes);
        for (unsigned page = first; page <= last; ++page)
            --free_blocks_[page];
        idle_ = static_cast<PageMask>(idle_ & ~mask_of<PageMask>(first, last - first + 1));
    }

    // All counted blocks are. Requires: no page is discarded.
    void hand_out_all()
    {
        idle_ = static_cast<PageMask>(idle_ & ~come_back_pages());
        forget_blocks();
    }

    // Blocks at [begin, end) are handed out for the first time.
    void hand_out_fresh(uint32_t begin, uint32_t end)
    {
        idle_ = static_cast<PageMask>(idle_ & ~pages_touched(begin, end));
    }

    // The memory of `pages`, which are idle, goes back. Those of which blocks had come back: no such block may stay in
    // the list.
    PageMask discard(PageMask pages)
    {
        const auto unlisted = static_cast<PageMask>(pages & come_back_pages());
        idle_ = static_cast<PageMask>(idle_ & ~pages);
        discarded_ = static_cast<PageMask>(discarded_ | unlisted);
        return unlisted;
    }

    // The blocks on `page`, which was discarded, come back into the list, but for those on another discarded page.
    void restore(unsigned page)
    {
        const auto bit = static_cast<PageMask>(1u << page);
        discarded_ = static_cast<PageMask>(discarded_ & ~bit);
        idle_ = static_cast<PageMask>(idle_ | bit);
    }

    bool is_discarded(uint32_t begin, uint32_t end) const
    {
        return (discarded_ & pages_touched(begin, end)) != 0;
    }

    // Blocks that have come back and are not in the list.
    uint32_t unlisted(SizeClass size_class) const
    {
        return discarded_ == 0 ? 0 : blocks_on(size_class, discarded_);
    }

    PageMask idle() const
    {
        return idle_;
    }

    PageMask discarded() const
    {
        return discarded_;
    }

    uint32_t free_blocks(unsigned page) const
    {
        return free_blocks_[page];
    }

    // ---- of a medium span -------------------------------------------------------------------------------

    uint64_t absent() const
    {
        return absent_;
    }

    void set_absent(uint64_t blocks)
    {
        absent_ = blocks;
    }

    // ---- the arena's ------------------------------------------------------------------------------------

    uint32_t next; // neighbours in the queue, by their slices, while the span is in one
    uint32_t previous;
    uint8_t queue; // which

private:
    friend struct LayoutMaker; // heap/layout.h
    PageMask come_back_pages() const
    {
        PageMask pages = 0;
        for (unsigned page = 0; page < pages_per_slice; ++page)
            pages = static_cast<PageMask>(pages | (free_blocks_[page] != 0 ? 1u << page : 0));
        return pages;
    }

    void forget_blocks()
    {
        for (uint16_t &count : free_blocks_)
            count = 0;
        discarded_ = 0;
    }

    static constexpr uint32_t blocks_end(SizeClass size_class)
    {
        return shape_of(size_class).capacity * shape_of(size_class).bytes;
    }

    // Blocks that touch any of `pages`.
    static constexpr uint32_t blocks_on(SizeClass size_class, PageMask pages)
    {
        const uint32_t capacity = shape_of(size_class).capacity;
        uint32_t counted_to = 0; // blocks below this number are counted
        uint32_t count = 0;
        for (uint32_t rest = pages; rest != 0; rest &= rest - 1)
        {
            const auto begin = static_cast<uint32_t>(lowest_bit(rest)) * static_cast<uint32_t>(small_page_bytes);
            uint32_t first = block_number(size_class, begin);
            uint32_t end = block_number(size_class, begin + small_page_bytes - 1) + 1;
            first = first > counted_to ? first : counted_to;
            end = end < capacity ? end : capacity;
            if (end > first)
                count += end - first;
            counted_to = end > counted_to ? end : counted_to;
        }
        return count;
    }

    union
    {
        uint16_t free_blocks_[pages_per_slice];
        uint64_t absent_;
    };
    PageMask idle_;
    PageMask discarded_;
};

} // namespace fastalloc
