// SPDX-License-Identifier: MIT
//
// options.cpp - the table of settings and everything that is driven by it
//
// To add a setting: a member in Options, a row here, a paragraph in man/fastalloc.conf.5, its lines in
// man/examples/fastalloc.conf; one that changes while the process runs also in man/fastalloc_option_set.3 and
// include/fastalloc.h. Checks compare them.
// What values look like is written in option_value.cpp, what lists of them look like in option_list.cpp.
#include "os/options.h"

#include "base/config.h"
#include "base/hints.h"
#include "base/text.h"
#include "os/keep_errno.h"
#include "os/message.h"
#include "os/option_file.h"
#include "os/option_list.h"

#include <cstring>
#include <sys/auxv.h>
#include <type_traits>
#include <unistd.h>

namespace fastalloc
{

namespace
{

// A row's way to its member, whatever the member's type.
template <auto Member>
constexpr uint64_t read_member(const Options &values)
{
    const auto &member = values.*Member;
    return static_cast<uint64_t>(static_cast<typename std::remove_cvref_t<decltype(member)>::Value>(member));
}

template <auto Member>
constexpr void write_member(Options &values, uint64_t value)
{
    auto &member = values.*Member;
    member = static_cast<typename std::remove_reference_t<decltype(member)>::Value>(value);
}

constexpr uint64_t value_of(auto word)
{
    return static_cast<uint64_t>(word);
}

// clang-format off
constexpr Option table[] = {
    {"background_thread", OptionKind::choice, "off|on", value_of(BackgroundThread::off), 0, 1,
     "Whether a thread runs from the start that gives memory back while no other thread calls.",
     "0.1", Changes::any_time, read_member<&Options::background_thread>, write_member<&Options::background_thread>},

    {"cgroup", OptionKind::choice, "auto|off", value_of(Cgroup::automatic), 0, 1,
     "Whether what the control group of the process may have is read as the process grows, to keep less idle near it.",
     "0.1", Changes::any_time, read_member<&Options::cgroup>, write_member<&Options::cgroup>},

    {"check", OptionKind::choice, "off|on", value_of(Check::off), 0, 1,
     "Whether each call that is given a block looks whether it is one: slower, and a wrong free is named at the call.",
     "0.1", Changes::at_start, read_member<&Options::check>, write_member<&Options::check>},

    {"foreign", OptionKind::choice, "abort|libc", value_of(Foreign::abort), 0, 1,
     "What free does with a pointer that is not ours: end the process, or hand it to libc's free.",
     "0.1", Changes::any_time, read_member<&Options::foreign>, write_member<&Options::foreign>},

    {"huge", OptionKind::choice, "auto|always|never|hugetlb", value_of(Huge::automatic), 0, 3,
     "Which memory asks for huge pages: what is large enough for them, all, none, or all from the pool of hugetlbfs.",
     "0.1", Changes::at_start, read_member<&Options::huge>, write_member<&Options::huge>},

    {"leak_check", OptionKind::choice, "off|exit", value_of(LeakCheck::off), 0, 1,
     "Whether the blocks that are still in use are reported on standard error when the process exits.",
     "0.1", Changes::any_time, read_member<&Options::leak_check>, write_member<&Options::leak_check>},

    {"leak_exit_code", OptionKind::size, nullptr, 0, 0, 255,
     "What the process exits with if leak_check has reported anything; 0 for its own code.",
     "0.1", Changes::any_time, read_member<&Options::leak_exit_code>, write_member<&Options::leak_exit_code>},

    {"numa", OptionKind::choice, "auto|off|interleave|bind:NODES", value_of(Numa::automatic), 0, 3,
     "Where memory comes from on several nodes: a thread's own, wherever it is touched first, all in turn, or NODES.",
     "0.1", Changes::at_start, read_member<&Options::numa>, write_member<&Options::numa>, &Options::numa_nodes},

    {"probes", OptionKind::choice, "off|on", value_of(Probes::off), 0, 1,
     "Whether tracers see a probe in each allocation and free, which makes these slower.",
     "0.1", Changes::at_start, read_member<&Options::probes>, write_member<&Options::probes>},

    {"stats_print", OptionKind::choice, "off|exit", value_of(StatsPrint::off), 0, 1,
     "Whether the process prints statistics on standard error when it exits.",
     "0.1", Changes::any_time, read_member<&Options::stats_print>, write_member<&Options::stats_print>},

    {"stats_signal", OptionKind::choice, "off|USR1|USR2", value_of(StatsSignal::off), 0, 2,
     "The signal on which the process prints statistics on standard error, unless the program handles or ignores it.",
     "0.1", Changes::at_start, read_member<&Options::stats_signal>, write_member<&Options::stats_signal>},

    {"soft_limit", OptionKind::size, nullptr, 0, 0, 1024 * tebibyte,
     "Memory held from which on everything free is given back, and the program told if that does not help; 0 for none.",
     "0.1", Changes::any_time, read_member<&Options::soft_limit>, write_member<&Options::soft_limit>},

    {"hard_limit", OptionKind::size, nullptr, 0, 0, 1024 * tebibyte,
     "Memory held that is not exceeded: what would exceed it fails for lack of memory; 0 for none.",
     "0.1", Changes::any_time, read_member<&Options::hard_limit>, write_member<&Options::hard_limit>},

    {"slack", OptionKind::size, nullptr, 4 * mebibyte, 0, tebibyte,
     "Free memory that may stay resident, however little is live.",
     "0.1", Changes::any_time, read_member<&Options::slack>, write_member<&Options::slack>},

    {"slack_share", OptionKind::percent, nullptr, 125, 0, 1000,
     "Free memory that may stay resident, as a share of the live bytes, where that is more than slack.",
     "0.1", Changes::any_time, read_member<&Options::slack_share>, write_member<&Options::slack_share>},

    {"demand_half_life", OptionKind::time, nullptr, 1000, 10, 3'600'000,
     "How long it takes until half of the memory kept because it was soon wanted again is given back.",
     "0.1", Changes::any_time, read_member<&Options::demand_half_life>, write_member<&Options::demand_half_life>},

    {"lease_fund", OptionKind::size, nullptr, 16 * mebibyte, 0, tebibyte,
     "Free blocks all threads together may keep beyond their own budgets while not much memory is in use.",
     "0.1", Changes::any_time, read_member<&Options::lease_fund>, write_member<&Options::lease_fund>},

    {"lease_share", OptionKind::percent, nullptr, 125, 0, 1000,
     "The same, as a share of the live bytes, where that is more than lease_fund.",
     "0.1", Changes::any_time, read_member<&Options::lease_share>, write_member<&Options::lease_share>},

    {"arena_budget", OptionKind::size, nullptr, 32 * kibibyte, 4 * kibibyte, mebibyte,
     "Bytes of free blocks a thread may keep on its own.",
     "0.1", Changes::at_start, read_member<&Options::arena_budget>, write_member<&Options::arena_budget>},
};
// clang-format on

constexpr Options defaults()
{
    Options values = {};
    for (const Option &option : table)
    {
        option.write(values, option.initial);
    }
    return values;
}

// Whether the table is whole: names, sentences and versions are there, each default lies within its own range,
// the range of a choice is its list of words, and what changes while the process runs is one word.
constexpr bool table_is_sound()
{
    for (const Option &option : table)
    {
        uint64_t separators = 0;
        for (const char *word = option.words; word != nullptr && *word != 0; word++)
        {
            separators += *word == '|';
        }
        const bool is_choice = option.kind == OptionKind::choice;
        if (*option.name == 0 || *option.sentence == 0 || *option.since == 0 || option.initial < option.min ||
            option.initial > option.max || is_choice != (option.words != nullptr) ||
            (is_choice && (option.min != 0 || option.max != separators)) ||
            (option.nodes != nullptr && option.changes != Changes::at_start)) // no word holds them
        {
            return false;
        }
    }
    return true;
}

static_assert(table_is_sound());
static_assert(sizeof(table) / sizeof(table[0]) == option_count);

// Takes what a list says. Returns how many items were bad.
size_t take_list(Slice text, ListForm form, Origin origin, Options &values)
{
    OptionList list(text, form);
    ListItem item;
    size_t bad = 0;
    while (list.apply_next(values, origin, &item))
        bad += static_cast<size_t>(item.is_bad());
    return bad;
}

// Names every bad item of FASTALLOC_CONF in one line. An item is shortened, so that a long one leaves room for others.
FASTALLOC_SLOW void complain(Slice settings)
{
    constexpr size_t shown_max = 40;
    Message message;
    message.text("FASTALLOC_CONF: skipped");
    Options scratch = {};
    OptionList list(settings, ListForm::commas);
    ListItem item;
    const char *separator = " ";
    while (list.apply_next(scratch, Origin::environment, &item))
    {
        if (!item.is_bad())
            continue;
        char bytes[reason_capacity];
        Text reason(bytes, sizeof bytes);
        explain(reason, item);
        message.text(separator).text(item.text.first, item.text.count < shown_max ? item.text.count : shown_max);
        message.text(item.text.count > shown_max ? "... (" : " (").text(bytes).text(")");
        separator = ", ";
    }
    message.warn();
}

} // namespace

constinit Options current_options = defaults();

OptionTable option_table()
{
    return {table, option_count};
}

const Option *find_option(const char *name)
{
    return find_option(Slice{name, strlen(name)});
}

Options default_options()
{
    return defaults();
}

Origin origin_of(const Option &option, const Options &values)
{
    return values.origins[option_table().place_of(option)];
}

const char *name_of(Origin origin)
{
    switch (origin)
    {
    case Origin::initial:
        return "default";
    case Origin::file:
        return "file";
    case Origin::environment:
        return "environment";
    case Origin::call:
        return "program";
    }
    return "?";
}

void change_option(const Option &option, uint64_t value)
{
    option.write(current_options, value);
    current_options.origins[option_table().place_of(option)] = Origin::call;
}

void options_load(const OptionSources &sources)
{
    Options values = defaults();
    if (sources.file != nullptr)
    {
        const OptionFile file(sources.file, sources.file_owner, Untrusted::stays_unread);
        (void)take_list(file.text(), ListForm::lines, Origin::file, values);
    }
    const bool is_heard = sources.variable != nullptr && sources.environment == Environment::trusted;
    const Slice settings = is_heard ? Slice{sources.variable, strlen(sources.variable)} : Slice{};
    const size_t bad_items = take_list(settings, ListForm::commas, Origin::environment, values);
    current_options = values;
    if (bad_items != 0)
    {
        complain(settings);
    }
}

void options_load_at_start()
{
    constexpr char key[] = "FASTALLOC_CONF=";
    constexpr size_t key_length = sizeof(key) - 1;
    const KeepErrno kept;
    OptionSources sources = {.file = option_file_path};
    sources.environment = getauxval(AT_SECURE) != 0 ? Environment::secure : Environment::trusted;
    for (char **variable = environ; variable != nullptr && *variable != nullptr && sources.variable == nullptr;
         variable++)
    {
        if (strncmp(*variable, key, key_length) == 0)
        {
            sources.variable = *variable + key_length;
        }
    }
    options_load(sources);
}

size_t format_option(const Option &option, const Options &values, char *buffer, size_t capacity)
{
    Text text(buffer, capacity);
    format_value(text, option, option.read(values), option.nodes != nullptr ? values.*option.nodes : NodeSet{});
    return text.length();
}

} // namespace fastalloc
