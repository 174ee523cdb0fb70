// SPDX-License-Identifier: MIT
#include "os/topology.h"

#include "base/text.h"
#include "os/keep_errno.h"
#include "os/message.h"
#include "os/options.h"
#include "os/small_file.h"

#include <atomic>
#include <climits>
#include <cstring>
#include <linux/mempolicy.h>
#include <sys/syscall.h>
#include <unistd.h>

// glibc from 2.35 on; the library runs on older ones, too.
#if __has_include(<sys/rseq.h>)
#include <sys/rseq.h>
#pragma weak __rseq_offset
#define FASTALLOC_RSEQ_OFFSET (&__rseq_offset)
#else
#define FASTALLOC_RSEQ_OFFSET (static_cast<const ptrdiff_t *>(nullptr))
#endif

namespace fastalloc::topology
{

constinit std::atomic<ptrdiff_t> rseq_cpu_offset{0};

namespace
{

constinit const Injected *injected = nullptr;

// ---- the machine ---------------------------------------------------------------------------------------------

struct alignas(uint64_t) Machine
{
    bool known = false;
    bool homes = false;
    bool asks = false;      // whether the kernel is asked for places
    bool bound = false;     // the setting has named nodes that are there
    Node common = unplaced; // place of what is no thread's own, and without homes of everything
};

// Relaxed: it is one word, and whoever finds it out finds the same.
constinit std::atomic<Machine> known_machine{};
static_assert(std::atomic<Machine>::is_always_lock_free);

// The home of threads that run on a node plus one, 0: not looked up. Relaxed, the same.
constinit std::atomic<uint16_t> known_homes[node_limit]{};

// The node of a CPU plus one. Beyond so many CPUs the kernel is asked each time.
constexpr unsigned cpu_limit = 8192;
constinit std::atomic<uint16_t> known_nodes_of_cpus[cpu_limit]{};

void clear_tables()
{
    for (std::atomic<uint16_t> &home : known_homes)
        home.store(0, std::memory_order_relaxed);
    for (std::atomic<uint16_t> &node : known_nodes_of_cpus)
        if (node.load(std::memory_order_relaxed) != 0) // most never were: their pages stay untouched
            node.store(0, std::memory_order_relaxed);
}

// A policy as the kernel counts them, MPOL_DEFAULT where it does not tell.
int policy_of_thread()
{
    if (injected != nullptr)
        return injected->policy;
    const KeepErrno kept;
    int policy = MPOL_DEFAULT;
    return syscall(SYS_get_mempolicy, &policy, nullptr, 0, nullptr, 0) == 0 ? policy : MPOL_DEFAULT;
}

// Whether the setting names nodes, and any of them has memory.
bool is_bound(const NodeSet &memory)
{
    return options().numa == Numa::bind && (memory & options().numa_nodes).count() != 0;
}

// Nodes with memory, of those the setting names if there are any.
NodeSet nodes_for_us()
{
    const NodeSet memory = nodes_with_memory();
    return is_bound(memory) ? memory & options().numa_nodes : memory;
}

// The nodes of numa=bind are not there, or not for us.
FASTALLOC_SLOW void complain()
{
    char value[option_text_capacity];
    format_option(*find_option("numa"), options(), value, sizeof value);
    Message().text("numa=").text(value).text(": none of these nodes has memory for this process").warn();
}

Machine find_out()
{
    const Numa numa = options().numa;
    if (numa == Numa::off)
        return {.known = true};
    const NodeSet memory = nodes_with_memory();
    const bool bound = is_bound(memory);
    if (numa == Numa::bind && !bound)
        complain();
    if (memory.count() == 1)
        return {.known = true, .common = static_cast<Node>(memory.next(0))};
    if (bound)
    {
        const NodeSet named = nodes_for_us();
        const bool several = named.count() > 1;
        const Node common = several ? unplaced : static_cast<Node>(named.next(0));
        return {.known = true, .homes = several, .asks = true, .bound = true, .common = common};
    }
    if (numa == Numa::interleave)
        return {.known = true, .asks = true};
    const bool left = policy_of_thread() != MPOL_DEFAULT;
    return {.known = true, .homes = !left, .asks = !left};
}

FASTALLOC_SLOW Machine look_at_machine()
{
    constexpr ptrdiff_t offset_of_cpu = 4; // of cpu_id in struct rseq
    const ptrdiff_t *const area = FASTALLOC_RSEQ_OFFSET;
    const bool has_rseq = injected == nullptr && area != nullptr;
    rseq_cpu_offset.store(has_rseq ? *area + offset_of_cpu : 0, std::memory_order_relaxed);
    const Machine machine = find_out();
    known_machine.store(machine, std::memory_order_relaxed);
    return machine;
}

Machine machine()
{
    const Machine known = known_machine.load(std::memory_order_relaxed);
    return FASTALLOC_LIKELY(known.known) ? known : look_at_machine();
}

// ---- distances -------------------------------------------------------------------------------------------------

constexpr size_t list_bytes = 4096;      // of 1024 nodes, every other one
constexpr size_t distances_bytes = 5120; // of 1024 nodes, up to 255 each

void read_node_file(const char *name, char *bytes, size_t capacity)
{
    const KeepErrno kept;
    const char *const folder = injected == nullptr ? "/sys/devices/system/node" : injected->folder;
    char path[256];
    Text text(path, sizeof path);
    text.text(folder).text("/").text(name);
    bytes[0] = 0;
    if (folder != nullptr && !text.was_cut())
        read_begin(path, bytes, capacity);
}

FASTALLOC_SLOW NodeSet online_nodes()
{
    char list[list_bytes];
    read_node_file("online", list, sizeof list);
    NodeSet nodes;
    return parse_nodes(list, strcspn(list, "\n"), ',', &nodes) ? nodes : NodeSet{};
}

// Calls each(node, distance) for the nodes that are online, in order: that is how the kernel lists distances.
template <typename Each>
void for_each_distance(unsigned from, const NodeSet &online, Each each)
{
    char name[32];
    Text(name, sizeof name).text("node").decimal(from).text("/distance");
    char distances[distances_bytes];
    read_node_file(name, distances, sizeof distances);
    const char *at = distances;
    for (unsigned node = online.next(0); node < node_limit; node = online.next(node + 1))
    {
        while (*at == ' ')
            ++at;
        if (*at < '0' || *at > '9')
            return;
        unsigned distance = 0;
        for (; *at >= '0' && *at <= '9'; ++at)
            distance = distance * 10 + static_cast<unsigned>(*at - '0');
        each(node, distance);
    }
}

// The one of `nodes` that is nearest to a node, of equals the first. Requires: there is one.
unsigned nearest(unsigned from, const NodeSet &nodes)
{
    unsigned best = nodes.next(0);
    unsigned least = ~0u;
    for_each_distance(from, online_nodes(), [&](unsigned node, unsigned distance) {
        if (!nodes.has(node) || distance >= least)
            return;
        best = node;
        least = distance;
    });
    return best;
}

// ---- homes -----------------------------------------------------------------------------------------------------

FASTALLOC_SLOW Node find_home(unsigned node)
{
    const NodeSet nodes = nodes_for_us();
    const unsigned home = nodes.has(node) ? node : nearest(node, nodes);
    known_homes[node].store(static_cast<uint16_t>(home + 1), std::memory_order_relaxed);
    return static_cast<Node>(home);
}

// The home of threads that run on a node the kernel has named.
Node home_of(unsigned node)
{
    if (node >= node_limit)
        node = 0;
    const uint16_t known = known_homes[node].load(std::memory_order_relaxed);
    return FASTALLOC_LIKELY(known != 0) ? static_cast<Node>(known - 1) : find_home(node);
}

struct Cpu
{
    unsigned number;
    unsigned node;
};

FASTALLOC_SLOW Cpu cpu_by_kernel()
{
    const KeepErrno kept;
    Cpu cpu{};
    if (syscall(SYS_getcpu, &cpu.number, &cpu.node, nullptr) != 0)
        return {};
    if (cpu.number < cpu_limit && cpu.node < node_limit)
        known_nodes_of_cpus[cpu.number].store(static_cast<uint16_t>(cpu.node + 1), std::memory_order_relaxed);
    return cpu;
}

Cpu cpu_of_thread()
{
    if (FASTALLOC_UNLIKELY(injected != nullptr))
        return {injected->node_of_thread(), injected->node_of_thread()};
    const unsigned cpu = cpu_by_rseq(rseq_cpu_offset.load(std::memory_order_relaxed));
    const uint16_t known = cpu < cpu_limit ? known_nodes_of_cpus[cpu].load(std::memory_order_relaxed) : uint16_t{0};
    return FASTALLOC_LIKELY(known != 0) ? Cpu{cpu, known - 1u} : cpu_by_kernel();
}

// ---- asking the kernel ----------------------------------------------------------------------------------------

bool bind(uintptr_t address, size_t bytes, int policy, const NodeSet &nodes)
{
    if (injected != nullptr)
        return injected->bind == nullptr || injected->bind(address, bytes, policy, nodes);
    const KeepErrno kept;
    const auto *const mask = policy == MPOL_DEFAULT ? nullptr : nodes.words;
    return syscall(SYS_mbind, address, bytes, policy, mask, mask == nullptr ? 0 : node_limit + 1, 0) == 0;
}

} // namespace

bool has_homes()
{
    return machine().homes;
}

Node common_place()
{
    return machine().common;
}

Spot spot_of_thread()
{
    const Cpu cpu = cpu_of_thread();
    return {cpu.number, home_of(cpu.node)};
}

bool thread_may_run_on(unsigned cpu)
{
    if (injected != nullptr)
        return !injected->pinned || injected->node_of_thread() == cpu;
    const KeepErrno kept;
    constexpr unsigned word_bits = 64;
    uint64_t cpus[cpu_limit / word_bits];
    const long bytes = syscall(SYS_sched_getaffinity, 0, sizeof cpus, cpus);
    if (bytes < 0 || cpu >= static_cast<unsigned long>(bytes) * CHAR_BIT)
        return true;
    return (cpus[cpu / word_bits] >> (cpu % word_bits) & 1) != 0;
}

bool thread_has_policy()
{
    return !machine().bound && policy_of_thread() != MPOL_DEFAULT;
}

Node place_of_thread()
{
    const Machine here = machine();
    if (!here.homes)
        return here.common;
    return thread_has_policy() ? unplaced : spot_of_thread().home;
}

bool find_place(unsigned node, Node *place)
{
    const Machine here = machine();
    const bool known = node < node_limit && known_homes[node].load(std::memory_order_relaxed) != 0;
    if (!known && !nodes_with_memory().has(node) && !online_nodes().has(node))
        return false;
    if (!here.asks)
        known_homes[node].store(static_cast<uint16_t>(node + 1), std::memory_order_relaxed); // so that it is asked once
    *place = here.asks ? home_of(node) : here.common;
    return true;
}

bool place_pages(uintptr_t address, size_t bytes, Node place)
{
    const Machine here = machine();
    if (!here.asks)
        return true;
    if (place != unplaced)
    {
        NodeSet node{};
        node.add(place);
        return bind(address, bytes, MPOL_PREFERRED, node);
    }
    if (here.bound)
        return bind(address, bytes, MPOL_PREFERRED_MANY, nodes_for_us());
    if (options().numa == Numa::interleave)
        return bind(address, bytes, MPOL_INTERLEAVE, nodes_with_memory());
    return bind(address, bytes, MPOL_DEFAULT, {});
}

int node_of_page(uintptr_t address)
{
    const KeepErrno kept;
    void *page = reinterpret_cast<void *>(address);
    int node = -1;
    if (syscall(SYS_move_pages, 0, 1, &page, nullptr, &node, 0) != 0)
        return -1;
    return node >= 0 ? node : -1;
}

NodeSet nodes_with_memory()
{
    if (injected != nullptr)
        return injected->memory;
    const KeepErrno kept;
    NodeSet nodes{};
    if (syscall(SYS_get_mempolicy, nullptr, nodes.words, node_limit, nullptr, MPOL_F_MEMS_ALLOWED) != 0 ||
        nodes.count() == 0)
    {
        nodes = {};
        nodes.add(0);
    }
    return nodes;
}

unsigned distance(unsigned from, unsigned to)
{
    unsigned found = 0;
    for_each_distance(from, online_nodes(),
                      [&](unsigned node, unsigned distance) { found = node == to ? distance : found; });
    return found;
}

void forget()
{
    if (machine().asks)
        clear_tables();
}

void inject_for_tests(const Injected *machine)
{
    injected = machine;
    known_machine.store({}, std::memory_order_relaxed);
    clear_tables();
}

} // namespace fastalloc::topology
