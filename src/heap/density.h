// SPDX-License-Identifier: MIT
//
// Density: whether programs touch most of the blocks above a page that they ask for, as far as samples tell.
//
// A huge page is resident as a whole, so memory that is touched here and there must not ask for it. Of blocks of up to a
// page every page is touched once they are handed out; of larger ones nobody knows before. So the chunks for these begin
// with small pages, of which the system says how many are resident, and ask for huge ones while that was most of them;
// now and then one stays small, to see whether it still is so. A sample without any page says nothing: such memory is not
// in use yet.
//
// Pure arithmetic. Owner: a node heap; every function requires its lock.
#pragma once

#include "base/config.h"

namespace fastalloc
{

class Density
{
public:
    // A chunk that is full has so many resident pages of `of` in all.
    void sample(unsigned resident, unsigned of)
    {
        if (resident != 0)
            share_ += (static_cast<int>(whole * resident / of) - share_) / 4;
    }

    bool is_high() const
    {
        return share_ >= static_cast<int>(least);
    }

    // For each chunk that is opened while the density is high: whether it is to be a sample.
    bool is_probe()
    {
        return ++opened_ % chunks_per_probe == 0;
    }

private:
    static constexpr unsigned whole = 1024;
    static constexpr unsigned least = whole * 13 / 16; // classes waste up to an eighth of what is asked for
    static constexpr unsigned chunks_per_probe = 16;

    int share_ = 0; // of `whole`, an average that follows
    unsigned opened_ = 0;
};

} // namespace fastalloc
