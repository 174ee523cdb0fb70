// SPDX-License-Identifier: MIT
//
// Memory nodes of the machine as the kernel shows them to this process.
//
// Read once by one system call, before main; a machine with one node costs nothing after that. Nodes are numbers as the
// kernel uses them: sparse, up to node_limit. Where the kernel refuses to tell (seccomp in a container, no NUMA
// support), and with numa=off, there is one node, number 0. A node that has CPUs but no memory for us is served by the
// first node that has. Tests inject a topology instead. Any thread.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fastalloc
{

using Node = uint16_t;
constexpr unsigned node_limit = 1024;

namespace topology
{

// The node of the CPU this thread runs on, as one that has memory.
Node current_node();

// Whether there is more than one node with memory, and no memory policy of the process that says which to use.
bool has_several_nodes();

// Asks that pages of the range come from `node` when they are first touched. A preference: the kernel takes another
// node when that one is full, and errors (EPERM, ENOSYS) leave first touch. Nothing is done on one node.
void prefer_node(uintptr_t address, size_t bytes, Node node);

// For tests: `memory` has a bit per node with memory, `node_of_thread` answers for the CPU. Null for the real machine.
struct Injected
{
    uint64_t memory[node_limit / 64];
    unsigned (*node_of_thread)();
};
void inject_for_tests(const Injected *machine);

} // namespace topology
} // namespace fastalloc
