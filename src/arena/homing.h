// SPDX-License-Identifier: MIT
//
// Homing: whether a thread that runs on another node than its arena's has come to stay, as arithmetic without side
// effects.
//
// The kernel moves threads to and fro; an arena is not left for a moment's sake. A thread moves that was seen on one and
// the same other node at 8 slow paths in a row over at least 10 ms. It moves at once if it may not run any more where it
// was at home: who pins himself to a node does it before he takes what he is going to work with. One that moves again
// soon must wait twice as long each time, up to a second. Its memory policy is asked for as it takes new memory, each
// half MiB: that is what a policy is about.
//
// Owner: the attached thread; taken along when it moves.
#pragma once

#include "base/config.h"
#include "os/topology.h"

namespace fastalloc
{

class Homing
{
public:
    using Clock = uint64_t (*)(); // milliseconds

    // A slow path while the thread runs at home, on that CPU.
    void at_home(unsigned cpu)
    {
        paths_ = 0;
        cpu_ = cpu;
    }

    // A slow path while it runs on `node`, which is not its home. Whether it has stayed there for long enough.
    bool has_settled(Node node, Clock clock)
    {
        if (paths_ == 0 || node != node_)
        {
            paths_ = 1;
            node_ = node;
            since_ms_ = clock();
            return false;
        }
        if (paths_ < least_paths)
            ++paths_;
        return paths_ == least_paths && clock() - since_ms_ >= patience_ms_;
    }

    // Whether it was seen there for the first time, and has not moved just now: then to ask where it may run is worth a
    // system call.
    bool is_new_there(Clock clock) const
    {
        return paths_ == 1 && cpu_ != no_cpu && (!has_moved_ || clock() - moved_ms_ >= patience_ms_);
    }

    // The CPU on which it was at home last.
    unsigned home_cpu() const
    {
        return cpu_;
    }

    // It has moved.
    void moved(Clock clock)
    {
        const uint64_t now = clock();
        const uint64_t long_ms = soon_share * patience_ms_ < long_most_ms ? soon_share * patience_ms_ : long_most_ms;
        const bool soon = has_moved_ && now - moved_ms_ < long_ms;
        const uint64_t doubled = 2 * patience_ms_ < most_ms ? 2 * patience_ms_ : most_ms;
        patience_ms_ = soon ? doubled : least_ms;
        moved_ms_ = now;
        has_moved_ = true;
        paths_ = 0;
    }

    // It has not moved although it has settled.
    void stays()
    {
        paths_ = 0;
    }

    // A policy has come, and no node is its home any more; or has gone, and it may be where it was.
    void changes_policy()
    {
        paths_ = 0;
        cpu_ = no_cpu;
    }

    // Whether a slow path on its home's last CPU has nothing to look at; and if it is not known to be there, all is.
    FASTALLOC_INLINE bool is_quiet() const
    {
        return topology::runs_on(cpu_) && paths_ == 0 && fresh_slices_ < slices_per_look;
    }

    // It has taken so many slices that were never written.
    void took_fresh(unsigned slices)
    {
        fresh_slices_ += slices;
    }

    // Whether it has taken so much new memory that its policy should be looked at; asked once.
    bool is_to_look_at_policy()
    {
        const bool due = fresh_slices_ >= slices_per_look;
        fresh_slices_ = due ? 0 : fresh_slices_;
        return due;
    }

    bool has_moved() const
    {
        return has_moved_;
    }

private:
    static constexpr unsigned no_cpu = 1u << 31; // nor any that the kernel writes where it knows none
    static constexpr unsigned least_paths = 8;
    static constexpr uint64_t least_ms = 10;
    static constexpr uint64_t most_ms = 1000;
    static constexpr uint64_t soon_share = 64; // within so many times what it had to stay for, a move is soon
    static constexpr uint64_t long_most_ms = 10'000;
    static constexpr unsigned slices_per_look = 8;

    uint64_t patience_ms_ = least_ms;
    uint64_t since_ms_ = 0; // on node_ since then
    uint64_t moved_ms_ = 0;
    unsigned fresh_slices_ = 0;
    unsigned paths_ = 0; // in a row on node_
    unsigned cpu_ = no_cpu;
    Node node_ = 0;
    bool has_moved_ = false; // since it began
};

} // namespace fastalloc
