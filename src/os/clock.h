// SPDX-License-Identifier: MIT
//
// Time for decay: milliseconds of the monotonic clock in its coarse form (a read of a shared page, no
// system call; steps of 1 to 10 ms). Any thread, never fails, keeps errno.
#pragma once

#include <cstdint>

namespace fastalloc
{

uint64_t now_ms();

} // namespace fastalloc
