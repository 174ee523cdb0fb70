// SPDX-License-Identifier: MIT
//
// Survey: the walk over a target's chunks and spans that says what each byte of committed memory is for: what
// watch/survey.h does inside a process, from outside.
//
// Blocks in a bin or box count as handed out here, as they do in their spans. Of a process that goes on sums hold as far as
// it stood still.
#pragma once

#include "tool/figures.h"

#include <map>

namespace fastalloc::tool
{

class Survey
{
public:
    Survey(Heap &heap, Figures *figures) : heap_(heap), figures_(*figures)
    {
    }

    // Adds to totals, nodes (whose rows it makes by place), classes, chunks and pages.
    void look_at_all();

    // What makes no sense, once it is worth saying.
    void note(const std::string &damage);

    std::map<unsigned, fastalloc_node_stats> nodes; // by place
    uint64_t arena_resident_bytes = 0;

private:
    void look_at(const RegionRecord &region);
    void look_at_resident();
    void look_at_chunk(const ChunkRecord &chunk);
    void look_at_spans(const ChunkRecord &chunk, ChunkFigures *found);
    uint32_t look_at_head(const SpanRecord &span, ChunkFigures *found);
    void look_at_blocks(const SpanRecord &span, ChunkFigures *found);
    uint64_t pinned_in(const SpanRecord &span);
    uint64_t resident(uint64_t begin, uint64_t bytes);

    Heap &heap_;
    Figures &figures_;
    fastalloc_node_stats *node_ = nullptr; // of the region that is looked at
    unsigned place_ = 0;
    std::vector<uint64_t> arena_slices_;
    uint64_t covered_to_ = 0; // slices below belong to a span that was met already
};

} // namespace fastalloc::tool
