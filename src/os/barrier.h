// SPDX-License-Identifier: MIT
//
// A memory barrier in every other thread of the process that runs, by membarrier(2). For whoever has written to words
// that other threads read without a lock and must know that all see it: a thread may still be in the middle of the one
// operation it had begun with the old value, but not of a second one.
//
// Any thread, any lock held; keeps errno.
#pragma once

namespace fastalloc
{

// Where the kernel refuses, nothing happens.
void barrier_in_all_threads();

} // namespace fastalloc
