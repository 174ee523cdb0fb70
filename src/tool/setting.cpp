// SPDX-License-Identifier: MIT
#include "tool/setting.h"

#include "os/option_list.h"
#include "os/options.h"
#include "tool/command.h"

namespace fastalloc::tool
{

std::string merge_settings(const char *before, const std::string &settings)
{
    if (before == nullptr || *before == 0)
        return settings;
    return before + ("," + settings);
}

std::string reason_of(const ListItem &item)
{
    char bytes[reason_capacity];
    Text reason(bytes, sizeof bytes);
    explain(reason, item);
    return bytes;
}

std::string value_of(const Option &option, const Options &values)
{
    std::string value(option_text_capacity, 0);
    for (;;)
    {
        const size_t length = format_option(option, values, value.data(), value.size());
        if (length + 1 < value.size())
        {
            value.resize(length);
            return value;
        }
        value.resize(2 * value.size()); // it may have been cut: there may be many nodes
    }
}

void check_settings(std::string_view settings)
{
    Options scratch = default_options();
    OptionList list({settings.data(), settings.size()}, ListForm::commas);
    ListItem item;
    bool is_empty = true;
    while (list.apply_next(scratch, Origin::environment, &item))
    {
        is_empty = false;
        const std::string text(item.text.first, item.text.count);
        if (item.is_bad())
            throw Failure(text + ": " + reason_of(item) +
                              (item.option == nullptr ? "; `fastalloc conf` lists them" : ""),
                          exit_usage);
    }
    if (is_empty)
        throw Failure("no setting: write it as KEY=VALUE", exit_usage);
}

} // namespace fastalloc::tool
