// SPDX-License-Identifier: MIT
//
// Ebb: whether a thread has freed most of what it held, as arithmetic without side effects.
//
// A thread that sleeps makes no further call, and its bins are its own: what they hold when it frees its last block they
// hold as long as it sleeps, and each block of them may be the one that keeps a span. So bins are emptied while the
// thread is still freeing: at the slow paths it takes when little is left of what it held.
//
// A thread whose memory comes and goes in waves would fill them again each time. Who holds much again within a second
// of his bins having been emptied has regretted it, and keeps them for a second. What bins take up again before that,
// while the thread goes on freeing, is left there until it is much.
//
// Owner: an arena's lock.
#pragma once

#include "base/config.h"

namespace fastalloc
{

class Ebb
{
public:
    using Clock = uint64_t (*)(); // milliseconds, not 0

    // What a thread must have held: to empty its bins is little beside freeing that.
    static constexpr int64_t least_bytes = 256 * kibibyte;

    // After a refill `held` bytes are out.
    void rise(int64_t held, Clock clock)
    {
        if (emptied_ms_ != 0 && held >= least_bytes)
        {
            const uint64_t now = clock();
            if (now - emptied_ms_ < regret_ms)
                regretted_ms_ = now;
            emptied_ms_ = 0;
        }
        high_ = held > high_ ? held : high_ - (high_ - held) / refills_to_forget;
    }

    // Whether `held` bytes can be low water for a thread whose bins hold at most `in_bins` of them, and these are worth
    // going through all bins.
    bool may_be_low(int64_t held, int64_t in_bins) const
    {
        const int64_t worth = high_ / worth_share > least_worth ? high_ / worth_share : least_worth;
        return high_ >= least_bytes && held - in_bins <= high_ / low_share && in_bins > worth;
    }

    // Whether bins stay as they are, for emptying them was regretted. Then it cannot be low water before the next refill.
    bool is_wave(Clock clock)
    {
        const bool wave = regretted_ms_ != 0 && clock() - regretted_ms_ < regret_ms;
        high_ = wave ? 0 : high_;
        return wave;
    }

    // Bins are emptied.
    void begin(Clock clock)
    {
        emptied_ms_ = clock();
    }

private:
    static constexpr uint64_t regret_ms = 1000;
    static constexpr int64_t low_share = 4;
    static constexpr int64_t worth_share = 512;
    static constexpr int64_t least_worth = 4 * kibibyte;
    static constexpr int64_t refills_to_forget = 8; // most of a peak from which memory has sunk for good

    int64_t high_ = 0;          // bytes held: the peak, and nearer to what is held with each refill
    uint64_t emptied_ms_ = 0;   // when bins were emptied last; 0: much has been held since
    uint64_t regretted_ms_ = 0; // when that was regretted last; 0: never
};

} // namespace fastalloc
