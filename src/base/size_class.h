// SPDX-License-Identifier: MIT
//
// Size classes: 8, then multiples of 16 up to 128, then four per doubling up to 256 KiB, and from 1 to 8 KiB a fifth, 1/8
// above the power of two: programs ask for that and a little (a header on a database page), where 1/4 is a lot.
//
//   class   0    1 .. 8         9 .. 20               21 .. 35                           36 .. 39        40 .. 55
//   bytes   8   16 .. 128    160, 192 .. 1 K   1152, 1280, 1536, 1792, 2 K .. 8 K   10 K .. 16 K   20 K .. 256 K
//           '---------------- small: a span is one slice -----------------------------------'     '- medium: a few -'
//
// A request gets the smallest class that holds it: less than 1/4 of it is waste, 1/8 on average.
// Every class from 16 bytes on is a multiple of 16, and spans begin at slices, so blocks are aligned to
// 16 bytes; a class whose size is a multiple of A serves alignment A. Pure: no state, no owner.
#pragma once

#include "base/config.h"
#include "base/hints.h"

#include <array>

namespace fastalloc
{

using SizeClass = uint8_t;

constexpr unsigned small_class_count = 40;
constexpr unsigned medium_class_count = 16;
constexpr unsigned class_count = small_class_count + medium_class_count;
constexpr SizeClass no_class = 255;

// Enough for offsets below 2^20: the error stays below the 2^-18 that the largest class leaves between two numbers.
constexpr unsigned reciprocal_shift = 44;

struct ClassShape
{
    uint32_t bytes;      // of a block
    uint16_t slices;     // of a span
    uint16_t capacity;   // blocks in a span
    uint64_t reciprocal; // 2^44 / bytes, rounded up
};

namespace detail
{

// Of classes above a power of two, four per doubling: 1 1/4, 1 1/2, 1 3/4 and 2 times that and so on.
constexpr uint32_t quarters_above(uint32_t power, unsigned number)
{
    const unsigned doubling = number / 4;
    return (power << doubling) + (number % 4 + 1) * (power / 4 << doubling);
}

// The same with one more per doubling, 1 1/8 times.
constexpr uint32_t eighth_and_quarters_above(uint32_t power, unsigned number)
{
    const unsigned doubling = number / 5;
    const unsigned eighths = number % 5 == 0 ? 1 : number % 5 * 2;
    return (power << doubling) + eighths * (power / 8 << doubling);
}

constexpr uint32_t bytes_of_class(unsigned index)
{
    if (index == 0)
        return 8;
    if (index <= 8)
        return index * 16;
    if (index <= 20)
        return quarters_above(128, index - 9);
    if (index <= 35)
        return eighth_and_quarters_above(1024, index - 21);
    return quarters_above(8192, index - 36);
}

// The fewest slices of which at most 1/8 stays unused behind the last block.
constexpr unsigned slices_of_span(uint32_t bytes)
{
    unsigned slices = 1;
    while ((slices * slice_bytes) % bytes * 8 > slices * slice_bytes || slices * slice_bytes < bytes)
        ++slices;
    return slices;
}

constexpr auto make_shapes()
{
    std::array<ClassShape, class_count> shapes{};
    for (unsigned index = 0; index < class_count; ++index)
    {
        const uint32_t bytes = bytes_of_class(index);
        const unsigned slices = index < small_class_count ? 1 : slices_of_span(bytes);
        shapes[index] = {bytes, static_cast<uint16_t>(slices), static_cast<uint16_t>(slices * slice_bytes / bytes),
                         ((uint64_t{1} << reciprocal_shift) + bytes - 1) / bytes};
    }
    return shapes;
}

// Small requests by (size + 7) / 8: one load on the fast path, scaled to what it indexes.
constexpr auto make_small_classes()
{
    std::array<uint16_t, small_max / 8 + 1> scaled{};
    unsigned current = 0;
    for (size_t eighth = 0; eighth < scaled.size(); ++eighth)
    {
        while (bytes_of_class(current) < eighth * 8)
            ++current;
        scaled[eighth] = static_cast<uint16_t>(current * bin_bytes);
    }
    return scaled;
}

inline constexpr auto shapes = make_shapes();
inline constexpr auto small_bin_offsets = make_small_classes();

} // namespace detail

constexpr const ClassShape &shape_of(SizeClass size_class)
{
    return detail::shapes[size_class];
}

constexpr size_t class_bytes(SizeClass size_class)
{
    return detail::shapes[size_class].bytes;
}

// The number of the block that holds the byte `offset` into a span of the class: offset / bytes, without a division.
// Exact for every offset in a span.
constexpr uint32_t block_number(SizeClass size_class, uint64_t offset)
{
    return static_cast<uint32_t>(offset * detail::shapes[size_class].reciprocal >> reciprocal_shift);
}

// Where a small class's bin is in an arena, in bytes. Requires: size <= small_max.
FASTALLOC_INLINE constexpr size_t bin_offset_of(size_t size)
{
    return detail::small_bin_offsets[(size + 7) / 8];
}

// Requires: size <= small_max.
constexpr SizeClass small_class_of(size_t size)
{
    return static_cast<SizeClass>(bin_offset_of(size) / bin_bytes);
}

// Requires: small_max < size <= medium_max.
constexpr SizeClass medium_class_of(size_t size)
{
    // The doubling that holds `size`, then the quarter of it, rounded up.
    const unsigned doubling = 63u - static_cast<unsigned>(__builtin_clzll(size - 1));
    const size_t quarter = ((size - 1) >> (doubling - 2)) & 3;
    return static_cast<SizeClass>(small_class_count + (doubling - 14) * 4 + quarter);
}

// Requires: size <= medium_max.
constexpr SizeClass class_of(size_t size)
{
    return size <= small_max ? small_class_of(size) : medium_class_of(size);
}

// The class malloc chooses for `size` bytes at a multiple of `alignment` (a power of two), or no_class
// where the block is large or outside.
constexpr SizeClass class_of(size_t size, size_t alignment)
{
    if (size < alignment)
        size = alignment;
    if (size > medium_max || alignment > slice_bytes)
        return no_class;
    unsigned index = class_of(size);
    while (index < class_count && (class_bytes(static_cast<SizeClass>(index)) & (alignment - 1)) != 0)
        ++index;
    return index < class_count ? static_cast<SizeClass>(index) : no_class;
}

constexpr bool is_small(SizeClass size_class)
{
    return size_class < small_class_count;
}

static_assert(class_bytes(small_class_count - 1) == small_max);
static_assert(class_bytes(small_class_count) == 20 * kibibyte && medium_class_of(small_max + 1) == small_class_count);
static_assert(class_bytes(class_count - 1) == medium_max && medium_class_of(medium_max) == class_count - 1);

} // namespace fastalloc
