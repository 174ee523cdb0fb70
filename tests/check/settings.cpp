// SPDX-License-Identifier: MIT
//
// Prints the table of settings, one row a line: name, kind, default, least and greatest value, version. For the checks
// that compare it with the manual, and for whoever writes that. With the argument --file it prints man/examples/fastalloc.conf, with --changeable the names of those that change at any time.
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

// The words, behind a sign on each line.
void print_comment(const char *words)
{
    constexpr size_t columns = 79;
    size_t column = 1;
    printf("#");
    while (*words != 0)
    {
        const size_t length = strcspn(words, " ");
        const bool fits = column + 1 + length <= columns;
        printf("%s%.*s", fits ? " " : "\n# ", static_cast<int>(length), words);
        column = (fits ? column + 1 : 2) + length;
        words += length + (words[length] == ' ');
    }
    printf("\n");
}

void print_file()
{
    print_comment("fastalloc.conf - settings for all processes that run on libfastalloc");
    printf("#\n");
    print_comment(
        "It counts as /etc/fastalloc.conf, owned by root and writable by nobody else. What is commented out here "
        "are the defaults. FASTALLOC_CONF rules over it, and fastalloc_option_set(3) over both.");
    for (const Option &option : option_table())
    {
        const Formatted initial(option, option.initial);
        const Formatted least(option, option.min);
        const Formatted greatest(option, option.max);
        printf("\n");
        print_comment(option.sentence);
        if (option.kind == OptionKind::choice)
            printf("# %s\n", option.words);
        else
            printf("# %s to %s\n", least.text, greatest.text);
        printf("#%s = %s\n", option.name, initial.text);
    }
}

} // namespace

int main(int count, char **arguments)
{
    if (count > 1 && strcmp(arguments[1], "--file") == 0)
    {
        print_file();
        return 0;
    }
    if (count > 1 && strcmp(arguments[1], "--changeable") == 0)
    {
        for (const Option &option : option_table())
            if (option.changes == Changes::any_time)
                printf("%s\n", option.name);
        return 0;
    }
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
