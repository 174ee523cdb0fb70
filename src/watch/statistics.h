// SPDX-License-Identifier: MIT
//
// Statistics: figures gathered from every arena and node heap, under their locks, one after the other. Nothing is
// counted on the fast path: what bins hold is their limit less their room. Any thread, but not a signal handler inside
// the allocator.
#pragma once

#include "fastalloc.h"
#include "os/topology.h"

namespace fastalloc
{

// False where this thread holds a lock already.
bool gather_statistics(fastalloc_stats *stats);

// Of one place. The same.
bool gather_node_statistics(Node place, fastalloc_node_stats *stats);

} // namespace fastalloc
