// SPDX-License-Identifier: MIT
//
// Limits: how much memory the process holds, and how much it may.
//
// *Held* are chunks that are open or hold memory, of all nodes, and outside blocks. It never exceeds the hard limit: who
// would exceed it is refused. The soft limit refuses nothing: that it was passed is news. Below both lies what the control
// group of the process may have, where that is known: it refuses nothing here, for the kernel does, but the less room is
// left, the less is kept idle.
//
// News is what slow paths heed once they hold no lock (arena/purge.h).
// Owner: everybody; atomics, relaxed: they order nothing.
#pragma once

#include "base/config.h"

#include <atomic>
#include <cstdint>

namespace fastalloc
{

class Limits
{
public:
    static constexpr uint64_t none = UINT64_MAX;

    // `bytes` more are held from now on. False, and nothing is: that would be above the hard limit.
    bool take(uint64_t bytes);

    // They are not held any more.
    void give_back(uint64_t bytes);

    uint64_t held() const
    {
        return held_.load(std::memory_order_relaxed);
    }

    // What may be held beyond that before the lowest limit that refuses; `none` without one.
    uint64_t room() const;

    // Less than an eighth of that limit is left: the system should have at once what is given back.
    bool is_near() const;

    // The lowest limit that refuses, the kernel's for the control group or ours; `none` without one.
    uint64_t ceiling() const;

    // What the control group may have, `none` if that is not limited.
    void set_group_limit(uint64_t bytes);

    // The most that was ever held, and what programs held of it in blocks then, as far as anybody has said.
    uint64_t peak_held() const
    {
        return peak_held_.load(std::memory_order_relaxed);
    }

    uint64_t live_at_peak() const
    {
        return live_at_peak_.load(std::memory_order_relaxed);
    }

    // So much is live now: while as much is held as ever, the most of it that is told is kept.
    void tell_live(uint64_t bytes);

    struct News
    {
        bool above_soft;    // the soft limit was passed
        bool memory_events; // there are some to be told: heap/memory_events.h
        bool peaked;        // more is held than ever: somebody should tell_live()
        bool grown;         // by so much since the last time that the control group's limit is to be read again
    };

    bool has_news() const
    {
        return news_.load(std::memory_order_relaxed) != 0;
    }

    // The first who asks gets it.
    News take_news();

    enum NewsBit : unsigned
    {
        above_soft = 1,
        grown = 2,
        events_wait = 4,
        peaked = 8,
    };

    void add_news(unsigned bit)
    {
        news_.fetch_or(bit, std::memory_order_relaxed);
    }

    // It was, but is not any more: it is news when it is passed again.
    void forget_soft_limit_was_passed()
    {
        is_above_soft_.store(false, std::memory_order_relaxed);
    }

private:
    friend struct LayoutMaker; // heap/layout.h
    void look_at_growth(uint64_t held);
    void look_at_peak(uint64_t held);

    std::atomic<uint64_t> held_{0};
    std::atomic<uint64_t> group_limit_{none};
    std::atomic<uint64_t> read_again_from_{16 * mebibyte}; // held bytes
    std::atomic<bool> is_above_soft_{false};
    std::atomic<unsigned> news_{0};
    std::atomic<uint64_t> peak_held_{0};
    std::atomic<uint64_t> live_at_peak_{0};
};

extern Limits limits;

} // namespace fastalloc
