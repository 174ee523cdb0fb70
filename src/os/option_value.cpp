// SPDX-License-Identifier: MIT
//
// option_value.cpp - what sizes, percents, times and choices look like
//
// A unit is demanded where leaving it out would be read in two ways: 12 percent or a factor of 12, ten
// seconds or ten milliseconds. Bytes are bytes without one.
#include "os/option_value.h"

#include "base/bits.h"

#include <cstring>

namespace fastalloc
{

namespace
{

// The letter behind a size at place n means 1024^n.
constexpr char size_units[] = "\0KMG";
constexpr unsigned size_unit_count = 4;
constexpr unsigned size_unit_shift = 10;

constexpr char upper_case(char letter)
{
    return (letter >= 'a' && letter <= 'z') ? static_cast<char>(letter - 'a' + 'A') : letter;
}

bool parse_size(Slice text, uint64_t *value)
{
    uint64_t number = 0;
    if (text.take_number(&number) == 0 || text.count > 1)
    {
        return false;
    }
    unsigned unit = 0;
    if (text.count == 1)
    {
        for (unit = 1; unit < size_unit_count && size_units[unit] != upper_case(text.first[0]); unit++)
        {
        }
    }
    return unit < size_unit_count && !multiply_overflows(number, uint64_t{1} << (unit * size_unit_shift), value);
}

bool parse_percent(Slice text, uint64_t *value)
{
    uint64_t number = 0;
    uint64_t tenths = 0;
    if (text.take_number(&number) == 0)
    {
        return false;
    }
    if (text.count != 0 && text.first[0] == '.')
    {
        text.take_until('.');
        if (text.take_number(&tenths) != 1)
        {
            return false;
        }
    }
    return text.equals("%") && !multiply_overflows(number, 10, &number) && !add_overflows(number, tenths, value);
}

bool parse_time(Slice text, uint64_t *value)
{
    uint64_t number = 0;
    if (text.take_number(&number) == 0)
    {
        return false;
    }
    if (text.equals("ms"))
    {
        *value = number;
        return true;
    }
    return text.equals("s") && !multiply_overflows(number, 1000, value);
}

// Between the words of a setting and its nodes, and between these: a comma would end the setting.
constexpr char nodes_follow = ':';
constexpr char node_separator = '+';

bool parse_choice(Slice text, const char *words, uint64_t *value, NodeSet *nodes)
{
    Slice rest = {words, strlen(words)};
    for (uint64_t place = 0; rest.count != 0; place++)
    {
        Slice word = rest.take_until('|');
        const Slice with_nodes = word;
        const Slice bare = word.take_until(nodes_follow);
        *value = place;
        if (bare.count == with_nodes.count)
        {
            if (text.equals(bare.first, bare.count))
            {
                return true;
            }
            continue;
        }
        Slice list = text;
        if (list.take_until(nodes_follow).equals(bare.first, bare.count))
        {
            return parse_nodes(list.first, list.count, node_separator, nodes);
        }
    }
    return false;
}

void format_size(Text &text, uint64_t value)
{
    unsigned unit = 0;
    while (unit + 1 < size_unit_count && value != 0 && is_multiple(value, uint64_t{1} << size_unit_shift))
    {
        value >>= size_unit_shift;
        unit++;
    }
    text.decimal(value).text(size_units + unit, 1);
}

void format_percent(Text &text, uint64_t value)
{
    text.decimal(value / 10);
    if (value % 10 != 0)
    {
        text.text(".").decimal(value % 10);
    }
    text.text("%");
}

void format_time(Text &text, uint64_t value)
{
    if (value % 1000 == 0)
    {
        text.decimal(value / 1000).text("s");
    }
    else
    {
        text.decimal(value).text("ms");
    }
}

void format_choice(Text &text, const char *words, uint64_t value, const NodeSet &nodes)
{
    Slice rest = {words, strlen(words)};
    Slice word = rest.take_until('|');
    for (; value != 0; value--)
    {
        word = rest.take_until('|');
    }
    const size_t length = word.count;
    const Slice bare = word.take_until(nodes_follow);
    text.text(bare.first, bare.count);
    if (bare.count != length)
    {
        text.text(&nodes_follow, 1);
        format_nodes(text, nodes, node_separator);
    }
}

} // namespace

bool Slice::equals(const char *string, size_t string_count) const
{
    return count == string_count && memcmp(first, string, count) == 0;
}

bool Slice::equals(const char *string) const
{
    return equals(string, strlen(string));
}

Slice Slice::take_until(char separator)
{
    size_t length = 0;
    while (length < count && first[length] != separator)
    {
        length++;
    }
    const Slice head = {first, length};
    const size_t removed = length < count ? length + 1 : length;
    first += removed;
    count -= removed;
    return head;
}

size_t Slice::take_number(uint64_t *value)
{
    uint64_t number = 0;
    size_t digits = 0;
    while (digits < count && first[digits] >= '0' && first[digits] <= '9')
    {
        const auto digit = static_cast<uint64_t>(first[digits] - '0');
        if (multiply_overflows(number, 10, &number) || add_overflows(number, digit, &number))
        {
            return 0;
        }
        digits++;
    }
    first += digits;
    count -= digits;
    *value = number;
    return digits;
}

bool parse_value(const Option &option, Slice text, uint64_t *value, NodeSet *nodes)
{
    switch (option.kind)
    {
    case OptionKind::size:
        return parse_size(text, value);
    case OptionKind::percent:
        return parse_percent(text, value);
    case OptionKind::time:
        return parse_time(text, value);
    case OptionKind::choice:
        return parse_choice(text, option.words, value, nodes);
    }
    return false;
}

void format_value(Text &text, const Option &option, uint64_t value, const NodeSet &nodes)
{
    switch (option.kind)
    {
    case OptionKind::size:
        format_size(text, value);
        break;
    case OptionKind::percent:
        format_percent(text, value);
        break;
    case OptionKind::time:
        format_time(text, value);
        break;
    case OptionKind::choice:
        format_choice(text, option.words, value, nodes);
        break;
    }
}

} // namespace fastalloc
