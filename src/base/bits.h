// SPDX-License-Identifier: MIT
//
// bits.h - powers of two, runs of set bits, and products that do not wrap
//
// The arithmetic an allocator does on addresses, sizes and bit masks, in one place and tested at the edges
// of each type, where hand-written shifts go wrong: a count equal to the width, a size close to the
// largest, zero. Everything is constexpr, keeps no state and may be called from anywhere, fast path
// included: each function is a handful of instructions without a call.
//
// All templates take unsigned integers only: a signed value would make the shifts below mean something else.
// Masks number their bits from the lowest, bit 0, on.
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace fastalloc
{

// The number of bits in a T.
template <std::unsigned_integral T>
inline constexpr unsigned width_of = std::numeric_limits<T>::digits;

// ---- powers of two -----------------------------------------------------------------------------------

// Whether exactly one bit is set. 0 is no power of two.
template <std::unsigned_integral T>
constexpr bool is_power_of_two(T value)
{
    return std::has_single_bit(value);
}

// The largest multiple of `alignment` that is at most `value`. Requires: alignment is a power of two.
template <std::unsigned_integral T>
constexpr T round_down(T value, std::type_identity_t<T> alignment)
{
    return static_cast<T>(value & ~static_cast<T>(alignment - 1));
}

// The smallest multiple of `alignment` that is at least `value`; 0 where that is too large for T.
// Requires: alignment is a power of two.
template <std::unsigned_integral T>
constexpr T round_up(T value, std::type_identity_t<T> alignment)
{
    return round_down(static_cast<T>(value + (alignment - 1)), alignment);
}

// Whether `value` is a multiple of `alignment`. Requires: alignment is a power of two.
template <std::unsigned_integral T>
constexpr bool is_multiple(T value, std::type_identity_t<T> alignment)
{
    return (value & (alignment - 1)) == 0;
}

// value / divisor, rounded up; no sum that could wrap. Requires: divisor is not 0.
template <std::unsigned_integral T>
constexpr T divide_up(T value, std::type_identity_t<T> divisor)
{
    return static_cast<T>(value / divisor + (value % divisor != 0 ? 1 : 0));
}

// ---- masks -------------------------------------------------------------------------------------------

// `count` set bits from bit `first` on. A shift by the whole width is undefined in C++, hence the two
// cases. Requires: first + count is at most the width, and first is below it unless count is 0.
template <std::unsigned_integral T>
constexpr T mask_of(unsigned first, unsigned count)
{
    if (count == 0)
    {
        return 0;
    }
    const T low = static_cast<T>(std::numeric_limits<T>::max() >> (width_of<T> - count));
    return static_cast<T>(low << first);
}

// The index of the lowest set bit, -1 if there is none.
template <std::unsigned_integral T>
constexpr int lowest_bit(T mask)
{
    return mask == 0 ? -1 : std::countr_zero(mask);
}

// The index at which the lowest run of at least `count` set bits begins, -1 if there is none. And-ing the
// mask with itself moved down leaves the bits at which a run of twice the length begins: log2(count) steps.
// Requires: count is 1 to the width of T.
template <std::unsigned_integral T>
constexpr int find_run(T mask, unsigned count)
{
    unsigned length = 1;
    while (length < count && mask != 0)
    {
        const unsigned step = length < count - length ? length : count - length;
        mask = static_cast<T>(mask & (mask >> step));
        length += step;
    }
    return lowest_bit(mask);
}

// The number of set bits in a row from bit `first` on; 0 if that bit is clear. Requires: first is below the width.
template <std::unsigned_integral T>
constexpr unsigned run_length(T mask, unsigned first)
{
    return static_cast<unsigned>(std::countr_one(static_cast<T>(mask >> first)));
}

// ---- products and sums that do not wrap ----------------------------------------------------------------

// Whether a * b is too large for size_t; if not, it is stored in *product, else *product is unspecified.
constexpr bool multiply_overflows(size_t a, size_t b, size_t *product)
{
    return __builtin_mul_overflow(a, b, product);
}

// Whether a + b is too large for size_t; if not, it is stored in *sum, else *sum is unspecified.
constexpr bool add_overflows(size_t a, size_t b, size_t *sum)
{
    return __builtin_add_overflow(a, b, sum);
}

} // namespace fastalloc
