// SPDX-License-Identifier: MIT
//
// Claims about base/size_class.h, for every class and every size there is one for.
#include "base/size_class.h"

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

// The smallest class that holds `size`, by looking at all of them.
SizeClass class_of_slowly(size_t size)
{
    SizeClass size_class = 0;
    while (class_bytes(size_class) < size)
        ++size_class;
    return size_class;
}

void classes_grow_from_8_bytes_to_the_largest_medium_block(void **)
{
    assert_int_equal(class_bytes(0), 8);
    for (SizeClass size_class = 1; size_class < class_count; size_class++)
        assert_true(class_bytes(size_class) > class_bytes(static_cast<SizeClass>(size_class - 1)));
    assert_int_equal(class_bytes(class_count - 1), medium_max);
}

void every_size_gets_the_smallest_class_that_holds_it(void **)
{
    for (size_t size = 0; size <= medium_max; size++)
        if (class_of(size) != class_of_slowly(size))
            fail_msg("size %zu: class %u", size, unsigned{class_of(size)});
}

void small_and_medium_meet_at_small_max(void **)
{
    for (SizeClass size_class = 0; size_class < class_count; size_class++)
        assert_true(is_small(size_class) == (class_bytes(size_class) <= small_max));
    assert_true(is_small(class_of(small_max)));
    assert_false(is_small(class_of(small_max + 1)));
}

void the_fast_paths_table_says_the_same_as_the_formula(void **)
{
    for (size_t size = 0; size <= small_max; size++)
        assert_int_equal(bin_offset_of(size), class_of_slowly(size) * bin_bytes);
}

void above_128_bytes_a_class_wastes_at_most_a_quarter(void **)
{
    for (SizeClass size_class = class_of(128); size_class < class_count - 1; size_class++)
    {
        const size_t least = class_bytes(size_class) + 1; // the request that wastes most of the next class
        assert_true((class_bytes(size_class + 1) - least) * 5 <= class_bytes(size_class + 1));
    }
}

// Pages and rows with a header.
void a_power_of_two_from_1_kib_and_a_little_wastes_at_most_an_eighth(void **)
{
    for (size_t power = 1024; power <= 4096; power *= 2)
        for (size_t header = 1; header <= power / 8; header++)
            assert_int_equal(class_bytes(class_of(power + header)), power + power / 8);
}

void a_span_wastes_at_most_an_eighth_behind_its_last_block(void **)
{
    for (SizeClass size_class = 0; size_class < class_count; size_class++)
    {
        const ClassShape &shape = shape_of(size_class);
        const size_t whole = shape.slices * slice_bytes;
        assert_int_equal(shape.capacity, whole / shape.bytes);
        assert_true(shape.capacity >= 1);
        assert_true((whole - shape.capacity * size_t{shape.bytes}) * 8 <= whole);
        if (is_small(size_class))
            assert_int_equal(shape.slices, 1);
        else
            assert_true(shape.capacity <= 64); // a bit each in a span's record
    }
}

void a_span_has_no_more_slices_than_that_takes(void **)
{
    for (SizeClass size_class = small_class_count; size_class < class_count; size_class++)
    {
        const ClassShape &shape = shape_of(size_class);
        for (size_t fewer = 1; fewer < shape.slices; fewer++)
            assert_true(fewer * slice_bytes < shape.bytes ||
                        fewer * slice_bytes % shape.bytes * 8 > fewer * slice_bytes);
    }
}

void every_class_from_16_bytes_on_keeps_16_byte_alignment(void **)
{
    for (SizeClass size_class = 1; size_class < class_count; size_class++)
        assert_true(is_multiple(class_bytes(size_class), 16));
}

void an_aligned_request_gets_the_smallest_class_of_multiples(void **)
{
    for (size_t alignment = 8; alignment <= slice_bytes; alignment *= 2)
        for (size_t size = 0; size <= medium_max; size += size < 4096 ? 7 : 509)
        {
            unsigned expected = 0;
            while (expected < class_count && (class_bytes(static_cast<SizeClass>(expected)) < size ||
                                              !is_multiple(class_bytes(static_cast<SizeClass>(expected)), alignment)))
                expected++;
            const SizeClass chosen = class_of(size, alignment);
            if (chosen != (expected == class_count ? no_class : expected))
                fail_msg("size %zu, alignment %zu: class %u", size, alignment, unsigned{chosen});
        }
}

void what_no_class_can_hold_or_align_has_none(void **)
{
    assert_int_equal(class_of(medium_max + 1, 16), no_class);
    assert_int_equal(class_of(SIZE_MAX, 16), no_class);
    assert_int_equal(class_of(1, slice_bytes * 2), no_class);
    assert_int_equal(class_of(0, SIZE_MAX / 2 + 1), no_class);
    assert_int_equal(class_of(medium_max, slice_bytes), class_count - 1);
    assert_int_equal(class_of(1, slice_bytes), class_of(slice_bytes));
}

void blocks_are_numbered_without_a_division_that_errs(void **)
{
    for (SizeClass size_class = 0; size_class < class_count; size_class++)
    {
        const ClassShape &shape = shape_of(size_class);
        for (uint32_t number = 0; number < shape.capacity; number++)
        {
            const size_t begin = number * size_t{shape.bytes};
            assert_int_equal(block_number(size_class, begin), number);
            assert_int_equal(block_number(size_class, begin + shape.bytes - 1), number);
        }
        const size_t last = shape.slices * slice_bytes - 1;
        assert_int_equal(block_number(size_class, last), last / shape.bytes);
    }
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(classes_grow_from_8_bytes_to_the_largest_medium_block),
        cmocka_unit_test(every_size_gets_the_smallest_class_that_holds_it),
        cmocka_unit_test(small_and_medium_meet_at_small_max),
        cmocka_unit_test(the_fast_paths_table_says_the_same_as_the_formula),
        cmocka_unit_test(above_128_bytes_a_class_wastes_at_most_a_quarter),
        cmocka_unit_test(a_power_of_two_from_1_kib_and_a_little_wastes_at_most_an_eighth),
        cmocka_unit_test(a_span_wastes_at_most_an_eighth_behind_its_last_block),
        cmocka_unit_test(a_span_has_no_more_slices_than_that_takes),
        cmocka_unit_test(every_class_from_16_bytes_on_keeps_16_byte_alignment),
        cmocka_unit_test(an_aligned_request_gets_the_smallest_class_of_multiples),
        cmocka_unit_test(what_no_class_can_hold_or_align_has_none),
        cmocka_unit_test(blocks_are_numbered_without_a_division_that_errs),
    };
    return cmocka_run_group_tests_name("size_class", tests, nullptr, nullptr);
}
