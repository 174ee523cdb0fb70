// SPDX-License-Identifier: MIT
//
// ledger.h - the blocks a fuzzed run of calls holds, and what each of them owes: it lies where no other does, aligned
// as asked for, and keeps what was written to it. The ledger lives on libc's malloc, the blocks do not.
//
// One thread at a time may use it. What is not so ends the process, as fuzzers want it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <map>
#include <vector>

#include <fastalloc.h>

#define REQUIRE(claim) ((claim) ? void(0) : fuzz::unmet(#claim, __FILE__, __LINE__))

namespace fuzz
{

[[noreturn]] inline void unmet(const char *claim, const char *file, int line)
{
    fprintf(stderr, "%s:%d: not so: %s\n", file, line, claim);
    abort();
}

constexpr size_t kib = 1024;
constexpr size_t mib = 1024 * kib;

// ---- contents --------------------------------------------------------------------------------------------------------

// Blocks up to this size are filled, larger ones marked in places: what is touched costs time.
constexpr size_t filled_max = 8 * kib;
constexpr size_t page_bytes = 4096;

// From one marked place of a block of `bytes` to the next: 8 bytes, or so many pages that there are about 32 places, or
// 8 of which each may bring in a huge page.
constexpr size_t stride_of(size_t bytes)
{
    return bytes <= filled_max ? 8 : (bytes / (bytes <= mib ? 32 : 8) + page_bytes - 1) / page_bytes * page_bytes;
}

constexpr uint64_t mark(uint64_t seed, size_t place)
{
    return (seed + place) * 0x9e3779b97f4a7c15u;
}

inline size_t at_most(size_t value, size_t limit)
{
    return value < limit ? value : limit;
}

inline void write_marks(void *block, size_t bytes, uint64_t seed)
{
    for (size_t place = 0; place < bytes; place += stride_of(bytes))
    {
        const uint64_t word = mark(seed, place);
        memcpy(static_cast<char *>(block) + place, &word, at_most(sizeof word, bytes - place));
    }
    static_cast<char *>(block)[bytes - 1] = static_cast<char>(mark(seed, bytes));
}

// Whether the first `kept` of the `bytes` that write_marks() wrote to are whole.
inline bool marks_are_whole(const void *block, size_t bytes, size_t kept, uint64_t seed)
{
    const char *const from = static_cast<const char *>(block);
    const size_t tail = bytes - 1;
    for (size_t place = 0; place < kept; place += stride_of(bytes))
    {
        const uint64_t word = mark(seed, place);
        const size_t end = at_most(at_most(place + sizeof word, kept), tail);
        if (place < end && memcmp(from + place, &word, end - place) != 0)
            return false;
    }
    return kept < bytes || from[tail] == static_cast<char>(mark(seed, bytes));
}

// Large blocks are looked at where the marks of others may have been: at the start of each page, and at the end.
inline bool is_zero(const void *block, size_t bytes)
{
    const char *const from = static_cast<const char *>(block);
    if (bytes <= 128 * kib)
        return bytes == 0 || (from[0] == 0 && memcmp(from, from + 1, bytes - 1) == 0);
    for (size_t place = 0; place + 8 <= bytes; place += page_bytes)
        if (!is_zero(from + place, 8))
            return false;
    return from[bytes - 1] == 0;
}

// ---- the blocks ------------------------------------------------------------------------------------------------------

// What may free a block besides free.
enum class Origin
{
    plain,   // free_sized
    aligned, // free_aligned_sized
};

struct Block
{
    void *address;
    size_t size; // as asked for
    size_t usable;
    size_t alignment;
    uint64_t seed;
    Origin origin;
};

inline void require_whole(const Block &block)
{
    REQUIRE(fastalloc_malloc_usable_size(block.address) == block.usable);
    REQUIRE(marks_are_whole(block.address, block.usable, block.usable, block.seed));
}

class Ledger
{
public:
    // What malloc owes to a block of this size.
    static size_t alignment_due(size_t size)
    {
        return size <= 8 ? 8 : 16;
    }

    void add(void *address, size_t size, size_t alignment, Origin origin)
    {
        REQUIRE(address != nullptr);
        REQUIRE(reinterpret_cast<uintptr_t>(address) % alignment == 0);
        const size_t usable = fastalloc_malloc_usable_size(address);
        REQUIRE(usable >= size && usable > 0);
        const auto [place, added] = ends_.emplace(begin_of(address), begin_of(address) + usable);
        REQUIRE(added);
        REQUIRE(place == ends_.begin() || std::prev(place)->second <= place->first);
        REQUIRE(std::next(place) == ends_.end() || std::next(place)->first >= place->second);
        blocks_.push_back({address, size, usable, alignment, ++seeds_, origin});
        live_bytes_ += usable;
        write_marks(address, usable, seeds_);
    }

    // Takes block number `index` out. Whoever asks frees it.
    Block take(size_t index)
    {
        const Block block = blocks_[index];
        blocks_.erase(blocks_.begin() + static_cast<std::ptrdiff_t>(index));
        ends_.erase(begin_of(block.address));
        live_bytes_ -= block.usable;
        return block;
    }

    // Oldest first.
    const std::vector<Block> &blocks() const
    {
        return blocks_;
    }

    size_t count() const
    {
        return blocks_.size();
    }

    size_t live_bytes() const
    {
        return live_bytes_;
    }

private:
    static uintptr_t begin_of(const void *address)
    {
        return reinterpret_cast<uintptr_t>(address);
    }

    std::vector<Block> blocks_;
    std::map<uintptr_t, uintptr_t> ends_; // by where blocks begin
    size_t live_bytes_ = 0;
    uint64_t seeds_ = 0;
};

} // namespace fuzz
