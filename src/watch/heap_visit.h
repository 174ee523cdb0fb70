// SPDX-License-Identifier: MIT
//
// Heap visit: a snapshot of all live blocks. Every other thread is stopped for it (Registry::stop_all) and goes on, with
// bins emptied, before the snapshot is read.
//
//     live = handed out by spans, less the blocks in bins, outboxes and inboxes
//
// A thread may be in the middle of the one operation it had begun: the block of that may count as live or as free. All
// others are what they are. Each link is held against its span before it is followed, and a circle is seen, so a heap
// that a program has written to ends a walk, not the process; the rest of that list then counts as live.
//
// Any thread, but not a signal handler inside the allocator.
#pragma once

#include "watch/heap_snapshot.h"

namespace fastalloc
{

enum class SnapshotState
{
    taken,  // with broken() if a list of free blocks was
    busy,   // this thread holds a lock: a signal handler inside the allocator
    failed, // there is no memory
};

// Requires: `snapshot` is a new one.
SnapshotState take_snapshot(HeapSnapshot *snapshot);

} // namespace fastalloc
