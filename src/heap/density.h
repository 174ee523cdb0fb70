// SPDX-License-Identifier: MIT
//
// Density: whether programs touch most of the blocks above a page that they ask for, as far as samples tell.
//
// A huge page is resident as a whole, so memory that is touched here and there must not ask for it. Of blocks of up to a
// page every page is touched once they are handed out; of larger ones nobody knows before. So the chunks for these begin
// with small pages, of which the system says how many are resident, and ask for huge ones while that was most of them;
// now and then one stays small, to see whether it still is so. A sample without any page says nothing: such memory is not
// in use yet. While small pages are right again and again, samples become rare, for to ask the system for one takes longer
// than all else that a block needs which is hardly touched.
//
// Pure arithmetic. Owner: a node heap; every function requires its lock.
#pragma once

#include "base/config.h"

namespace fastalloc
{

class Density
{
public:
    // For each chunk that could be a sample: whether it is to be one.
    bool wants_sample()
    {
        if (passed_over_ < pass_over_)
        {
            ++passed_over_;
            return false;
        }
        passed_over_ = 0;
        return true;
    }

    // A chunk that is full has so many resident pages of `of` in all.
    void sample(unsigned resident, unsigned of)
    {
        const auto share = static_cast<int>(whole * resident / of);
        if (resident != 0)
            share_ += (share - share_) / 4;
        if (is_high() || share >= least)
            pass_over_ = 0;
        else if (pass_over_ < pass_over_max)
            pass_over_ = 2 * pass_over_ + 1;
    }

    bool is_high() const
    {
        return share_ >= least;
    }

    // For each chunk that is opened while the density is high: whether it is to be a sample.
    bool is_probe()
    {
        return ++opened_ % chunks_per_probe == 0;
    }

private:
    static constexpr int whole = 1024;
    static constexpr int least = whole * 13 / 16; // classes waste up to an eighth of what is asked for
    static constexpr unsigned chunks_per_probe = 16;
    static constexpr unsigned pass_over_max = 31;

    int share_ = 0; // of `whole`, an average that follows
    unsigned opened_ = 0;
    unsigned pass_over_ = 0; // chunks between two samples
    unsigned passed_over_ = 0;
};

} // namespace fastalloc
