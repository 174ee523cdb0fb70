// SPDX-License-Identifier: MIT
#include "tool/setting.h"

#include "os/option_list.h"
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
