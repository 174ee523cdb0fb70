// SPDX-License-Identifier: MIT
//
// Countdown: the bytes that a thread may hand out before its next sample (watch/sampler.h).
//
// Owner: the thread; kept with its arena, which has it of the thread before until the sampler draws anew.
#pragma once

#include <cstdint>

namespace fastalloc
{

struct Countdown
{
    uint64_t left_bytes = 0;
    uint64_t said_for = 0; // the sampler's interval it was drawn for, 0: for none
};

} // namespace fastalloc
