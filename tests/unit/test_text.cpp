// SPDX-License-Identifier: MIT
//
// Claims about base/text.h: what numbers look like, and that the end of the buffer holds.
#include "base/text.h"

#include <csetjmp>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstring>

extern "C" {
#include <cmocka.h>
}

using fastalloc::Text;

namespace
{

// A buffer between bytes that must not change.
struct Guarded
{
    char before[8];
    char bytes[64];
    char after[8];

    Guarded()
    {
        memset(static_cast<void *>(this), 0x5a, sizeof(*this));
    }

    bool guards_are_whole() const
    {
        char expected[8];
        memset(expected, 0x5a, sizeof(expected));
        return memcmp(before, expected, sizeof(before)) == 0 && memcmp(after, expected, sizeof(after)) == 0;
    }
};

void a_new_text_is_empty(void **)
{
    char bytes[8] = "garbage";
    const Text text(bytes, sizeof(bytes));
    assert_string_equal(text.string(), "");
    assert_int_equal(text.length(), 0);
    assert_false(text.was_cut());
}

void decimals_are_exact_from_zero_to_the_largest(void **)
{
    char bytes[64];
    assert_string_equal(Text(bytes, sizeof(bytes)).decimal(0).string(), "0");
    assert_string_equal(Text(bytes, sizeof(bytes)).decimal(10).string(), "10");
    assert_string_equal(Text(bytes, sizeof(bytes)).decimal(UINT64_MAX).string(), "18446744073709551615");
}

void hexadecimals_have_no_leading_zeros(void **)
{
    char bytes[64];
    assert_string_equal(Text(bytes, sizeof(bytes)).hexadecimal(0).string(), "0x0");
    assert_string_equal(Text(bytes, sizeof(bytes)).hexadecimal(0xdeadbeef).string(), "0xdeadbeef");
    assert_string_equal(Text(bytes, sizeof(bytes)).hexadecimal(UINT64_MAX).string(), "0xffffffffffffffff");
    assert_string_equal(Text(bytes, sizeof(bytes)).pointer(nullptr).string(), "0x0");
    assert_string_equal(Text(bytes, sizeof(bytes)).pointer(reinterpret_cast<void *>(0x7f10)).string(), "0x7f10");
}

void sizes_are_exact_when_small_and_cut_to_a_decimal_when_large(void **)
{
    char bytes[64];
    assert_string_equal(Text(bytes, sizeof(bytes)).bytes(0).string(), "0 bytes");
    assert_string_equal(Text(bytes, sizeof(bytes)).bytes(1).string(), "1 byte");
    assert_string_equal(Text(bytes, sizeof(bytes)).bytes(9999).string(), "9999 bytes");
    assert_string_equal(Text(bytes, sizeof(bytes)).bytes(10000).string(), "9.7 KiB");
    assert_string_equal(Text(bytes, sizeof(bytes)).bytes((1 << 20) - 1).string(), "1023.9 KiB");
    assert_string_equal(Text(bytes, sizeof(bytes)).bytes(1 << 20).string(), "1.0 MiB");
    assert_string_equal(Text(bytes, sizeof(bytes)).bytes(uint64_t{1} << 60).string(), "1.0 EiB");
    assert_string_equal(Text(bytes, sizeof(bytes)).bytes(UINT64_MAX).string(), "15.9 EiB");
}

void null_adds_nothing(void **)
{
    char bytes[16];
    assert_string_equal(Text(bytes, sizeof(bytes)).text("a").text(nullptr).text(nullptr, 3).text("b").string(), "ab");
}

void a_counted_text_ends_at_its_count_or_its_zero(void **)
{
    char bytes[16];
    assert_string_equal(Text(bytes, sizeof(bytes)).text("abcdef", 3).string(), "abc");
    assert_string_equal(Text(bytes, sizeof(bytes)).text("abc", 10).string(), "abc");
    assert_string_equal(Text(bytes, sizeof(bytes)).text("abc", 0).string(), "");
}

void control_characters_cannot_break_the_line(void **)
{
    char bytes[32];
    assert_string_equal(Text(bytes, sizeof(bytes)).text("a\nb\x1b[2J\x7f\xc3\xa4").string(), "a?b?[2J?\xc3\xa4");
}

void what_fits_exactly_is_not_cut(void **)
{
    char bytes[8];
    Text text(bytes, sizeof(bytes));
    text.text("1234567");
    assert_string_equal(text.string(), "1234567");
    assert_false(text.was_cut());
}

void what_does_not_fit_is_cut_with_dots_and_stays_so(void **)
{
    char bytes[8];
    Text text(bytes, sizeof(bytes));
    text.text("12345678");
    assert_string_equal(text.string(), "1234...");
    assert_true(text.was_cut());
    text.text("more").decimal(7);
    assert_string_equal(text.string(), "1234...");
    assert_int_equal(text.length(), 7);
}

void no_byte_outside_the_buffer_is_written_at_any_capacity(void **)
{
    for (size_t capacity = 4; capacity <= sizeof(Guarded::bytes); capacity++)
    {
        Guarded guarded;
        Text text(guarded.bytes, capacity);
        for (unsigned i = 0; i < 40; i++)
        {
            text.decimal(i).text("-").hexadecimal(i);
        }
        assert_true(guarded.guards_are_whole());
        assert_true(text.was_cut());
        assert_int_equal(text.length(), capacity - 1);
        assert_int_equal(strlen(guarded.bytes), capacity - 1);
        for (size_t i = capacity; i < sizeof(guarded.bytes); i++)
        {
            assert_int_equal(guarded.bytes[i], 0x5a);
        }
    }
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(a_new_text_is_empty),
        cmocka_unit_test(decimals_are_exact_from_zero_to_the_largest),
        cmocka_unit_test(hexadecimals_have_no_leading_zeros),
        cmocka_unit_test(sizes_are_exact_when_small_and_cut_to_a_decimal_when_large),
        cmocka_unit_test(null_adds_nothing),
        cmocka_unit_test(a_counted_text_ends_at_its_count_or_its_zero),
        cmocka_unit_test(control_characters_cannot_break_the_line),
        cmocka_unit_test(what_fits_exactly_is_not_cut),
        cmocka_unit_test(what_does_not_fit_is_cut_with_dots_and_stays_so),
        cmocka_unit_test(no_byte_outside_the_buffer_is_written_at_any_capacity),
    };
    return cmocka_run_group_tests_name("text", tests, nullptr, nullptr);
}
