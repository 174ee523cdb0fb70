// SPDX-License-Identifier: MIT
#include "heap/slack.h"

#include "os/options.h"

namespace fastalloc
{
namespace
{

// Memory that is asked back within this time should not have been given back.
constexpr uint64_t regret_ms = 1000;

// Of what was idle all the time since the last half-life this part need not stay. More is not better: that as much is
// idle all the time does not mean that it is the same pages.
constexpr uint64_t unused_share = 8;

} // namespace

uint64_t Slack::bound(uint64_t live, uint64_t demand)
{
    const uint64_t share = live / 1000 * options().slack_share;
    const uint64_t least = options().slack;
    return (share > least ? share : least) + demand;
}

void Slack::advance(uint64_t now_ms)
{
    const uint64_t half_life = options().demand_half_life;
    const uint64_t halvings = (now_ms - decayed_until_ms_) / half_life;
    if (halvings != 0)
    {
        demand_ = halvings < 64 ? demand_ >> halvings : 0;
        decayed_until_ms_ += halvings * half_life;
    }
    if (now_ms - last_return_ms_ > regret_ms)
        recently_returned_ = 0;
}

uint64_t Slack::pass_time(uint64_t idle, uint64_t live, uint64_t now_ms)
{
    advance(now_ms);
    const uint64_t most = bound(live, demand_);
    if (idle < least_idle_)
        least_idle_ = idle;
    if (now_ms - least_since_ms_ < options().demand_half_life)
        return most;
    uint64_t kept = idle - least_idle_ / unused_share;
    kept = kept > demand_ ? kept : demand_;
    least_idle_ = idle;
    least_since_ms_ = now_ms;
    return kept < most ? kept : most;
}

void Slack::returned(uint64_t bytes, uint64_t now_ms)
{
    advance(now_ms);
    recently_returned_ += bytes;
    returned_total_ += bytes;
    last_return_ms_ = now_ms;
}

void Slack::taken(uint64_t bytes, uint64_t live, uint64_t now_ms)
{
    advance(now_ms);
    const uint64_t regretted = bytes < recently_returned_ ? bytes : recently_returned_;
    recently_returned_ -= regretted;
    if (live > peak_live_)
        peak_live_ = live;
    demand_ += regretted;
    if (demand_ > peak_live_)
        demand_ = peak_live_;
}

} // namespace fastalloc
