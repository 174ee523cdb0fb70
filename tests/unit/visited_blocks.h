// SPDX-License-Identifier: MIT
//
// visited_blocks.h - what the tests of the heap visit and of the leak report share: the blocks a visit finds, against a
// ledger. Include it before layers.h.
#pragma once

#include "watch/heap_visit.h"

#include <algorithm>
#include <vector>

#include "layers.h"

namespace fastalloc_test
{

inline std::vector<fastalloc_block> blocks_in(const HeapSnapshot &snapshot)
{
    std::vector<fastalloc_block> blocks;
    const int told = snapshot.visit([&](const fastalloc_block &block) {
        blocks.push_back(block);
        return 0;
    });
    require(told == 0);
    return blocks;
}

inline std::vector<fastalloc_block> visited()
{
    HeapSnapshot snapshot;
    require(take_snapshot(&snapshot) == SnapshotState::taken);
    require_sound(snapshot.broken());
    return blocks_in(snapshot);
}

inline std::vector<void *> sorted_addresses(const std::vector<fastalloc_block> &blocks)
{
    std::vector<void *> addresses;
    for (const fastalloc_block &block : blocks)
        addresses.push_back(block.address);
    std::sort(addresses.begin(), addresses.end());
    return addresses;
}

// A visit finds what is in the ledger, each once, and nothing else.
inline void require_visited(std::vector<void *> ledger, Place where = Place::caller())
{
    std::sort(ledger.begin(), ledger.end());
    require(sorted_addresses(visited()) == ledger, where);
}

} // namespace fastalloc_test
