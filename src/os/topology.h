// SPDX-License-Identifier: MIT
//
// Topology: the memory nodes of the machine as the kernel shows them to this process, and which of them memory is asked
// from.
//
// A *place* is where memory comes from: a node, or `unplaced`, of which each page comes from wherever the thread runs
// that touches it first, unless the setting says otherwise. On several nodes each thread has a *home*: the node of the
// CPU it runs on, or the nearest with memory. There are no homes, but one place for all,
//
//   - on one node: that one. One system call has found out, and there is none after it;
//   - `unplaced` where the process was given a memory policy (numactl, a job scheduler), which is left to rule; with
//     numa=interleave; and with numa=off, where the kernel is asked for no node.
//
// With numa=bind:NODES only these are homes. Where a range is to come from is a preference: the kernel takes another
// node when that one is full, and where it does not let us ask (EPERM or ENOSYS in a container, seccomp), first touch
// is what remains. Node numbers are the kernel's, sparse. What is known of nodes is asked for again now and then
// (forget()), for memory and permissions come and go.
//
// Any thread, no locks: what two find out at once is the same. errno is kept.
#pragma once

#include "base/hints.h"
#include "os/lock.h"
#include "os/node_set.h"

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace fastalloc
{

constexpr Node unplaced = node_limit;
constexpr unsigned place_limit = node_limit + 1;

namespace topology
{

// Whether threads have homes. Read when it is first asked for, which should be before main.
bool has_homes();

// The place that a thread's blocks come from: its home, or unplaced where it has a memory policy of its own.
Node place_of_thread();

// Where it runs, and its home there whatever its policy: the CPU is looked up in a table, so slow paths may ask each
// time. Requires: has_homes().
struct Spot
{
    unsigned cpu;
    Node home;
};
Spot spot_of_thread();

// Where the kernel keeps the number of a thread's CPU up to date, from its thread pointer: the rseq area, which glibc
// registers from 2.35 on. 0: not known. Written with the machine.
extern std::atomic<ptrdiff_t> rseq_cpu_offset;

// The CPU the calling thread runs on; beyond any if it is not known so.
FASTALLOC_INLINE unsigned cpu_by_rseq(ptrdiff_t offset)
{
    if (FASTALLOC_UNLIKELY(offset == 0))
        return ~0u;
    return *reinterpret_cast<const volatile uint32_t *>(thread_identity() + static_cast<uintptr_t>(offset));
}

// Whether the calling thread is known to run on that CPU, for a few instructions.
FASTALLOC_INLINE bool runs_on(unsigned cpu)
{
    return cpu_by_rseq(rseq_cpu_offset.load(std::memory_order_relaxed)) == cpu;
}

// Whether the calling thread's affinity lets it run on that CPU; also where the kernel does not tell. One system call.
bool thread_may_run_on(unsigned cpu);

// Whether the calling thread's memory policy is other than the default, and to be heeded. One system call.
bool thread_has_policy();

// The place of memory that no thread is to have for its own: whole chunks, blocks outside the window.
Node common_place();

// The place of memory for a node that somebody names: the nearest with memory. False if there is no such node.
bool find_place(unsigned node, Node *place);

// Asks that pages of the range come from `place`. False if the kernel refuses.
bool place_pages(uintptr_t address, size_t bytes, Node place);

// The node that has the page at this address, -1 if it is not resident or the kernel does not tell.
int node_of_page(uintptr_t address);

// Nodes with memory that this process may use.
NodeSet nodes_with_memory();

// The kernel's measure of how far apart two nodes are, 10 for one and the same; 0 if it is not known. For tests: who is
// nearest is all that homes need.
unsigned distance(unsigned from, unsigned to);

// What is known of nodes is asked for anew when it is needed.
void forget();

// For tests: another machine. Null for the real one.
struct Injected
{
    NodeSet memory;               // nodes with memory
    unsigned (*node_of_thread)(); // of the CPU the calling thread runs on, which has the same number
    bool pinned;                  // threads may run on no other CPU
    int policy;                   // of every thread
    const char *folder;           // in place of /sys/devices/system/node
    bool (*bind)(uintptr_t address, size_t bytes, int policy, const NodeSet &nodes); // null: taken as granted
};
void inject_for_tests(const Injected *machine);

} // namespace topology
} // namespace fastalloc
