// SPDX-License-Identifier: MIT
//
// option_list.h - settings as people write them, several in one text
//
// There are two forms of the same items, "key=value":
//
//     commas     FASTALLOC_CONF: a comma between two items, nothing around them
//     lines      a settings file: an item a line. Blanks may stand around it and around the '=', a '#' at the begin of a
//                line or behind a blank begins a comment, and a carriage return may end a line
//
// Empty items are passed over. Who reads a list takes item after item, which applies it, and may say what became of it:
// start-up, which names what was bad of the variable, and whoever shows people what their settings come to.
//
// No state but the place in the text; one thread.
#pragma once

#include "os/option_value.h"

namespace fastalloc
{

enum class ListForm : uint8_t
{
    commas,
    lines,
};

// What became of an item.
enum class Verdict : uint8_t
{
    taken,
    no_such_setting,
    malformed,
    out_of_range,
};

struct ListItem
{
    Slice text;           // as it was written, without what is around it; never empty
    unsigned line;        // from 1 on; in a list with commas always 1
    const Option *option; // null if there is no such setting
    Verdict verdict;

    bool is_bad() const
    {
        return verdict != Verdict::taken;
    }
};

class OptionList
{
public:
    OptionList(Slice text, ListForm form) : rest_(text), form_(form)
    {
    }

    // Applies the next item to `values`, which a bad one leaves as they are. False if there is none.
    bool apply_next(Options &values, Origin origin, ListItem *item);

private:
    Slice rest_;
    ListForm form_;
    unsigned lines_ = 0; // taken from the text so far
};

// Why an item is bad: what would have been taken in its place.
void explain(Text &reason, const ListItem &item);

// A buffer of this size takes every reason.
inline constexpr size_t reason_capacity = 128;

// The row of that name; null if there is none.
const Option *find_option(Slice name);

// Gives a setting the value that `text` stands for, or leaves it as it is.
Verdict apply_option(const Option &option, Slice text, Origin origin, Options &values);

} // namespace fastalloc
