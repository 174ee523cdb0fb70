// SPDX-License-Identifier: MIT
//
// Purge: giving back what is free in all arenas and on all nodes, and what the limits make of an allocation.
//
// Any thread that holds no lock.
#pragma once

#include "arena/arena.h"
#include "heap/limits.h"
#include "os/options.h"

struct fastalloc_observer; // fastalloc.h

namespace fastalloc
{

// Gives memory back until at most `pad` bytes of each node are idle, asking other threads to flush at their next call.
// The system gets also what was given back out of huge pages. Returns the bytes given back.
uint64_t purge(uint64_t pad);

// How often that was done. Any thread, relaxed: a figure.
extern std::atomic<uint64_t> purge_count;

// What slow paths do now and then, for a process whose threads sleep: lets time pass on all nodes, sorts in what waits in
// inboxes, gives back what need not stay any longer and has huge pages split.
void let_time_pass();

// Looks at what is new of the limits: reads the control group's again; above the soft limit purges, and tells the observer
// if that does not help.
void heed_limits();

// Who is told from now on, null for nobody. What it points to is seen whole: a release, read by an acquire.
void observe(const fastalloc_observer *who);

// Tells the observer what has happened to memory. Requires: no lock held.
void tell_memory_events();

// In the child of a fork the thread that was telling may be gone.
void forget_who_was_telling();

template <typename Attempt, typename Got>
FASTALLOC_SLOW Got heed_and_try_again(Attempt attempt, Got got)
{
    if (limits.has_news())
        heed_limits();
    if (got || options().hard_limit == 0)
        return got;
    purge(0);
    return attempt();
}

// What `attempt` yields, a pointer or an Allocation: once more after a purge if there is a limit that may be in the way.
template <typename Attempt>
FASTALLOC_INLINE auto within_limits(Attempt attempt)
{
    const auto got = attempt();
    return FASTALLOC_LIKELY(got) && FASTALLOC_LIKELY(!limits.has_news()) ? got : heed_and_try_again(attempt, got);
}

} // namespace fastalloc
