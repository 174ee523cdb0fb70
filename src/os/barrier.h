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

#include <atomic>

namespace fastalloc::barrier
{

// Whether light() has to be a full barrier. Written by prepare(), before the first heavy().
extern std::atomic<bool> both_full;

// Asks the kernel for it. Before the first use of either; any thread, again in the child of a fork.
void prepare();

inline void light()
{
    if (both_full.load(std::memory_order_relaxed))
        std::atomic_thread_fence(std::memory_order_seq_cst);
    else
        std::atomic_signal_fence(std::memory_order_seq_cst);
}

void heavy();

} // namespace fastalloc::barrier
