// SPDX-License-Identifier: MIT
//
// Prints the table of settings, one row a line: name, kind, default, least and greatest value, version. For
// settings.py, which compares it with the pages that list the settings; and for whoever writes those pages.
#include "os/options.h"

#include <cstdint>
#include <cstdio>
#include <cstring>

using namespace fastalloc;

namespace
{

const char *name_of(OptionKind kind)
{
    switch (kind)
    {
    case OptionKind::size:
        return "size";
    case OptionKind::percent:
        return "percent";
    case OptionKind::time:
        return "time";
    case OptionKind::choice:
        return "choice";
    }
    return "?";
}

struct Formatted
{
    char text[option_text_capacity];

    Formatted(const Option &option, uint64_t value)
    {
        Options values = {};
        option.write(values, value);
        format_option(option, values, text, sizeof(text));
        // As the table writes it, where nodes follow.
        if (option.nodes != nullptr && text[strlen(text) - 1] == ':')
            strcat(text, "NODES");
    }
};

} // namespace

int main()
{
    for (const Option &option : option_table())
    {
        const Formatted initial(option, option.initial);
        const Formatted least(option, option.min);
        const Formatted greatest(option, option.max);
        printf("%s %s %s %s %s %s\n", option.name, name_of(option.kind), initial.text, least.text, greatest.text,
               option.since);
    }
    return 0;
}
