// SPDX-License-Identifier: MIT
#include "os/option_list.h"

namespace fastalloc
{
namespace
{

bool is_blank(char character)
{
    return character == ' ' || character == '\t' || character == '\r';
}

Slice without_blanks(Slice text)
{
    while (text.count != 0 && is_blank(text.first[0]))
    {
        text.first++;
        text.count--;
    }
    while (text.count != 0 && is_blank(text.first[text.count - 1]))
        text.count--;
    return text;
}

Slice without_comment(Slice line)
{
    for (size_t place = 0; place < line.count; place++)
        if (line.first[place] == '#' && (place == 0 || is_blank(line.first[place - 1])))
            line.count = place;
    return line;
}

} // namespace

const Option *find_option(Slice name)
{
    for (const Option &option : option_table())
        if (name.equals(option.name))
            return &option;
    return nullptr;
}

Verdict apply_option(const Option &option, Slice text, Origin origin, Options &values)
{
    uint64_t value = 0;
    NodeSet nodes = {};
    if (!parse_value(option, text, &value, &nodes))
        return Verdict::malformed;
    if (value < option.min || value > option.max)
        return Verdict::out_of_range;
    option.write(values, value);
    if (option.nodes != nullptr)
        values.*option.nodes = nodes;
    values.origins[option_table().place_of(option)] = origin;
    return Verdict::taken;
}

bool OptionList::apply_next(Options &values, Origin origin, ListItem *item)
{
    const bool by_lines = form_ == ListForm::lines;
    Slice text = {};
    while (text.count == 0)
    {
        if (rest_.count == 0)
            return false;
        text = rest_.take_until(by_lines ? '\n' : ',');
        lines_ += by_lines || lines_ == 0;
        if (by_lines)
            text = without_blanks(without_comment(text));
    }
    *item = {text, lines_, nullptr, Verdict::no_such_setting};
    Slice value = text;
    const Slice key = value.take_until('=');
    item->option = find_option(by_lines ? without_blanks(key) : key);
    if (item->option != nullptr)
        item->verdict = apply_option(*item->option, by_lines ? without_blanks(value) : value, origin, values);
    return true;
}

void explain(Text &reason, const ListItem &item)
{
    const Option *const option = item.option;
    if (option == nullptr)
    {
        reason.text("no such setting");
    }
    else if (item.verdict == Verdict::out_of_range)
    {
        format_value(reason, *option, option->min);
        reason.text(" to ");
        format_value(reason, *option, option->max);
    }
    else if (option->kind == OptionKind::choice)
    {
        reason.text("one of ").text(option->words);
    }
    else
    {
        reason.text("write it like ");
        format_value(reason, *option, option->initial);
    }
}

} // namespace fastalloc
