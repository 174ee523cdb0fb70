// SPDX-License-Identifier: MIT
//
// Fund: bin capacity, in bytes, that the threads of a process share beyond their own budgets.
//
//     an arena's bins are charged by their limits:  charged = sum of 2 x limit x block size
//     what it is charged above its own budget is leased
//     sum of leases <= max(lease_share of live, lease_fund while little is open)
//
// Live memory shrinks: then the fund is overdrawn, and each bin that overflows gives back half of what it may
// hold, if its arena holds a lease at all.
// A lease is at most a quarter of what is left, so one busy thread cannot starve the others, and N sleeping threads
// hold at most N budgets and one fund. Owner: everybody; one atomic counter, relaxed (it orders nothing).
#pragma once

#include <atomic>
#include <cstdint>

namespace fastalloc
{

class Fund
{
public:
    // What a thread would be granted now.
    uint64_t offer() const;

    // Takes `bytes` if that is still on offer.
    bool take(uint64_t bytes);

    // Whether more is leased than what is live now allows: leases are to be given back.
    bool is_overdrawn() const;

    void give_back(uint64_t bytes)
    {
        leased_.fetch_sub(bytes, std::memory_order_relaxed);
    }

    uint64_t leased() const
    {
        return leased_.load(std::memory_order_relaxed);
    }

private:
    std::atomic<uint64_t> leased_{0};
};

extern Fund fund;

} // namespace fastalloc
