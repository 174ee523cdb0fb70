// SPDX-License-Identifier: MIT
//
// Heap: the structures of a target's allocator, copied and taken apart as its table of the layout says.
//
// Each copy is of one moment, and nobody says that two are of the same. What leads on, sizes, numbers and addresses, is held
// against the bounds it must have; what has not is Damage. All readings count as the target's effort, so walks have an end.
// Figures are taken as they are.
//
// One thread. Requires that the target lives as long.
#pragma once

#include "heap/chunk.h"
#include "heap/span.h"
#include "tool/root_search.h"

#include <cstring>
#include <functional>
#include <string>
#include <vector>

namespace fastalloc::tool
{

// Where a member of an element of an array lies, absent where the array or the member is.
inline uint32_t element_member(uint32_t array, uint32_t index, uint32_t stride, uint32_t member)
{
    if (array == Layout::absent || member == Layout::absent)
        return Layout::absent;
    const uint64_t offset = array + uint64_t{index} * stride + member;
    return offset < Layout::absent ? static_cast<uint32_t>(offset) : Layout::absent - 1; // outside of any structure
}

// The bytes of a structure of the target, and its members by their offsets.
class View
{
public:
    View(const char *bytes, size_t count) : bytes_(bytes), count_(count)
    {
    }

    // 0 where the library has no such member.
    template <typename Value>
    Value get(uint32_t offset) const
    {
        Value value{};
        if (offset == Layout::absent)
            return value;
        if (offset > count_ || sizeof value > count_ - offset)
            leads_outside(offset);
        memcpy(&value, bytes_ + offset, sizeof value);
        return value;
    }

private:
    [[noreturn]] void leads_outside(uint32_t offset) const;

    const char *bytes_;
    size_t count_;
};

class Copy
{
public:
    Copy(Target &target, uint64_t address, uint32_t count);

    uint64_t address() const
    {
        return address_;
    }

    size_t bytes() const
    {
        return bytes_.size();
    }

    template <typename Value>
    Value get(uint32_t offset) const
    {
        return view().get<Value>(offset);
    }

    View view() const
    {
        return View(bytes_.data(), bytes_.size());
    }

private:
    uint64_t address_;
    std::vector<char> bytes_;
};

struct SpanRecord
{
    uint64_t slice;
    uint64_t owner;
    SpanKind kind;
    uint8_t size_class;
    uint32_t slices;
    uint32_t back;
    uint32_t capacity;
    uint32_t handed_out;
    uint32_t fresh;
    uint32_t start;
    uint64_t free_list;
    uint64_t free_blocks;
    uint64_t binned;
    uint8_t reckoned;
    bool paged;
};

struct ChunkRecord
{
    uint64_t number;
    uint32_t free;
    uint32_t written;
    ChunkState state;
    PageKind pages;
    bool pooled;
    bool broken;

    // Whether it holds memory, or may.
    bool is_held() const
    {
        return state == ChunkState::open || state == ChunkState::leaving || (state == ChunkState::free && written != 0);
    }
};

// What a chunk uses: rows of the pages' figures, and their names.
enum PageRow : unsigned
{
    small_pages,
    huge_pages,
    broken_pages, // huge ones, of which a part was given back
    pooled_pages, // of hugetlbfs
    page_rows,
};
constexpr const char *page_names[page_rows] = {"small", "huge", "broken", "pool"};

PageRow page_row_of(const ChunkRecord &chunk);

struct RegionRecord
{
    uint64_t number;
    unsigned place;
    std::vector<ChunkRecord> chunks;
};

struct OutsideBlock
{
    uint64_t address;
    uint64_t bytes;
    std::optional<unsigned> place; // nothing where the library does not note it
};

class Heap
{
public:
    // Throws a Failure where the target has none of ours.
    explicit Heap(Target &its_target);

    // Looks, and once more if a lock was taken meanwhile by which anything but a thread's own bins changes. Returns
    // whether one was again. Each look begins with nothing kept of before.
    bool look(const std::function<void()> &look_once);

    // Throws a Failure where the process has allocated nothing yet, or another allocator serves in its place.
    void require_window() const;

    // Of the library in it.
    std::string version() const
    {
        return harmless(layout.version);
    }

