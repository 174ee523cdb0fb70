// SPDX-License-Identifier: MIT
//
// Settings as they are given to the command: judged by the library's own reader (os/option_list.h).
//
// No state.
#pragma once

#include <string>
#include <string_view>

namespace fastalloc
{
struct ListItem;
struct Option;
struct Options;
} // namespace fastalloc

namespace fastalloc::tool
{

// What FASTALLOC_CONF has to be so that `settings`, "key=value,key=value", count beside what it is, null for nothing.
std::string merge_settings(const char *before, const std::string &settings);

// Why an item is bad, for people.
std::string reason_of(const ListItem &item);

// What a setting is, as it would be written, in whole.
std::string value_of(const Option &option, const Options &values);

// Throws a Failure that says what is wrong with the first bad one of "key=value,key=value".
void check_settings(std::string_view settings);

} // namespace fastalloc::tool
