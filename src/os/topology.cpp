// SPDX-License-Identifier: MIT
#include "os/topology.h"

#include "os/options.h"

#include <atomic>
#include <cerrno>
#include <linux/mempolicy.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace fastalloc::topology
{
namespace
{

constexpr unsigned word_bits = 64;
constexpr unsigned mask_words = node_limit / word_bits;

struct Machine
{
    uint64_t memory[mask_words];
    Node first;
    bool several;
};

// Written once before `state` says Known (release, paired with the acquire in machine()).
constinit Machine known{};

enum State
{
    Unknown,
    Reading,
    Known,
};
constinit std::atomic<int> state{Unknown};
constinit const Injected *injected = nullptr;

bool has_memory(const Machine &machine, unsigned node)
{
    return node < node_limit && (machine.memory[node / word_bits] >> (node % word_bits) & 1);
}

// A process that was given a memory policy (numactl, a job scheduler) is left to it.
bool has_policy()
{
    const int saved_errno = errno;
    int mode = MPOL_DEFAULT;
    const bool asked = injected == nullptr && syscall(SYS_get_mempolicy, &mode, nullptr, 0, nullptr, 0) == 0;
    errno = saved_errno;
    return asked && mode != MPOL_DEFAULT;
}

Machine read_machine()
{
    Machine machine{};
    const int saved_errno = errno;
    if (injected != nullptr)
        for (unsigned word = 0; word < mask_words; ++word)
            machine.memory[word] = injected->memory[word];
    else if (options().numa == Numa::off ||
             syscall(SYS_get_mempolicy, nullptr, machine.memory, node_limit, nullptr, MPOL_F_MEMS_ALLOWED) != 0)
        machine.memory[0] = 1;
    errno = saved_errno;
    unsigned nodes = 0;
    for (unsigned node = node_limit; node-- > 0;)
        if (has_memory(machine, node))
        {
            machine.first = static_cast<Node>(node);
            ++nodes;
        }
    machine.several = nodes > 1 && !has_policy();
    return machine;
}

// The machine; a thread that asks while another one reads it reads it for itself.
Machine machine()
{
    if (state.load(std::memory_order_acquire) == Known)
        return known;
    const Machine read = read_machine();
    int expected = Unknown;
    if (state.compare_exchange_strong(expected, Reading, std::memory_order_relaxed))
    {
        known = read;
        state.store(Known, std::memory_order_release);
    }
    return read;
}

unsigned node_of_thread()
{
    if (injected != nullptr)
        return injected->node_of_thread();
    unsigned cpu = 0;
    unsigned node = 0;
    return syscall(SYS_getcpu, &cpu, &node, nullptr) == 0 ? node : 0;
}

} // namespace

Node current_node()
{
    const Machine here = machine();
    if (!here.several)
        return here.first;
    const unsigned node = node_of_thread();
    return has_memory(here, node) ? static_cast<Node>(node) : here.first;
}

bool has_several_nodes()
{
    return machine().several;
}

void prefer_node(uintptr_t address, size_t bytes, Node node)
{
    if (injected != nullptr || !has_several_nodes())
        return;
    uint64_t nodes[mask_words] = {};
    nodes[node / word_bits] = uint64_t{1} << (node % word_bits);
    const int saved_errno = errno;
    syscall(SYS_mbind, address, bytes, MPOL_PREFERRED, nodes, node_limit + 1, 0);
    errno = saved_errno;
}

void inject_for_tests(const Injected *machine)
{
    injected = machine;
    state.store(Unknown, std::memory_order_relaxed);
}

} // namespace fastalloc::topology