    // The line of the fatal error that ended the process, empty where there was none.
    std::string fatal_line();

    unsigned regions() const
    {
        return static_cast<unsigned>(limit_bytes >> layout.region_shift);
    }

    // What the tables by the side of the window may take up, and the window.
    uint64_t tables_begin();
    uint64_t window_end() const
    {
        return base + root.window_bytes;
    }

    bool contains(uint64_t address) const
    {
        return address - base < limit_bytes;
    }

    RegionRecord region(uint64_t number);

    // A chunk's record of this moment, and no page of before is kept: of a running process what is read together in a few
    // microseconds fits together nearly always.
    ChunkRecord chunk_again(const ChunkRecord &before);

    SpanRecord record(uint64_t slice);

    // Bit masks of a span's pages: those discarded, of a small one; its free blocks without memory, of a medium one.
    uint16_t discarded_pages(uint64_t slice);
    uint64_t absent_blocks(uint64_t slice);

    // Whether bytes of a small span, from its begin on, lie on one of these pages.
    bool touches(uint16_t pages, uint64_t begin, uint64_t end) const;

    // Blocks that were handed out once, are free and in no list, for their pages were discarded. Requires: small.
    uint32_t unlisted_blocks(const SpanRecord &span, uint16_t discarded) const;

    // Of a small span that is sound: the numbers of the blocks in its list, as bits. Damage where the list leads astray.
    std::vector<bool> listed_blocks(const SpanRecord &span);

    // Whether the record of a span's head makes sense: null, or what is wrong.
    const char *fault_of(const SpanRecord &span) const;

    // Along a chain of blocks that are free, of together at most so many bytes, until the visitor returns false. Of a
    // process that goes on a chain may lead into others, and in a circle; what is no block of a span ends it.
    void visit_chain(uint64_t first, uint64_t bytes,
                     const std::function<bool(uint64_t block, const SpanRecord &of_block)> &visit);

    std::vector<Copy> arenas();
    Copy node_heap(unsigned place);
    std::vector<unsigned> used_places();

    // Slots that an outbox of an arena has, 0 where there are none.
    uint32_t outbox_slots() const
    {
        return layout.arena_outbox == Layout::absent ? 0 : layout.outbox_slots;
    }

    // Until the visitor returns false.
    void visit_outside_blocks(const std::function<bool(const OutsideBlock &)> &visit);

    // What their table takes up.
    uint64_t outside_table_bytes();

    // -1 for unplaced.
    int64_t node_of(unsigned place) const
    {
        return place == layout.unplaced ? -1 : static_cast<int64_t>(place);
    }

    // A word at a pointer of the root or the table; 0 where there is no such thing.
    uint64_t word(const void *object, uint32_t offset = 0);

    uint64_t address_of_slice(uint64_t slice) const
    {
        return base + (slice << layout.slice_shift);
    }

    uint32_t chunks_per_region() const
    {
        return 1u << (layout.region_shift - layout.chunk_shift);
    }

    uint32_t slices_per_chunk() const
    {
        return 1u << (layout.chunk_shift - layout.slice_shift);
    }

    uint64_t chunk_bytes() const
    {
        return uint64_t{1} << layout.chunk_shift;
    }

    uint64_t slice_bytes() const
    {
        return uint64_t{1} << layout.slice_shift;
    }

    Target &target;
    const Root root;
    const Layout layout;
    std::vector<Layout::Shape> shapes;
    uint64_t base = 0; // 0: it has no window yet
    uint64_t limit_bytes = 0;
    uint64_t secret = 0;

private:
    Heap(Target &its_target, const FoundRoot &found);
    void check_layout() const;
    void read_shapes();
    void begin_to_look();
    uint64_t times_locked();
    void visit_arenas(const std::function<void(Copy &&)> &visit);
    ChunkRecord taken_apart(uint64_t number, const View &copy) const;
    uint64_t region_address(uint64_t number);

    // What a free block's first word leads to, 0 at the end.
    uint64_t next_of(uint64_t block);

    // A member of what is known of the pages of the span that begins with a slice; 0 where nothing is.
    template <typename Value>
    Value of_span_pages(uint64_t slice, uint32_t member);

    std::vector<char> record_; // the one that was read last
};

} // namespace fastalloc::tool
