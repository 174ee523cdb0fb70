// SPDX-License-Identifier: MIT
//
// Secrets of this process: numbers derived from the 16 random bytes the kernel hands to every program
// (AT_RANDOM), so no system call and no state. Two purposes never get the same number. The child of a
// fork has its parent's. Any thread.
#pragma once

#include <cstdint>

namespace fastalloc
{

enum class Purpose : uint64_t
{
    window_base = 1,
    links = 2,
    samples = 3,
};

uint64_t process_secret(Purpose purpose);

// Every bit of the result depends on every bit of the value, which the result gives away.
uint64_t mix(uint64_t value);

} // namespace fastalloc
