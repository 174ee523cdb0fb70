// SPDX-License-Identifier: MIT
//
// Slack: how much idle memory a node heap keeps, as arithmetic without side effects.
//
//     bound = max(setting slack, setting slack_share of live) + demand
//
// What exceeds the bound goes back at once; what lies below it and is not used goes back in seconds. Demand is 0 at
// first; it grows by each byte taken from the kernel again within a second of as much being given back, by a taker that
// gave something back too (NodeHeap::Need), so a program that allocates and frees in waves stops paying for page faults
// after the first wave; it halves with every half-life and never exceeds the peak of live.
//
// Owner: a node heap; every function requires its lock.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fastalloc
{

class Slack
{
public:
    // Idle bytes that may stay while `live` bytes are in use.
    static uint64_t bound(uint64_t live, uint64_t demand);

    // `bytes` went back to the kernel.
    void returned(uint64_t bytes, uint64_t now_ms);

    // `bytes` that may have been given back are taken from the kernel again.
    void taken(uint64_t bytes, uint64_t live, uint64_t now_ms);

    // Lets time pass: demand decays.
    void advance(uint64_t now_ms);

    // The same, and of what was idle all the time since the last half-life a part need not stay, unless demand keeps it.
    // Returns how many of `idle` bytes may.
    uint64_t pass_time(uint64_t idle, uint64_t live, uint64_t now_ms);

    uint64_t demand() const
    {
        return demand_;
    }

    uint64_t returned_total() const
    {
        return returned_total_;
    }

    // Whether taken() can change anything: spares its caller the clock.
    bool remembers_returns() const
    {
        return recently_returned_ != 0;
    }

private:
    friend struct LayoutMaker; // heap/layout.h
    uint64_t demand_ = 0;
    uint64_t peak_live_ = 0;
    uint64_t recently_returned_ = 0; // not taken again yet
    uint64_t last_return_ms_ = 0;
    uint64_t decayed_until_ms_ = 0;
    uint64_t returned_total_ = 0;
    uint64_t least_idle_ = 0; // since least_since_ms_, as far as pass_time has seen
    uint64_t least_since_ms_ = 0;
};

} // namespace fastalloc
