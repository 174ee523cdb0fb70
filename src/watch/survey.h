// SPDX-License-Identifier: MIT
//
// Survey: a walk over all committed memory of the window, or that of one place, which says what each byte of it is for.
//
//     committed chunks = blocks handed out + free in spans + tails + large blocks + arenas + lost    in slices in use
//                      + free slices + slack + unbacked
//
// Blocks in a thread's bin or a box count as handed out here, as they do in their spans.
//
// Requires that everything stands still, for the sums to hold. Without that it still reads nothing that is not mapped,
// and ends: for a signal handler that interrupted the allocator.
#pragma once

#include "base/size_class.h"
#include "heap/node_heap.h"

namespace fastalloc
{

// In place of a place: all of them.
constexpr Node every_place = place_limit;

struct Survey
{
    // What spans of one class hold.
    struct Class
    {
        uint64_t spans;
        uint64_t handed_out; // blocks
        uint64_t free;       // blocks
        uint64_t pinned_bytes;
    };

    explicit Survey(Node of_place);

    Class classes[class_count] = {};
    uint64_t large_blocks = 0;
    uint64_t large_bytes = 0;
    uint64_t free_in_spans_bytes = 0;
    uint64_t pinned_bytes = 0;
    uint64_t tail_bytes = 0;
    uint64_t free_slice_bytes = 0;
    uint64_t slack_bytes = 0;
    uint64_t unbacked_bytes = 0; // with chunks whose memory is on its way back
    uint64_t lost_bytes = 0;
    uint64_t arena_bytes = 0;
    uint64_t arena_resident_bytes = 0;
    uint64_t resident_bytes = 0; // of all chunks

private:
    void look_at(const Region *region);
    void look_at_chunk(const Chunk &chunk, ChunkIndex index);
    unsigned look_at_slice(SliceIndex slice);
    void look_at_span(const Span *span, SizeClass size_class);
};

// Bytes behind the last block of a span.
constexpr uint64_t tail_of(SizeClass size_class)
{
    const ClassShape &shape = shape_of(size_class);
    return shape.slices * slice_bytes - uint64_t{shape.capacity} * shape.bytes;
}

} // namespace fastalloc
