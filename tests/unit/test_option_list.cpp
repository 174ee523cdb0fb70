// SPDX-License-Identifier: MIT
//
// Claims about os/option_list.h: what an item is in either form, on which line it stands, and what is wrong with it.
// How values are spelled is the claim of test_option_value.cpp.
#include "os/option_list.h"

#include <csetjmp>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

extern "C" {
#include <cmocka.h>
}

using namespace fastalloc;

namespace
{

constexpr uint64_t mib = 1024 * 1024;

// A text, which its items point into, and what became of it.
struct Read
{
    const std::string text;
    Options values = default_options();
    std::vector<ListItem> items;

    Read(const std::string &written, ListForm form) : text(written)
    {
        OptionList list({text.data(), text.size()}, form);
        ListItem item;
        while (list.apply_next(values, Origin::file, &item))
            items.push_back(item);
    }
};

// Whether the one line means slack=1M.
bool means_one_mib(const std::string &line)
{
    const Read lines(line, ListForm::lines);
    return lines.items.size() == 1 && !lines.items[0].is_bad() && lines.values.slack == mib;
}

bool is_bad_line(const std::string &line)
{
    const Read lines(line, ListForm::lines);
    return lines.items.size() == 1 && lines.items[0].is_bad() && lines.values.slack == 4 * mib;
}

bool means_nothing(const std::string &lines)
{
    return Read(lines, ListForm::lines).items.empty();
}

std::string text_of(const ListItem &item)
{
    return {item.text.first, item.text.count};
}

std::string reason_of(const ListItem &item)
{
    char bytes[reason_capacity];
    Text reason(bytes, sizeof bytes);
    explain(reason, item);
    assert_false(reason.was_cut());
    return bytes;
}

void blanks_may_stand_around_key_sign_and_value(void **)
{
    assert_true(means_one_mib("slack=1M"));
    assert_true(means_one_mib("  slack=1M"));
    assert_true(means_one_mib("slack = 1M"));
    assert_true(means_one_mib("\tslack\t=\t \t1M \t\n"));
}

void blanks_within_a_key_or_value_are_malformed(void **)
{
    assert_true(is_bad_line("slack=1 M"));
    assert_true(is_bad_line("sla ck=1M"));
    assert_true(is_bad_line("slack=1M huge=never"));
}

void a_carriage_return_may_end_a_line(void **)
{
    assert_true(means_one_mib("slack=1M\r\n"));
    assert_true(means_nothing("\r\n\r\n"));
}

void the_last_line_need_not_end(void **)
{
    const Read lines("huge=never\nslack=1M", ListForm::lines);
    assert_int_equal(lines.items.size(), 2);
    assert_int_equal(lines.values.slack, mib);
    assert_true(lines.values.huge == Huge::never);
}

void a_comment_goes_from_its_sign_to_the_end_of_the_line(void **)
{
    assert_true(means_nothing("# slack=1M"));
    assert_true(means_nothing("   #slack=1M\n#\n\t# more"));
    assert_true(means_one_mib("slack=1M # as much as that"));
    assert_true(means_one_mib("slack=1M\t#"));
    assert_true(means_one_mib("# what follows counts\nslack=1M"));
}

void a_sign_within_a_word_begins_no_comment(void **)
{
    assert_true(is_bad_line("slack=1M#"));
    assert_true(is_bad_line("slack#=1M"));
}

void empty_texts_and_lines_have_no_items(void **)
{
    assert_true(means_nothing(""));
    assert_true(means_nothing("\n\n  \n\t"));
    assert_true(Read("", ListForm::commas).items.empty());
    assert_true(Read(",,,", ListForm::commas).items.empty());
}

void each_item_knows_its_line(void **)
{
    const Read lines("# first\nslack=1M\n\nsluck=1M\r\nhuge=never # fifth", ListForm::lines);
    assert_int_equal(lines.items.size(), 3);
    assert_int_equal(lines.items[0].line, 2);
    assert_int_equal(lines.items[1].line, 4);
    assert_int_equal(lines.items[2].line, 5);
    assert_ptr_equal(lines.items[2].option, find_option("huge"));
    const Read commas(",slack=1M,,huge=never", ListForm::commas);
    assert_int_equal(commas.items.size(), 2);
    assert_int_equal(commas.items[0].line, 1);
    assert_int_equal(commas.items[1].line, 1);
}

void each_fault_says_what_was_written_and_why_it_does_not_count(void **)
{
    const Read lines("sluck=1M\n slack_share = 5 # five\nhuge=maybe\narena_budget=1\nslack\nslack=1M,huge=never\n",
                     ListForm::lines);
    const char *const texts[] = {"sluck=1M",       "slack_share = 5", "huge=maybe",
                                 "arena_budget=1", "slack",           "slack=1M,huge=never"};
    const char *const reasons[] = {"no such setting", "write it like 12.5%", "one of auto|always|never|hugetlb",
                                   "4K to 1M",        "write it like 4M",    "write it like 4M"};
    const Verdict verdicts[] = {Verdict::no_such_setting, Verdict::malformed, Verdict::malformed,
                                Verdict::out_of_range,    Verdict::malformed, Verdict::malformed};
    assert_int_equal(lines.items.size(), 6);
    for (size_t place = 0; place < 6; place++)
    {
        assert_true(lines.items[place].is_bad() && lines.items[place].verdict == verdicts[place]);
        assert_string_equal(text_of(lines.items[place]).c_str(), texts[place]);
        assert_string_equal(reason_of(lines.items[place]).c_str(), reasons[place]);
    }
}

void bad_lines_leave_the_good_ones_in_force(void **)
{
    const Read lines("slack=x\nslack=1M\nslack=y\nnonsense\nhuge=never", ListForm::lines);
    assert_int_equal(lines.items.size(), 5);
    assert_int_equal(lines.values.slack, mib);
    assert_true(lines.values.huge == Huge::never);
}

void only_what_was_taken_has_an_origin(void **)
{
    const Read lines("slack=1M\nhuge=maybe\n", ListForm::lines);
    for (const Option &option : option_table())
    {
        const bool is_slack = strcmp(option.name, "slack") == 0;
        assert_true(origin_of(option, lines.values) == (is_slack ? Origin::file : Origin::initial));
    }
}

void no_byte_is_too_strange_for_a_line(void **)
{
    std::string text;
    for (unsigned byte = 0; byte < 256; byte++)
        text += static_cast<char>(byte);
    const Read lines(text + "\n" + std::string(100000, '=') + "\nslack=2M", ListForm::lines);
    assert_int_equal(lines.values.slack, 2 * mib);
}

void a_line_with_a_zero_byte_is_malformed(void **)
{
    assert_true(is_bad_line(std::string("slack=1M\0", 9)));
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(blanks_may_stand_around_key_sign_and_value),
        cmocka_unit_test(blanks_within_a_key_or_value_are_malformed),
        cmocka_unit_test(a_carriage_return_may_end_a_line),
        cmocka_unit_test(the_last_line_need_not_end),
        cmocka_unit_test(a_comment_goes_from_its_sign_to_the_end_of_the_line),
        cmocka_unit_test(a_sign_within_a_word_begins_no_comment),
        cmocka_unit_test(empty_texts_and_lines_have_no_items),
        cmocka_unit_test(each_item_knows_its_line),
        cmocka_unit_test(each_fault_says_what_was_written_and_why_it_does_not_count),
        cmocka_unit_test(bad_lines_leave_the_good_ones_in_force),
        cmocka_unit_test(only_what_was_taken_has_an_origin),
        cmocka_unit_test(no_byte_is_too_strange_for_a_line),
        cmocka_unit_test(a_line_with_a_zero_byte_is_malformed),
    };
    return cmocka_run_group_tests_name("option_list", tests, nullptr, nullptr);
}
