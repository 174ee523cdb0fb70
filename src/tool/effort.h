// SPDX-License-Identifier: MIT
//
// Effort: what one look at a target may cost, in bytes read and in memory of the command's own.
//
// A target says itself how much there is to read, and may say nonsense: tables without end, or a million that all lie on
// one page. Whoever reads, walks or keeps tells it here, and what is too much for any real heap ends the look.
//
// One thread.
#pragma once

#include "tool/command.h"

#include <cstdint>

namespace fastalloc::tool
{

class Effort
{
public:
    // In bytes: a reading costs as much as a page more, a step of a walk over what was read before as little as a few
    // words.
    static constexpr uint64_t of_reading = 4096;
    static constexpr uint64_t of_step = 256;

    void begin()
    {
        spent_ = 0;
        kept_ = 0;
    }

    void spend(uint64_t bytes)
    {
        add(&spent_, bytes, spent_max);
    }

    void keep(uint64_t bytes)
    {
        add(&kept_, bytes, kept_max);
    }

private:
    // Heaps of 2 TiB take about half of each; all of it takes less than a minute.
    static constexpr uint64_t spent_max = uint64_t{1} << 36;
    static constexpr uint64_t kept_max = uint64_t{1} << 28;

    static void add(uint64_t *sum, uint64_t bytes, uint64_t most)
    {
        if (bytes > most - *sum)
            throw Failure("there is more to read than any heap has: the memory that is looked at is damaged");
        *sum += bytes;
    }

    uint64_t spent_ = 0;
    uint64_t kept_ = 0;
};

} // namespace fastalloc::tool
