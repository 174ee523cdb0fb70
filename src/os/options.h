// SPDX-License-Identifier: MIT
//
// options.h - the settings of a process
//
// There is one table, in options.cpp: a row holds a setting's name, kind, default, range, its sentence, the version it
// came with and whether it can change while the process runs. The parser, the defaults, the formatter, the example
// file, the check that compares it with the documentation and malloc_info all read that table; nothing about a setting
// is written down twice.
//
//     kind       is written as                                                   and stored in
//     size       4194304, 4096K, 4M, 1G (powers of 1024, small letters too)      bytes
//     percent    12.5%, 10% (one digit behind the point, the sign is needed)     parts per thousand
//     time       250ms, 1s (the unit is needed)                                  milliseconds
//     choice     one of the words the row lists                                  the word's place in the list
//
// A word that ends in ":NODES" is followed by memory nodes, as bind:0-1+3, which are stored apart.
//
// A setting has the value that was given last by
//
//     its row                 the default
//     /etc/fastalloc.conf     a line "key=value", for all processes (option_file.h)
//     FASTALLOC_CONF          "key=value,key=value", for one and what it starts
//     fastalloc_option_set    while the process runs
//
// A key that is not in the table or a value that is malformed or out of range is skipped, everything else is applied.
// What was skipped of FASTALLOC_CONF is named in one line on standard error; of the file nothing is said, for every
// process would. Of a key that is given twice the last good value counts (option_list.h).
//
// The values are a constant-initialised global that holds the defaults before any code runs. options_load() writes all
// of it, which start-up calls while there is one thread. Later any thread reads it, and change_option() writes what may
// change, one relaxed atomic word each: nobody needs a lock.
#pragma once

#include "os/node_set.h"

#include <cstddef>
#include <cstdint>
#include <sys/types.h>
#include <type_traits>

namespace fastalloc
{

// What free does with a pointer that no block of ours begins at. The words' order is the table's.
enum class Foreign : uint8_t
{
    abort, // one line and SIGABRT
    libc,  // hand it to libc's free
};

// Whether every call is looked at.
enum class Check : uint8_t
{
    off,
    on,
};

// When the blocks that are still in use are reported unasked.
enum class LeakCheck : uint8_t
{
    off,
    exit, // at the end of the process
};

// Whether a thread in the background runs from the start.
enum class BackgroundThread : uint8_t
{
    off,
    on,
};

// Whether the limits of the process's control group are read.
enum class Cgroup : uint8_t
{
    automatic, // as the process grows
    off,
};

// Which memory asks the kernel for huge pages.
enum class Huge : uint8_t
{
    automatic, // where the heap is large enough for them to pay; written "auto"
    always,    // all
    never,
    hugetlb, // all, from the pool the administrator has set aside, as far as that goes
};

// Whether probes are passed on each allocation and free.
enum class Probes : uint8_t
{
    off,
    on,
};

// Which memory nodes memory comes from.
enum class Numa : uint8_t
{
    automatic,  // a thread's from the node it runs on; written "auto"
    off,        // the machine is one node
    interleave, // all nodes in turn
    bind,       // those that are named; written "bind:0-1+3"
};

// When statistics are printed without a call.
enum class StatsPrint : uint8_t
{
    off,
    exit, // at the end of the process
};

// The signal on which they are printed, too.
enum class StatsSignal : uint8_t
{
    off,
    usr1, // written "USR1"
    usr2, // written "USR2"
};

// A value that reads as a plain one and may change at any time: a relaxed atomic, which orders nothing.
template <typename Kind>
class Setting
{
public:
    using Value = Kind;

    constexpr Setting() = default;

    constexpr Setting(const Setting &other) : value_(other)
    {
    }

    constexpr Setting &operator=(const Setting &other)
    {
        return *this = static_cast<Value>(other);
    }

    constexpr Setting &operator=(Value value)
    {
        if (std::is_constant_evaluated())
            value_ = value;
        else
            __atomic_store(&value_, &value, __ATOMIC_RELAXED);
        return *this;
    }

