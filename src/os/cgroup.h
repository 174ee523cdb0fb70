// SPDX-License-Identifier: MIT
//
// What memory the control group of the process may have (cgroups, version 2): the lowest of memory.max and memory.high of
// its group and of all groups above it, as the system shows them under /sys/fs/cgroup. Keeps errno; no state. Any thread;
// opens files, so it takes microseconds.
#pragma once

#include <cstdint>

namespace fastalloc::cgroup
{

constexpr uint64_t unlimited = UINT64_MAX;

// unlimited also where nothing can be read: no control group, version 1, a refused call.
uint64_t memory_limit();

// For tests: what to read in place of /proc/self/cgroup and /sys/fs/cgroup. Null for the real ones.
void set_places_for_tests(const char *membership, const char *mount);

} // namespace fastalloc::cgroup
