// SPDX-License-Identifier: MIT
//
// Machine: its memory nodes as libnuma tells them, the memory policy in force, and what the library makes of both
// (os/topology.h) in a process that starts here and now with this FASTALLOC_CONF.
//
// A value; who looks at the machine twice may see two.
#pragma once

#include "os/node_set.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace fastalloc::tool
{

using Numbers = std::vector<unsigned>; // of nodes or CPUs, in order

struct NodeMemory
{
    uint64_t total_bytes;
    uint64_t free_bytes;
};

struct MachineNode
{
    unsigned number;
    std::optional<NodeMemory> memory; // a node may have CPUs alone
    bool is_allowed;                  // its memory, to this process (cpuset(7))
    Numbers cpus;
    Numbers allowed_cpus;            // those this process may run on
    std::vector<unsigned> distances; // to each node of the machine in turn
    std::optional<Node> home;        // of threads that run here; none if threads have no homes
};

struct MemoryPolicy
{
    std::string name; // as numactl(8) and set_mempolicy(2) have it
    Numbers nodes;
};

// Where a process of the library's has its memory from.
struct Places
{
    const char *kind; // a word for scripts
    std::string what; // for people: "all memory comes from node 0"
    std::string why;  // "no other node has memory for this process"
};

struct Machine
{
    std::vector<MachineNode> nodes; // empty where the kernel tells this process of none
    MemoryPolicy policy;
    std::string setting; // the value of numa
    Places places;
};

// Warns on standard error, as the library would, of settings that are malformed or name no node.
Machine look_at_machine();

} // namespace fastalloc::tool
