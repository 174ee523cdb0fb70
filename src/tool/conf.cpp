// SPDX-License-Identifier: MIT
//
// fastalloc conf: the settings that a process starts with here and now, where each is from, and what of the settings file
// and of FASTALLOC_CONF is not taken. The library keeps silent about the file, for every process would speak.
//
// The sources are read as options_load() reads them, in its order, but with an eye on each item.
#include "os/option_file.h"
#include "os/option_list.h"
#include "os/options.h"
#include "tool/characters.h"
#include "tool/command.h"
#include "tool/json.h"
#include "tool/setting.h"
#include "tool/words.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <vector>

namespace fastalloc::tool
{
namespace
{

constexpr char variable[] = "FASTALLOC_CONF";

struct Fault
{
    std::string source; // the file's path, or the variable's name
    unsigned line;      // of the file, 0 for all of it
    std::string text;   // as it was written; empty for all of the file
    std::string reason;
};

struct Configuration
{
    std::string path; // of the file
    Options values = default_options();
    std::map<const Option *, unsigned> lines; // of the file, where each was given last
    std::vector<Fault> faults;
};

void take(Configuration &configuration, Slice text, Origin origin)
{
    const bool is_file = origin == Origin::file;
    OptionList list(text, is_file ? ListForm::lines : ListForm::commas);
    ListItem item;
    while (list.apply_next(configuration.values, origin, &item))
        if (item.is_bad())
            configuration.faults.push_back({is_file ? configuration.path : variable, is_file ? item.line : 0,
                                            std::string(item.text.first, item.text.count), reason_of(item)});
        else if (is_file)
            configuration.lines[item.option] = item.line;
}

// A file that somebody names is looked at before it is put in place: whose it is does not matter yet.
void take_file(Configuration &configuration, const char *named)
{
    configuration.path = named == nullptr ? option_file_path : named;
    constexpr uid_t root = 0;
    const OptionFile file(configuration.path.c_str(), root,
                          named == nullptr ? Untrusted::stays_unread : Untrusted::is_read);
    const FileState state = file.state();
    if (state == FileState::counts || (named != nullptr && is_untrusted(state)))
        take(configuration, file.text(), Origin::file);
    else if (state != FileState::absent || named != nullptr)
        configuration.faults.push_back({configuration.path, 0, "", fastalloc::reason_of(state)});
}

// ---- for people ------------------------------------------------------------------------------------------------

std::string origin_for_people(const Configuration &configuration, const Option &option)
{
    switch (origin_of(option, configuration.values))
    {
    case Origin::file:
        return harmless(configuration.path) + ":" + std::to_string(configuration.lines.at(&option));
    case Origin::environment:
        return variable;
    default:
        return "default";
    }
}

void print(const Configuration &configuration)
{
    size_t width = 0;
    for (const Option &option : option_table())
        width = std::max(width, value_of(option, configuration.values).size());
    constexpr size_t width_max = 24; // a list of nodes may be longer, and then stands out
    const int value_columns = static_cast<int>(std::min(width, width_max));
    for (const Option &option : option_table())
        printf("%-17s  %-*s  %s\n", option.name, value_columns, value_of(option, configuration.values).c_str(),
               origin_for_people(configuration, option).c_str());
    fflush(stdout);
    for (const Fault &fault : configuration.faults)
    {
        const std::string source = harmless(fault.source);
        const std::string place = fault.line == 0 ? source : source + ":" + std::to_string(fault.line);
        if (fault.text.empty())
            fprintf(stderr, "fastalloc: %s does not count: %s\n", place.c_str(), fault.reason.c_str());
        else
            fprintf(stderr, "fastalloc: %s: skipped %s (%s)\n", place.c_str(), harmless(fault.text).c_str(),
                    fault.reason.c_str());
    }
}

// ---- for scripts -----------------------------------------------------------------------------------------------

void write(Json &json, const Configuration &configuration, const Option &option)
{
    const Origin origin = origin_of(option, configuration.values);
    json.begin_object();
    json.key("name").text(option.name);
    json.key("value").text(value_of(option, configuration.values));
    json.key("default").text(value_of(option, default_options()));
    json.key("words");
    option.words == nullptr ? json.null() : json.text(option.words);
    json.key("origin").text(name_of(origin));
    json.key("line");
    origin == Origin::file ? json.number(configuration.lines.at(&option)) : json.null();
    json.key("sentence").text(option.sentence);
    json.end();
}

void write(Json &json, const Fault &fault)
{
    json.begin_object();
    json.key("source").text(fault.source);
    json.key("line");
    fault.line == 0 ? json.null() : json.number(fault.line);
    json.key("text").text(fault.text);
    json.key("reason").text(fault.reason);
    json.end();
}

void write(const Configuration &configuration)
{
    Json json;
    json.begin_object();
    json.key("file").text(configuration.path);
    json.key("settings").begin_list();
    for (const Option &option : option_table())
        write(json, configuration, option);
    json.end();
    json.key("faults").begin_list();
    for (const Fault &fault : configuration.faults)
        write(json, fault);
    json.end();
    json.end();
}

} // namespace

int conf(Words words)
{
    bool as_json = false;
    const char *named = nullptr;
    WordReader reader(words, Operands::anywhere);
    while (reader.next())
    {
        if (reader.is("--json"))
            as_json = true;
        else if (reader.is("--file"))
            named = reader.value();
        else
            reader.refuse();
    }
    operands_of(reader, {});
    Configuration configuration;
    take_file(configuration, named);
    if (const char *const settings = getenv(variable); settings != nullptr)
        take(configuration, {settings, strlen(settings)}, Origin::environment);
    as_json ? write(configuration) : print(configuration);
    return configuration.faults.empty() ? exit_ok : exit_failed;
}

} // namespace fastalloc::tool
