// SPDX-License-Identifier: MIT
//
// Heap check: walks everything reachable from the root with every lock held, and names the first invariant that does
// not hold.
//
//     chunk maps and lists   every slice is free or in exactly one span   every span's list and counts
//     handed out = sum over spans and large blocks = node totals + arenas' differences
//
// Bins and outboxes of other running threads are private and not looked into. Any thread, but not a signal handler
// inside the allocator.
#pragma once

#include "base/text.h"

namespace fastalloc
{

enum class HeapState
{
    whole,
    broken, // `report` says what
    busy,   // this thread holds a lock: a signal handler inside the allocator
};

HeapState check_heap(Text *report);

} // namespace fastalloc
