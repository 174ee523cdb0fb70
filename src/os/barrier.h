// SPDX-License-Identifier: MIT
//
// Barrier: an order between a thread that often stores one word and loads another, and one that rarely does the reverse.
//
//     often:   store A; light(); load B          rarely:   store B; heavy(); load A
//
// One of both sees the other's store. The light one is no instruction where the kernel has membarrier(2), private
// expedited: the heavy one then makes each running thread of the process execute a full barrier. Elsewhere both are full
// barriers.
#pragma once

#include "base/config.h"

#include <atomic>

namespace fastalloc::barrier
{

// Whether light() has to be a full barrier. Written by prepare(), before the first heavy().
extern std::atomic<bool> both_full;

// Asks the kernel for it. Before the first use of light(); any thread.
void prepare();

// All loads and stores before it come before all behind it. Not the standard's name: ThreadSanitizer would refuse it.
inline void full()
{
    __sync_synchronize();
}

// Stores before it are seen by who sees a store behind it; a pair of plain stores needs one. ThreadSanitizer has none.
inline void release()
{
    if constexpr (!thread_sanitizer)
        std::atomic_thread_fence(std::memory_order_release);
}

inline void light()
{
    if (both_full.load(std::memory_order_relaxed))
        full();
    else
        std::atomic_signal_fence(std::memory_order_seq_cst);
}

// Any thread, whatever it holds; keeps errno. Also for an order against stores and loads that have no light() between
// them, but one instruction at least: then only as far as the kernel has membarrier.
void heavy();

} // namespace fastalloc::barrier
