// SPDX-License-Identifier: MIT
#include "heap/limits.h"

#include "base/probes.h"
#include "heap/memory_events.h"

#include "os/options.h"

namespace fastalloc
{

constinit Limits limits;

namespace
{

// The soft limit counts as passed until so much of it is free again.
constexpr uint64_t soft_margin = 16;

// Of a limit: with less left the process is near it.
constexpr uint64_t near_share = 8;

// By this share the process grows between two looks at its control group.
constexpr uint64_t growth_share = 4;

// 0 means no limit.
uint64_t limit_of(uint64_t setting)
{
    return setting != 0 ? setting : Limits::none;
}

} // namespace

uint64_t Limits::ceiling() const
{
    const bool group_counts = options().cgroup == Cgroup::automatic;
    const uint64_t group = group_counts ? group_limit_.load(std::memory_order_relaxed) : none;
    const uint64_t hard = limit_of(options().hard_limit);
    return hard < group ? hard : group;
}

uint64_t Limits::room() const
{
    const uint64_t most = ceiling();
    if (most == none)
        return none;
    const uint64_t now = held();
    return now < most ? most - now : 0;
}

bool Limits::is_near() const
{
    const uint64_t most = ceiling();
    return most != none && room() < most / near_share;
}

void Limits::set_group_limit(uint64_t bytes)
{
    group_limit_.store(bytes, std::memory_order_relaxed);
}

bool Limits::take(uint64_t bytes)
{
    const uint64_t hard = limit_of(options().hard_limit);
    uint64_t now = held();
    do
        if (bytes > hard || now > hard - bytes)
        {
            FASTALLOC_PROBE2(limit, bytes, now);
            memory_events.post(MemoryEvent::Kind::refused, 0, bytes, unplaced);
            return false;
        }
    while (!held_.compare_exchange_weak(now, now + bytes, std::memory_order_relaxed));
    look_at_growth(now + bytes);
    look_at_peak(now + bytes);
    return true;
}

void Limits::look_at_peak(uint64_t held)
{
    uint64_t peak = peak_held();
    if (held <= peak)
        return;
    while (held > peak && !peak_held_.compare_exchange_weak(peak, held, std::memory_order_relaxed))
        ;
    live_at_peak_.store(0, std::memory_order_relaxed); // of the peak before
    news_.fetch_or(peaked, std::memory_order_relaxed);
}

void Limits::tell_live(uint64_t bytes)
{
    if (held() == peak_held() && bytes > live_at_peak())
        live_at_peak_.store(bytes, std::memory_order_relaxed);
}

void Limits::look_at_growth(uint64_t held)
{
    if (held > limit_of(options().soft_limit) && !is_above_soft_.exchange(true, std::memory_order_relaxed))
        add_news(above_soft);
    if (held >= read_again_from_.load(std::memory_order_relaxed) && options().cgroup == Cgroup::automatic)
    {
        read_again_from_.store(held + held / growth_share, std::memory_order_relaxed);
        add_news(grown);
    }
}

void Limits::give_back(uint64_t bytes)
{
    const uint64_t now = held_.fetch_sub(bytes, std::memory_order_relaxed) - bytes;
    const uint64_t soft = limit_of(options().soft_limit);
    if (is_above_soft_.load(std::memory_order_relaxed) && now <= soft - soft / soft_margin)
        forget_soft_limit_was_passed();
}

Limits::News Limits::take_news()
{
    const unsigned news = news_.exchange(0, std::memory_order_relaxed);
    return {(news & above_soft) != 0, (news & events_wait) != 0, (news & peaked) != 0, (news & grown) != 0};
}

} // namespace fastalloc
