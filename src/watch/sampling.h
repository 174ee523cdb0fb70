// SPDX-License-Identifier: MIT
//
// Sampling by bytes, as arithmetic without side effects: samples lie on the bytes that are handed out like the clicks of
// a Geiger counter, one in `interval` bytes on average and each independent of all others (a Poisson process). A block is
// sampled if one lies on it:
//
//     probability = 1 - e^(-bytes / interval)         it stands for bytes / probability bytes
//
// so the sum of what samples stand for is on average the sum of all bytes, whatever the sizes are.
#pragma once

#include <cstdint>

namespace fastalloc::sampling
{

// Whether a block of `bytes` is sampled, from 0 to 1. Requires: interval > 0.
double probability(uint64_t bytes, uint64_t interval);

// What a sampled block stands for, in bytes.
uint64_t stands_for(uint64_t bytes, uint64_t interval);

// How many whole bytes pass before the next sample, drawn by 64 random bits.
uint64_t bytes_to_next(uint64_t interval, uint64_t random);

// From 0 to below 1.
double fraction(uint64_t random);

} // namespace fastalloc::sampling