    constexpr operator Value() const
    {
        if (std::is_constant_evaluated())
            return value_;
        Value value;
        __atomic_load(&value_, &value, __ATOMIC_RELAXED);
        return value;
    }

private:
    Value value_ = Value{};
};

// Who gave a setting its value, weakest first.
enum class Origin : uint8_t
{
    initial, // nobody: it is the default
    file,
    environment,
    call,
};

inline constexpr size_t option_count = 19;

// The value of each setting, in the unit its kind is stored in.
struct Options // NOLINT(bugprone-reserved-identifier): what clang calls the index when it copies the array
{
    Setting<BackgroundThread> background_thread;
    Setting<Cgroup> cgroup;
    Setting<Check> check;
    Setting<Foreign> foreign;
    Setting<Huge> huge;
    Setting<LeakCheck> leak_check;
    Setting<uint64_t> leak_exit_code; // 0: the program's own
    Setting<Numa> numa;
    NodeSet numa_nodes; // of Numa::bind
    Setting<Probes> probes;
    Setting<StatsPrint> stats_print;
    Setting<StatsSignal> stats_signal;
    Setting<uint64_t> soft_limit;          // bytes, 0 for none
    Setting<uint64_t> hard_limit;          // the same
    Setting<uint64_t> slack;               // bytes
    Setting<uint64_t> slack_share;         // parts per thousand of live bytes
    Setting<uint64_t> demand_half_life;    // milliseconds
    Setting<uint64_t> lease_fund;          // bytes
    Setting<uint64_t> lease_share;         // parts per thousand of live bytes
    Setting<uint64_t> arena_budget;        // bytes
    Setting<Origin> origins[option_count]; // by the place in the table
};

// Read through options().
extern Options current_options;

// The values in force.
inline const Options &options()
{
    return current_options;
}

// When a setting can be given another value.
enum class Changes : uint8_t
{
    at_start, // by what a process is started with alone
    any_time,
};

enum class OptionKind : uint8_t
{
    size,
    percent,
    time,
    choice,
};

// A row of the table. Numbers are in the unit the kind is stored in.
struct Option
{
    const char *name;     // the key, and the name of the member of Options
    OptionKind kind;      //
    const char *words;    // of a choice: its words with | between them; else null
    uint64_t initial;     // the value if the setting is not given
    uint64_t min;         // the least value that is taken
    uint64_t max;         // the greatest value that is taken
    const char *sentence; // what it decides, for people
    const char *since;    // the version it came with
    Changes changes;      // when it can be set
    uint64_t (*read)(const Options &);
    void (*write)(Options &, uint64_t);
    NodeSet Options::*nodes = nullptr; // where the nodes of a word go that ends in ":NODES"
};

// The whole table, for `for (const Option& option : option_table())`.
struct OptionTable
{
    const Option *first;
    size_t count;

    constexpr const Option *begin() const
    {
        return first;
    }

    constexpr const Option *end() const
    {
        return first + count;
    }

    constexpr size_t place_of(const Option &option) const
    {
        return static_cast<size_t>(&option - first);
    }
};

OptionTable option_table();

// The row of that name; null if there is none.
const Option *find_option(const char *name);

// Who gave it the value it has in `values`.
Origin origin_of(const Option &option, const Options &values);

// "default", "file", "environment" or "program".
const char *name_of(Origin origin);

// Gives it a value that any thread may read from now on. Requires: it can change at any time, and the value is within
// its range.
void change_option(const Option &option, uint64_t value);

// The values that nobody has set.
Options default_options();

// What an environment is worth: a secure process (set-user-id and the like) must not obey its caller's.
enum class Environment : uint8_t
{
    trusted,
    secure,
};

// What settings are read from when a process starts; what is null says nothing.
struct OptionSources
{
    const char *file = nullptr;     // the path of a settings file
    uid_t file_owner = 0;           // whose it has to be
    const char *variable = nullptr; // what FASTALLOC_CONF holds; not even looked at in a secure environment
    Environment environment = Environment::trusted;
};

// Sets all values to their defaults and then to what the sources say. Requires: no other thread runs yet. Keeps errno.
void options_load(const OptionSources &sources);

// options_load() with the settings file of the system and the variable FASTALLOC_CONF of this process, found without
// getenv, which a program may have replaced; `environ` may still be null. Requires: no other thread runs yet. Keeps
// errno.
void options_load_at_start();

// A buffer of this size takes every formatted value, but for long lists of nodes.
inline constexpr size_t option_text_capacity = 64;

// Writes the value a setting has in `values` as the parser would read it back, and a final 0; what exceeds
// `capacity` is cut. Returns the length. Requires: capacity is at least 4.
size_t format_option(const Option &option, const Options &values, char *buffer, size_t capacity);

} // namespace fastalloc
