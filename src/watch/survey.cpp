// SPDX-License-Identifier: MIT
#include "watch/survey.h"

#include "os/pages.h"

namespace fastalloc
{
namespace
{

uint64_t resident(uintptr_t address, size_t bytes)
{
    return pages::resident_pages(address, bytes) * pages::page_bytes();
}

// Free blocks of a span whose pages are resident and stay so, because blocks in use touch them.
uint64_t pinned_in(const Span *span, SizeClass size_class)
{
    uint64_t free;
    if (is_small(size_class))
        free = listed_blocks(span, size_class);
    else
        free = static_cast<uint64_t>(__builtin_popcountll(span->free_blocks.load(std::memory_order_relaxed) &
                                                          ~span_pages_at(slice_of(span))->absent()));
    const uint64_t bytes = free * class_bytes(size_class);
    const uint64_t idle = span->reckoned * small_page_bytes;
    return bytes > idle ? bytes - idle : 0;
}

} // namespace

Survey::Survey(Node of_place)
{
    for (unsigned number = 0; number < window.regions(); ++number)
        if (of_place == every_place || window.region(number)->place == of_place)
            look_at(window.region(number));
}

void Survey::look_at(const Region *region)
{
    for (unsigned position = 0; position < chunks_per_region; ++position)
        look_at_chunk(region->chunks[position], region->number * chunks_per_region + position);
    for (unsigned offset = 0; offset < slices_per_region;)
    {
        const Chunk &chunk = region->chunks[offset / slices_per_chunk];
        const bool is_free = chunk.free >> (offset % slices_per_chunk) & 1;
        if (chunk.state != ChunkState::open)
            offset += slices_per_chunk - offset % slices_per_chunk;
        else if (is_free)
        {
            free_slice_bytes += slice_bytes;
            ++offset;
        }
        else
            offset += look_at_slice(region->number * slices_per_region + offset);
    }
}

void Survey::look_at_chunk(const Chunk &chunk, ChunkIndex index)
{
    if (chunk.state == ChunkState::unused || chunk.state == ChunkState::taken)
        return;
    if (chunk.state == ChunkState::free && chunk.written != 0)
        slack_bytes += chunk_bytes;
    else if (chunk.state != ChunkState::open)
        unbacked_bytes += chunk_bytes;
    if (chunk.state != ChunkState::free || chunk.written != 0)
        resident_bytes += resident(address_of_chunk(index), chunk_bytes);
}

// Returns the slices that it covers.
unsigned Survey::look_at_slice(SliceIndex slice)
{
    const Span *const span = span_at(slice);
    const unsigned slices = span->slices != 0 ? span->slices : 1;
    switch (span->kind.load(std::memory_order_relaxed))
    {
    case SpanKind::small:
    case SpanKind::medium:
        if (const SizeClass size_class = __atomic_load_n(&span->size_class, __ATOMIC_RELAXED); size_class < class_count)
        {
            look_at_span(span, size_class);
            return shape_of(size_class).slices;
        }
        break;
    case SpanKind::large:
        ++large_blocks;
        large_bytes += slices * slice_bytes;
        return slices;
    case SpanKind::metadata:
        arena_bytes += slice_bytes;
        arena_resident_bytes += resident(address_of_slice(slice), slice_bytes);
        return 1;
    case SpanKind::lost:
        lost_bytes += slices * slice_bytes;
        return slices;
    case SpanKind::free:
    case SpanKind::part:
        break;
    }
    lost_bytes += slice_bytes; // only where something moves: on its way into a span, or back
    return 1;
}

void Survey::look_at_span(const Span *span, SizeClass size_class)
{
    Class &figures = classes[size_class];
    const uint64_t free = span->capacity > span->handed_out ? span->capacity - span->handed_out : 0u;
    const uint64_t pinned = pinned_in(span, size_class);
    ++figures.spans;
    figures.handed_out += span->handed_out;
    figures.free += free;
    figures.pinned_bytes += pinned;
    pinned_bytes += pinned;
    free_in_spans_bytes += free * class_bytes(size_class);
    tail_bytes += tail_of(size_class);
}

} // namespace fastalloc
