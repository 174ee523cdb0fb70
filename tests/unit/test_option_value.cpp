// SPDX-License-Identifier: MIT
//
// Claims about os/option_value.h: how each kind of value is spelled, and what is not one.
#include "os/option_value.h"

#include <csetjmp>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>

extern "C" {
#include <cmocka.h>
}

using namespace fastalloc;

namespace
{

constexpr uint64_t kib = 1024;

// A setting of each kind.
const Option &size_option = *find_option("slack");
const Option &percent_option = *find_option("slack_share");
const Option &time_option = *find_option("demand_half_life");
const Option &choice_option = *find_option("foreign");
const Option &nodes_option = *find_option("numa");

// The value, or `malformed`, which none of the texts below stands for.
constexpr uint64_t malformed = 0xbad;

uint64_t parsed(const Option &option, const char *text)
{
    uint64_t value = 0;
    NodeSet nodes{};
    return parse_value(option, {text, strlen(text)}, &value, &nodes) ? value : malformed;
}

char formatted_text[option_text_capacity];

const char *formatted(const Option &option, uint64_t value)
{
    Text text(formatted_text, sizeof(formatted_text));
    format_value(text, option, value);
    return formatted_text;
}

void a_size_is_bytes_or_has_a_binary_suffix(void **)
{
    assert_int_equal(parsed(size_option, "0"), 0);
    assert_int_equal(parsed(size_option, "0M"), 0);
    assert_int_equal(parsed(size_option, "123457"), 123457);
    assert_int_equal(parsed(size_option, "007"), 7);
    assert_int_equal(parsed(size_option, "8K"), 8 * kib);
    assert_int_equal(parsed(size_option, "8M"), 8 * kib * kib);
    assert_int_equal(parsed(size_option, "8G"), 8 * kib * kib * kib);
    assert_int_equal(parsed(size_option, "8k"), 8 * kib);
    assert_int_equal(parsed(size_option, "8m"), 8 * kib * kib);
    assert_int_equal(parsed(size_option, "8g"), 8 * kib * kib * kib);
}

void what_is_no_size_is_malformed(void **)
{
    for (const char *text : {"", "K", "4MB", "4MiB", "4T", "4 M", "4M ", " 4M", "-4", "+4", "0x10", "4.5M", "4KK"})
    {
        assert_int_equal(parsed(size_option, text), malformed);
    }
}

void a_size_reaches_the_largest_number_and_does_not_wrap(void **)
{
    assert_true(parsed(size_option, "18446744073709551615") == UINT64_MAX);
    assert_int_equal(parsed(size_option, "18446744073709551616"), malformed);
    assert_int_equal(parsed(size_option, "99999999999999999999999999"), malformed);
    assert_true(parsed(size_option, "17179869183G") == 17179869183u * kib * kib * kib);
    assert_int_equal(parsed(size_option, "17179869184G"), malformed);
}

void a_percent_has_a_sign_and_at_most_one_decimal(void **)
{
    assert_int_equal(parsed(percent_option, "0%"), 0);
    assert_int_equal(parsed(percent_option, "0.1%"), 1);
    assert_int_equal(parsed(percent_option, "12.5%"), 125);
    assert_int_equal(parsed(percent_option, "12.0%"), 120);
    assert_int_equal(parsed(percent_option, "100%"), 1000);
    for (const char *text : {"", "%", "12.5", "12", ".5%", "12.%", "12.55%", "12.x%", "12..5%", "12.5%%", "-1%", "1 %"})
    {
        assert_int_equal(parsed(percent_option, text), malformed);
    }
    assert_true(parsed(percent_option, "1844674407370955161.5%") == UINT64_MAX);
    assert_int_equal(parsed(percent_option, "1844674407370955161.6%"), malformed);
    assert_int_equal(parsed(percent_option, "1844674407370955162%"), malformed);
}

void a_time_has_a_unit(void **)
{
    assert_int_equal(parsed(time_option, "0ms"), 0);
    assert_int_equal(parsed(time_option, "10ms"), 10);
    assert_int_equal(parsed(time_option, "3s"), 3000);
    for (const char *text : {"", "10", "ms", "s", "1.5s", "1S", "1MS", "1m", "1h", "1us", "1 s", "1sm", "-1s"})
    {
        assert_int_equal(parsed(time_option, text), malformed);
    }
    assert_true(parsed(time_option, "18446744073709551615ms") == UINT64_MAX);
    assert_int_equal(parsed(time_option, "18446744073709552s"), malformed);
}

void a_choice_is_one_of_its_words_and_nothing_like_them(void **)
{
    assert_int_equal(parsed(choice_option, "abort"), 0);
    assert_int_equal(parsed(choice_option, "libc"), 1);
    for (const char *text : {"", "lib", "libcc", "LIBC", "abort|libc", "|", "0", "1", " libc"})
    {
        assert_int_equal(parsed(choice_option, text), malformed);
    }
}

void nodes_follow_the_word_that_says_so_and_no_other(void **)
{
    uint64_t value = 0;
    NodeSet nodes{};
    const auto parse = [&](const char *text) {
        return parse_value(nodes_option, {text, strlen(text)}, &value, &nodes);
    };
    assert_true(parse("bind:0-1+3"));
    assert_int_equal(value, 3);
    assert_int_equal(nodes.words[0], 0b1011);
    assert_true(parse("interleave"));
    assert_int_equal(value, 2);
    for (const char *text : {"bind", "bind:", "bind:x", "bind:0,1", "bind:1-0", "bind:1024", "off:0", ":0", "auto:"})
    {
        assert_false(parse(text));
    }
}

void nodes_are_written_as_they_are_read(void **)
{
    for (const char *text : {"bind:0", "bind:0-1+3", "bind:7+1000-1023"})
    {
        uint64_t value = 0;
        NodeSet nodes{};
        assert_true(parse_value(nodes_option, {text, strlen(text)}, &value, &nodes));
        Text written(formatted_text, sizeof(formatted_text));
        format_value(written, nodes_option, value, nodes);
        assert_string_equal(formatted_text, text);
    }
}

void a_value_ends_where_its_slice_does(void **)
{
    uint64_t value = 0;
    NodeSet nodes{};
    assert_true(parse_value(size_option, {"12345", 2}, &value, &nodes));
    assert_int_equal(value, 12);
    assert_true(parse_value(choice_option, {"libc,huge=never", 4}, &value, &nodes));
    assert_int_equal(value, 1);
}

void a_value_is_written_in_its_largest_whole_unit(void **)
{
    assert_string_equal(formatted(size_option, 0), "0");
    assert_string_equal(formatted(size_option, 1023), "1023");
    assert_string_equal(formatted(size_option, 4 * kib), "4K");
    assert_string_equal(formatted(size_option, 4 * kib * kib), "4M");
    assert_string_equal(formatted(size_option, 4 * kib * kib + 1), "4194305");
    assert_string_equal(formatted(size_option, kib * kib * kib * kib), "1024G");
    assert_string_equal(formatted(percent_option, 125), "12.5%");
    assert_string_equal(formatted(percent_option, 120), "12%");
    assert_string_equal(formatted(time_option, 1000), "1s");
    assert_string_equal(formatted(time_option, 1500), "1500ms");
    assert_string_equal(formatted(choice_option, 0), "abort");
    assert_string_equal(formatted(choice_option, 1), "libc");
}

void what_is_written_is_read_back_for_every_number(void **)
{
    for (unsigned shift = 0; shift < 64; shift++)
    {
        for (const uint64_t value : {UINT64_MAX >> shift, uint64_t{1} << shift, (uint64_t{1} << shift) + 1})
        {
            for (const Option *option : {&size_option, &percent_option, &time_option})
            {
                assert_true(parsed(*option, formatted(*option, value)) == value);
            }
        }
    }
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(a_size_is_bytes_or_has_a_binary_suffix),
        cmocka_unit_test(what_is_no_size_is_malformed),
        cmocka_unit_test(a_size_reaches_the_largest_number_and_does_not_wrap),
        cmocka_unit_test(a_percent_has_a_sign_and_at_most_one_decimal),
        cmocka_unit_test(a_time_has_a_unit),
        cmocka_unit_test(a_choice_is_one_of_its_words_and_nothing_like_them),
        cmocka_unit_test(nodes_follow_the_word_that_says_so_and_no_other),
        cmocka_unit_test(nodes_are_written_as_they_are_read),
        cmocka_unit_test(a_value_ends_where_its_slice_does),
        cmocka_unit_test(a_value_is_written_in_its_largest_whole_unit),
        cmocka_unit_test(what_is_written_is_read_back_for_every_number),
    };
    return cmocka_run_group_tests_name("option_value", tests, nullptr, nullptr);
}
