// SPDX-License-Identifier: MIT
//
// WordReader: the words behind a command, told apart into options and operands.
//
// An option is written --name or --name=value; where a value is needed it may also be the next word. "--" ends the
// options. What is left over, a value of an option that has none or an option nobody knows, is a UsageFailure.
//
//     WordReader reader(words, Operands::anywhere);
//     while (reader.next())
//         if (reader.is("--json"))
//             json = true;
//         else
//             reader.refuse();
//     for (const char *operand : reader.operands())
//
// One thread; the words stay the caller's.
#pragma once

#include "tool/command.h"

#include <cstddef>
#include <initializer_list>
#include <string_view>
#include <vector>

namespace fastalloc::tool
{

enum class Operands
{
    anywhere,    // options may stand behind them
    end_options, // what follows the first one is its own
};

class WordReader
{
public:
    WordReader(Words words, Operands operands);

    // Goes on to the next option. False if there is none.
    bool next();

    // Whether the option has this name, written with its dashes.
    bool is(std::string_view name) const;

    // Its value, which it must have.
    const char *value();

    // Its value if one stands behind a "=", else null.
    const char *value_if_any();

    [[noreturn]] void refuse() const;

    // For a command whose only option is --json: goes on to the last one and says whether there was any.
    bool asks_for_json();

    // What is no option, when next() has returned false.
    const std::vector<const char *> &operands() const;

private:
    Words rest_;
    Operands order_;
    std::string_view name_;
    const char *value_ = nullptr; // behind the "=" of the option, as long as nobody took it
    std::vector<const char *> operands_;
};

// The operands of a command, of which there must be one for each of `names`; a UsageFailure says what else there is or
// what is missing.
std::vector<const char *> operands_of(const WordReader &reader, std::initializer_list<const char *> names);

} // namespace fastalloc::tool
