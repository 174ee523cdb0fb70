// SPDX-License-Identifier: MIT
//
// Figures: where the memory of a target is, under the names and with the meanings of the library's own statistics
// (fastalloc.h), and chunk by chunk.
//
// A running process changes while it is read. The figures are gathered again when a lock of its allocator was taken
// meanwhile; if that happens once more they stay as they are and `changed` says so. What a thread's own bins hold changes
// without a lock: by one operation at most of each thread the figures are off anyway. What makes no sense is left out and
// named.
#pragma once

#include "fastalloc.h"
#include "tool/heap.h"

#include <set>
#include <string>
#include <vector>

namespace fastalloc::tool
{

struct NodeFigures
{
    int64_t node;
    fastalloc_node_stats stats;
};

// One chunk that is committed: what its bytes are for.
struct ChunkFigures
{
    ChunkRecord record;
    unsigned place;
    int64_t node;              // of that
    uint64_t handed_out_bytes; // in blocks, with those that wait in bins and boxes
    uint64_t large_bytes;      // of these
    uint64_t free_in_spans_bytes;
    uint64_t metadata_bytes;
    std::optional<uint64_t> resident_bytes;

    uint64_t used_bytes() const
    {
        return handed_out_bytes + metadata_bytes;
    }
};

// Chunks that use the same pages.
struct PageFigures
{
    uint64_t chunks;     // that hold memory, or may
    uint64_t used_bytes; // in blocks, with those that wait in bins and boxes, and arenas
    uint64_t resident_bytes;
};

struct Figures
{
    fastalloc_stats totals = {};
    std::vector<NodeFigures> nodes;
    std::vector<fastalloc_class_stats> classes; // with the rows of large and of outside blocks
    std::vector<fastalloc_arena_stats> arenas;
    PageFigures pages[page_rows] = {};
    std::vector<ChunkFigures> chunks;
    std::optional<uint64_t> huge_page_bytes; // of the window, on huge pages now
    std::set<std::string> unknown;           // members of the structures that could not be had
    bool has_resident = true;
    bool changed = false;
    std::vector<std::string> damage; // a sentence each
};

// Requires: the heap has a window.
Figures gather_figures(Heap &heap);

} // namespace fastalloc::tool
