// SPDX-License-Identifier: MIT
//
// Claims about base/bits.h, at the edges of each type and against a slow definition everywhere between.
#include "base/bits.h"

#include <csetjmp>
#include <cstdarg>
#include <cstddef>
#include <cstdint>

extern "C" {
#include <cmocka.h>
}

using namespace fastalloc;

namespace
{

// A usable walk over 64-bit masks: the same on every run (a linear congruential generator).
uint64_t next_mask(uint64_t &state)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return state ^ (state >> 29);
}

// find_run, one position after the other.
template <typename T>
int find_run_slowly(T mask, unsigned count)
{
    for (unsigned first = 0; first + count <= width_of<T>; first++)
    {
        if ((mask & mask_of<T>(first, count)) == mask_of<T>(first, count))
        {
            return static_cast<int>(first);
        }
    }
    return -1;
}

void every_helper_is_a_constant_expression(void **)
{
    static_assert(is_power_of_two(64u) && round_up(65u, 64) == 128);
    static_assert(mask_of<uint64_t>(0, 64) == UINT64_MAX && find_run(0b1101110u, 3) == 1);
    static_assert(divide_up(7u, 2) == 4);
}

void zero_is_no_power_of_two(void **)
{
    assert_false(is_power_of_two(0u));
    assert_true(is_power_of_two(1u));
    assert_false(is_power_of_two(3u));
    assert_true(is_power_of_two(uint64_t{1} << 63));
    assert_false(is_power_of_two(UINT64_MAX));
}

void rounding_leaves_multiples_alone(void **)
{
    assert_int_equal(round_up(size_t{0}, 4096), 0);
    assert_int_equal(round_up(size_t{4096}, 4096), 4096);
    assert_int_equal(round_up(size_t{4097}, 4096), 8192);
    assert_int_equal(round_down(size_t{8191}, 4096), 4096);
    assert_int_equal(round_down(size_t{8192}, 4096), 8192);
    assert_int_equal(round_up(size_t{5}, 1), 5);
    assert_true(is_multiple(size_t{8192}, 4096));
    assert_false(is_multiple(size_t{8193}, 4096));
}

void rounding_reaches_the_last_multiple_and_wraps_to_zero_above(void **)
{
    const size_t last = SIZE_MAX - 4095;
    assert_true(round_up(last, 4096) == last);
    assert_true(round_up(last + 1, 4096) == 0);
    assert_true(round_down(SIZE_MAX, 4096) == last);
}

void divide_up_does_not_wrap_at_the_largest_value(void **)
{
    assert_int_equal(divide_up(size_t{0}, 8), 0);
    assert_int_equal(divide_up(size_t{1}, 8), 1);
    assert_int_equal(divide_up(size_t{8}, 8), 1);
    assert_true(divide_up(SIZE_MAX, 2) == (SIZE_MAX >> 1) + 1);
}

template <typename T>
void check_masks()
{
    assert_true(mask_of<T>(0, width_of<T>) == static_cast<T>(~T{0}));
    assert_true(mask_of<T>(width_of<T> - 1, 1) == static_cast<T>(T{1} << (width_of<T> - 1)));
    for (unsigned first = 0; first < width_of<T>; first++)
    {
        T expected = 0;
        for (unsigned count = 0; first + count <= width_of<T>; count++)
        {
            assert_true(mask_of<T>(first, count) == expected);
            if (first + count < width_of<T>)
            {
                expected = static_cast<T>(expected | (T{1} << (first + count)));
            }
        }
    }
}

void masks_have_just_the_bits_asked_for_in_every_width(void **)
{
    check_masks<uint16_t>();
    check_masks<uint32_t>();
    check_masks<uint64_t>();
}

void lowest_bit_of_nothing_is_none(void **)
{
    assert_int_equal(lowest_bit(0u), -1);
    assert_int_equal(lowest_bit(0b1000u), 3);
    assert_int_equal(lowest_bit(uint64_t{1} << 63), 63);
    assert_int_equal(lowest_bit(static_cast<uint16_t>(0x8000)), 15);
}

