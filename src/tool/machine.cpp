// SPDX-License-Identifier: MIT
#include "tool/machine.h"

#include "os/options.h"
#include "os/topology.h"
#include "tool/setting.h"

#include <iterator>
#include <memory>
#include <numa.h>
#include <numaif.h>

namespace fastalloc::tool
{
namespace
{

using Mask = std::unique_ptr<bitmask, void (*)(bitmask *)>;

Numbers numbers_of(const bitmask &mask)
{
    Numbers numbers;
    for (unsigned number = 0; number < mask.size; ++number)
        if (numa_bitmask_isbitset(&mask, number) != 0)
            numbers.push_back(number);
    return numbers;
}

Numbers numbers_of(const NodeSet &nodes)
{
    Numbers numbers;
    for (unsigned node = nodes.next(0); node < node_limit; node = nodes.next(node + 1))
        numbers.push_back(node);
    return numbers;
}

// ---- nodes -----------------------------------------------------------------------------------------------------

std::optional<NodeMemory> memory_of(int node)
{
    long long free_bytes = 0;
    const long long total_bytes = numa_node_size64(node, &free_bytes);
    if (total_bytes <= 0)
        return {};
    return NodeMemory{static_cast<uint64_t>(total_bytes), static_cast<uint64_t>(free_bytes)};
}

Numbers cpus_of(int node, const bitmask *allowed)
{
    const Mask cpus(numa_allocate_cpumask(), numa_free_cpumask);
    if (numa_node_to_cpus(node, cpus.get()) != 0)
        return {};
    for (unsigned cpu = 0; allowed != nullptr && cpu < cpus->size; ++cpu)
        if (numa_bitmask_isbitset(allowed, cpu) == 0)
            numa_bitmask_clearbit(cpus.get(), cpu);
    return numbers_of(*cpus);
}

std::optional<Node> home_of(unsigned node)
{
    Node home = unplaced;
    if (!topology::has_homes() || !topology::find_place(node, &home))
        return {};
    return home;
}

std::vector<MachineNode> find_nodes()
{
    const Mask allowed(numa_get_mems_allowed(), numa_free_nodemask);
    const Mask allowed_cpus(numa_allocate_cpumask(), numa_free_cpumask);
    numa_sched_getaffinity(0, allowed_cpus.get());
    const Numbers numbers = numbers_of(*numa_nodes_ptr);
    std::vector<MachineNode> nodes;
    for (const unsigned number : numbers)
    {
        const int node = static_cast<int>(number);
        const std::optional<NodeMemory> memory = memory_of(node);
        const bool is_allowed = memory && numa_bitmask_isbitset(allowed.get(), number) != 0;
        std::vector<unsigned> distances;
        for (const unsigned other : numbers)
            distances.push_back(static_cast<unsigned>(numa_distance(node, static_cast<int>(other))));
        nodes.push_back({number, memory, is_allowed, cpus_of(node, nullptr), cpus_of(node, allowed_cpus.get()),
                         distances, home_of(number)});
    }
    return nodes;
}

// ---- policy ----------------------------------------------------------------------------------------------------

MemoryPolicy find_policy()
{
    constexpr const char *names[] = {"default",        "preferred",          "bind", "interleave", "local",
                                     "preferred-many", "weighted-interleave"};
    constexpr unsigned mode_mask = 0xff; // above it are flags (set_mempolicy(2))
    const Mask nodes(numa_allocate_nodemask(), numa_free_nodemask);
    int mode = MPOL_DEFAULT;
    if (get_mempolicy(&mode, nodes->maskp, nodes->size + 1, nullptr, 0) != 0)
        return {names[MPOL_DEFAULT], {}};
    const unsigned number = static_cast<unsigned>(mode) & mode_mask;
    return {number < std::size(names) ? names[number] : std::to_string(number), numbers_of(*nodes)};
}

// ---- the library -----------------------------------------------------------------------------------------------

// In the words of os/topology.cpp, which decides.
Places find_places(const Machine &machine)
{
    const Node common = topology::common_place();
    const std::string setting = "the setting is numa=" + machine.setting;
    if (topology::has_homes())
    {
        const bool bound = options().numa == Numa::bind;
        return {"homes",
                bound ? "each thread's blocks below 2 MiB come from the nearest node named"
                      : "each thread's blocks below 2 MiB come from the node it runs on",
                bound ? setting : "several nodes have memory for this process"};
    }
    if (common != unplaced)
    {
        const bool alone = numbers_of(topology::nodes_with_memory()).size() == 1;
        return {"one_node", "all memory comes from node " + std::to_string(common),
                alone ? "no other node has memory for this process" : setting};
    }
    if (options().numa == Numa::off)
        return {"first_touch", "memory comes from where it is first written to", setting};
    if (options().numa == Numa::interleave)
        return {"interleave", "memory comes from all nodes in turn", setting};
    return {"policy", "memory comes from where the memory policy says", "the process was given one"};
}

} // namespace

Machine look_at_machine()
{
    options_load_at_start();
    Machine machine;
    const bool tells_nodes = numa_available() != -1;
    if (tells_nodes)
        machine.nodes = find_nodes();
    machine.policy = tells_nodes ? find_policy() : MemoryPolicy{"default", {}};
    machine.setting = value_of(*find_option("numa"), options());
    machine.places = find_places(machine);
    return machine;
}

} // namespace fastalloc::tool
