// SPDX-License-Identifier: MIT
//
// fastalloc numa: the memory nodes of this machine, and what the library makes of them (machine.h), on 80 columns or as
// JSON.
#include "tool/command.h"
#include "tool/json.h"
#include "tool/machine.h"
#include "tool/screen.h"
#include "tool/words.h"

#include <algorithm>
#include <cstdio>

namespace fastalloc::tool
{
namespace
{

constexpr size_t line_columns = 80;
constexpr size_t distance_columns = 5;

// ---- for people ------------------------------------------------------------------------------------------------

// "0-3,8"; "-" for none.
std::string ranges_of(const Numbers &numbers)
{
    std::string ranges;
    for (size_t first = 0; first < numbers.size();)
    {
        size_t last = first;
        while (last + 1 < numbers.size() && numbers[last + 1] == numbers[last] + 1)
            ++last;
        ranges += (ranges.empty() ? "" : ",") + std::to_string(numbers[first]);
        if (last != first)
            ranges += "-" + std::to_string(numbers[last]);
        first = last + 1;
    }
    return ranges.empty() ? "-" : ranges;
}

// The rest of a line that has `column` columns already; what is too long goes on below its begin.
void print_list(const std::string &list, size_t column)
{
    const size_t width = line_columns - column;
    for (size_t begin = 0; begin < list.size();)
    {
        size_t end = list.size();
        if (end - begin > width)
        {
            const size_t comma = list.rfind(',', begin + width - 1);
            end = comma == list.npos || comma < begin ? begin + width : comma + 1;
        }
        printf("%*s%s\n", static_cast<int>(begin == 0 ? 0 : column), "", list.substr(begin, end - begin).c_str());
        begin = end;
    }
}

bool has_homes(const Machine &machine)
{
    return std::ranges::any_of(machine.nodes, [](const MachineNode &node) { return node.home.has_value(); });
}

void print_nodes(const Machine &machine)
{
    const bool homes = has_homes(machine);
    printf("node      memory        free  allowed%s  CPUs\n", homes ? "  home" : "");
    for (const MachineNode &node : machine.nodes)
    {
        const char *const allowed = !node.memory ? "-" : node.is_allowed ? "yes" : "no";
        int column = printf("%4u  %10s  %10s  %-7s", node.number,
                            node.memory ? Screen::bytes(node.memory->total_bytes).c_str() : "-",
                            node.memory ? Screen::bytes(node.memory->free_bytes).c_str() : "-", allowed);
        if (homes)
            column += printf("  %4s", node.home ? std::to_string(*node.home).c_str() : "-");
        column += printf("  ");
        std::string cpus = ranges_of(node.cpus);
        if (node.allowed_cpus != node.cpus)
            cpus += " (allowed: " + ranges_of(node.allowed_cpus) + ")";
        print_list(cpus, static_cast<size_t>(column));
    }
}

// As many columns at once as a line has room for.
void print_distances(const Machine &machine)
{
    constexpr size_t at_once = (line_columns - 8) / distance_columns;
    for (size_t begin = 0; begin < machine.nodes.size(); begin += at_once)
    {
        const size_t end = std::min(begin + at_once, machine.nodes.size());
        printf("\ndistance");
        for (size_t place = begin; place < end; ++place)
            printf("%5u", machine.nodes[place].number);
        for (const MachineNode &node : machine.nodes)
        {
            printf("\n%8u", node.number);
            for (size_t place = begin; place < end; ++place)
                printf("%5u", node.distances[place]);
        }
        putchar('\n');
    }
}

void print(const Machine &machine)
{
    if (machine.nodes.empty())
        puts("The kernel does not tell this process of memory nodes.");
    else
        print_nodes(machine);
    if (machine.nodes.size() > 1)
        print_distances(machine);
    const std::string nodes = machine.policy.nodes.empty() ? "" : " " + ranges_of(machine.policy.nodes);
    printf("\nmemory policy  %s%s\n", machine.policy.name.c_str(), nodes.c_str());
    printf("setting        numa=%s\n", machine.setting.c_str());
    printf("the library    %s:\n               %s\n", machine.places.what.c_str(), machine.places.why.c_str());
}

// ---- for scripts -----------------------------------------------------------------------------------------------

void write(Json &json, const char *key, const Numbers &numbers)
{
    json.key(key).begin_list(Json::Form::line);
    for (const unsigned number : numbers)
        json.number(number);
    json.end();
}

void write(Json &json, const MachineNode &node)
{
    json.begin_object();
    json.key("node").number(node.number);
    json.key("memory_bytes").number(node.memory ? node.memory->total_bytes : 0);
    json.key("free_bytes").number(node.memory ? node.memory->free_bytes : 0);
    json.key("allowed").boolean(node.is_allowed);
    write(json, "cpus", node.cpus);
    write(json, "allowed_cpus", node.allowed_cpus);
    write(json, "distances", node.distances);
    json.key("home");
    node.home ? json.number(*node.home) : json.null();
    json.end();
}

void write(const Machine &machine)
{
    Json json;
    json.begin_object();
    json.key("nodes").begin_list();
    for (const MachineNode &node : machine.nodes)
        write(json, node);
    json.end();
    json.key("policy").begin_object(Json::Form::line);
    json.key("name").text(machine.policy.name);
    write(json, "nodes", machine.policy.nodes);
    json.end();
    json.key("library").begin_object();
    json.key("numa").text(machine.setting);
    json.key("places").text(machine.places.kind);
    json.key("what").text(machine.places.what);
    json.key("why").text(machine.places.why);
    json.end();
    json.end();
}

} // namespace

int numa(Words words)
{
    WordReader reader(words, Operands::anywhere);
    const bool as_json = reader.asks_for_json();
    operands_of(reader, {});
    const Machine machine = look_at_machine();
    as_json ? write(machine) : print(machine);
    return exit_ok;
}

} // namespace fastalloc::tool