void a_run_as_wide_as_the_mask_is_found_only_in_a_full_one(void **)
{
    assert_int_equal(find_run(UINT32_MAX, 32), 0);
    assert_int_equal(find_run(UINT32_MAX - 1, 32), -1);
    assert_int_equal(find_run(UINT64_MAX, 64), 0);
    assert_int_equal(find_run(UINT64_MAX >> 1, 64), -1);
    assert_int_equal(find_run(uint16_t{0xffff}, 16), 0);
}

void the_lowest_run_wins_and_longer_ones_serve(void **)
{
    assert_int_equal(find_run(0u, 1), -1);
    assert_int_equal(find_run(0b1011011100u, 1), 2);
    assert_int_equal(find_run(0b1011011100u, 2), 2);
    assert_int_equal(find_run(0b1011011000u, 2), 3);
    assert_int_equal(find_run(0b1011011100u, 3), 2);
    assert_int_equal(find_run(0b1011011100u, 4), -1);
    assert_int_equal(find_run(uint64_t{0xff} << 56, 8), 56);
    assert_int_equal(find_run(uint64_t{0xff} << 56, 9), -1);
}

void find_run_agrees_with_a_search_bit_by_bit(void **)
{
    uint64_t state = 1;
    for (unsigned round = 0; round < 4000; round++)
    {
        const uint64_t sparse = next_mask(state);
        const uint64_t masks[] = {sparse, sparse | next_mask(state), sparse | next_mask(state) | next_mask(state)};
        for (const uint64_t mask : masks)
        {
            const auto half = static_cast<uint32_t>(mask);
            const auto quarter = static_cast<uint16_t>(mask);
            const unsigned count = round % 64 + 1;
            assert_int_equal(find_run(mask, count), find_run_slowly(mask, count));
            assert_int_equal(find_run(half, count % 32 + 1), find_run_slowly(half, count % 32 + 1));
            assert_int_equal(find_run(quarter, count % 16 + 1), find_run_slowly(quarter, count % 16 + 1));
        }
    }
}

void run_length_counts_up_to_the_first_clear_bit(void **)
{
    assert_int_equal(run_length(0b110111u, 0), 3);
    assert_int_equal(run_length(0b110111u, 1), 2);
    assert_int_equal(run_length(0b110111u, 3), 0);
    assert_int_equal(run_length(0b110111u, 4), 2);
    assert_int_equal(run_length(UINT32_MAX, 0), 32);
    assert_int_equal(run_length(UINT64_MAX, 0), 64);
    assert_int_equal(run_length(UINT64_MAX, 63), 1);
}

void overflow_is_noticed_exactly_where_it_begins(void **)
{
    size_t result = 0;
    assert_false(multiply_overflows(SIZE_MAX, 1, &result));
    assert_true(result == SIZE_MAX);
    assert_false(multiply_overflows(SIZE_MAX, 0, &result));
    assert_int_equal(result, 0);
    assert_false(multiply_overflows(size_t{1} << 32, (size_t{1} << 32) - 1, &result));
    assert_true(multiply_overflows(size_t{1} << 32, size_t{1} << 32, &result));
    assert_false(add_overflows(SIZE_MAX - 1, 1, &result));
    assert_true(result == SIZE_MAX);
    assert_true(add_overflows(SIZE_MAX, 1, &result));
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(every_helper_is_a_constant_expression),
        cmocka_unit_test(zero_is_no_power_of_two),
        cmocka_unit_test(rounding_leaves_multiples_alone),
        cmocka_unit_test(rounding_reaches_the_last_multiple_and_wraps_to_zero_above),
        cmocka_unit_test(divide_up_does_not_wrap_at_the_largest_value),
        cmocka_unit_test(masks_have_just_the_bits_asked_for_in_every_width),
        cmocka_unit_test(lowest_bit_of_nothing_is_none),
        cmocka_unit_test(a_run_as_wide_as_the_mask_is_found_only_in_a_full_one),
        cmocka_unit_test(the_lowest_run_wins_and_longer_ones_serve),
        cmocka_unit_test(find_run_agrees_with_a_search_bit_by_bit),
        cmocka_unit_test(run_length_counts_up_to_the_first_clear_bit),
        cmocka_unit_test(overflow_is_noticed_exactly_where_it_begins),
    };
    return cmocka_run_group_tests_name("bits", tests, nullptr, nullptr);
}
