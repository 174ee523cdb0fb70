// SPDX-License-Identifier: MIT
//
// Fund: bin capacity, in bytes, that the threads of a process share beyond their own budgets.
//
//     an arena's bins are charged by their limits:  charged = sum of 2 x limit x block size
//     what it is charged above its own budget is leased
//     sum of leases <= lease_share of live, or lease_fund where that is more and not much is open
//
// An arena may always lease the share of what it has handed out itself; beyond that a lease is at most a quarter of what
// is left. So a busy thread does not starve beside sleeping ones that leased before it, nor they because of it, and N
// sleeping threads hold at most N budgets and one fund. Live memory shrinks: then the fund is overdrawn, and each bin that
// overflows gives back half of what it may hold, if its arena leases more than its own share.
//
// Owner: everybody; one atomic counter, relaxed (it orders nothing).
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

    // Takes `bytes` that an arena may lease whatever others have: the share of what it has handed out itself.
    void take_own_share(uint64_t bytes)
    {
        leased_.fetch_add(bytes, std::memory_order_relaxed);
    }

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
    friend struct LayoutMaker; // heap/layout.h
    std::atomic<uint64_t> leased_{0};
};

extern Fund fund;

} // namespace fastalloc
