// SPDX-License-Identifier: MIT
#include "os/clock.h"

#include <ctime>

namespace fastalloc
{

uint64_t now_ms()
{
    timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return static_cast<uint64_t>(now.tv_sec) * 1000 + static_cast<uint64_t>(now.tv_nsec) / 1'000'000;
}

} // namespace fastalloc
