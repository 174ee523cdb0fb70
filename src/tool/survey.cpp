// SPDX-License-Identifier: MIT
#include "tool/survey.h"

#include <algorithm>

namespace fastalloc::tool
{
namespace
{

constexpr size_t damage_max = 16; // sentences, beyond which nobody reads on

} // namespace

void Survey::note(const std::string &damage)
{
    if (figures_.damage.size() < damage_max)
        figures_.damage.push_back(damage);
}

uint64_t Survey::resident(uint64_t begin, uint64_t bytes)
{
    const std::optional<uint64_t> found = heap_.target.resident_bytes(begin, begin + bytes);
    figures_.has_resident = figures_.has_resident && found;
    return found.value_or(0);
}

void Survey::look_at_all()
{
    figures_.classes.assign(heap_.shapes.size() + 2, {});
    for (size_t index = 0; index < heap_.shapes.size(); ++index)
        figures_.classes[index].block_bytes = heap_.shapes[index].block_bytes;
    for (unsigned number = 0; number < heap_.regions() && figures_.damage.size() < damage_max; ++number)
    {
        try
        {
            look_at(heap_.region(number));
        }
        catch (const Damage &damage)
        {
            note(damage.what());
        }
    }
    look_at_resident();
}

// Asking for that takes longest: all else is read before, while as little as possible changes.
void Survey::look_at_resident()
{
    for (ChunkFigures &chunk : figures_.chunks)
    {
        if (!chunk.record.is_held())
            continue;
        const uint64_t bytes = resident(heap_.base + chunk.record.number * heap_.chunk_bytes(), heap_.chunk_bytes());
        PageFigures &row = figures_.pages[page_row_of(chunk.record)];
        ++row.chunks;
        row.used_bytes += chunk.used_bytes();
        row.resident_bytes += bytes;
        if (figures_.has_resident)
            chunk.resident_bytes = bytes;
        nodes[chunk.place].resident_bytes += bytes;
    }
    for (const uint64_t arena : arena_slices_)
        arena_resident_bytes += resident(heap_.address_of_slice(arena), heap_.slice_bytes());
}

void Survey::look_at(const RegionRecord &region)
{
    node_ = &nodes[region.place];
    place_ = region.place;
    covered_to_ = 0;
    for (const ChunkRecord &chunk : region.chunks)
        look_at_chunk(heap_.chunk_again(chunk));
}

void Survey::look_at_chunk(const ChunkRecord &chunk)
{
    if (chunk.state == ChunkState::unused || chunk.state == ChunkState::taken)
        return;
    ChunkFigures found = {};
    found.record = chunk;
    found.place = place_;
    found.node = heap_.node_of(place_);
    const uint64_t bytes = heap_.chunk_bytes();
    if (chunk.state == ChunkState::open)
        look_at_spans(chunk, &found);
    else if (chunk.state == ChunkState::free && chunk.written != 0)
        node_->slack_bytes += bytes;
    else if (chunk.state == ChunkState::free || chunk.state == ChunkState::leaving)
        node_->unbacked_bytes += bytes;
    else
        throw Damage("chunk " + std::to_string(chunk.number) + " is in a state there is not");
    heap_.target.effort().keep(sizeof found);
    figures_.chunks.push_back(found);
}

// A large block may have begun in a chunk before. Only the records of heads are read, for they have been written: to walk
// over all others might give the process pages for them.
void Survey::look_at_spans(const ChunkRecord &chunk, ChunkFigures *found)
{
    const uint64_t first = chunk.number * heap_.slices_per_chunk();
    const uint64_t end = first + heap_.slices_per_chunk();
    const uint64_t begin = std::min(std::max(covered_to_, first), end);
    const auto is_free = [&](uint64_t slice) { return (chunk.free >> (slice - first) & 1) != 0; };
    found->handed_out_bytes += (begin - first) * heap_.slice_bytes();
    found->large_bytes += (begin - first) * heap_.slice_bytes();
    for (uint64_t slice = first; slice < end; ++slice)
        node_->free_slice_bytes += is_free(slice) ? heap_.slice_bytes() : 0;
    for (uint64_t slice = begin; slice < end;)
        if (is_free(slice))
            ++slice;
        else
        {
            slice += look_at_head(heap_.record(slice), found);
            covered_to_ = slice;
        }
}

// Returns the slices that it covers.
uint32_t Survey::look_at_head(const SpanRecord &span, ChunkFigures *found)
{
    const uint32_t per_region = 1u << (heap_.layout.region_shift - heap_.layout.slice_shift);
    const uint32_t slices = std::clamp(span.slices, 1u, per_region);
    switch (span.kind)
    {
    case SpanKind::small:
    case SpanKind::medium:
        if (heap_.fault_of(span) == nullptr)
        {
            look_at_blocks(span, found);
            return slices;
        }
        break;
    case SpanKind::large:
    {
        const uint64_t bytes = slices * heap_.slice_bytes();
        const uint64_t behind = (span.slice / heap_.slices_per_chunk() + 1) * heap_.slices_per_chunk();
        const uint64_t here = std::min<uint64_t>(behind - span.slice, slices) * heap_.slice_bytes();
        fastalloc_class_stats &row = figures_.classes[heap_.shapes.size()];
        ++row.live_blocks;
        row.live_bytes += bytes;
        found->handed_out_bytes += here;
        found->large_bytes += here;
        return slices;
    }
    case SpanKind::metadata:
        node_->arena_bytes += heap_.slice_bytes();
        found->metadata_bytes += heap_.slice_bytes();
        heap_.target.effort().keep(sizeof span.slice);
        arena_slices_.push_back(span.slice);
        return 1;
    case SpanKind::lost:
        node_->lost_bytes += slices * heap_.slice_bytes();
        return slices;
    default:
        break;
    }
    // On its way into a span or back, or damaged.
    if (!heap_.target.is_running())
        note("the record of the slice at " + hexadecimal(heap_.address_of_slice(span.slice)) + " makes no sense");
    node_->lost_bytes += heap_.slice_bytes();
    return 1;
}

void Survey::look_at_blocks(const SpanRecord &span, ChunkFigures *found)
{
    const Layout::Shape &shape = heap_.shapes[span.size_class];
    fastalloc_class_stats &row = figures_.classes[span.size_class];
    const uint64_t free = span.capacity - span.handed_out;
    const uint64_t pinned = pinned_in(span);
    const uint64_t bytes = shape.slices * heap_.slice_bytes();
    const uint64_t tail = bytes - uint64_t{shape.capacity} * shape.block_bytes;
    ++row.spans;
    row.live_blocks += span.handed_out;
    row.free_bytes += free * shape.block_bytes;
    row.pinned_bytes += pinned;
    row.tail_bytes += tail;
    row.span_bytes += bytes;
    node_->pinned_bytes += pinned;
    node_->free_in_spans_bytes += free * shape.block_bytes;
    node_->tail_bytes += tail;
    found->handed_out_bytes += uint64_t{span.handed_out} * shape.block_bytes;
    found->free_in_spans_bytes += free * shape.block_bytes;
}

// Free blocks of a span whose pages are resident and stay so, because blocks in use touch them.
uint64_t Survey::pinned_in(const SpanRecord &span)
{
    uint64_t free;
    if (span.kind == SpanKind::medium)
        free = static_cast<uint64_t>(__builtin_popcountll(span.free_blocks & ~heap_.absent_blocks(span.slice)));
    else
    {
        const uint32_t come_back = span.fresh > span.handed_out ? span.fresh - span.handed_out : 0;
        const uint32_t unlisted = span.paged ? heap_.unlisted_blocks(span, heap_.discarded_pages(span.slice)) : 0;
        free = come_back > unlisted ? come_back - unlisted : 0;
    }
    const uint64_t bytes = free * heap_.shapes[span.size_class].block_bytes;
    const uint64_t idle = uint64_t{span.reckoned} << heap_.layout.page_shift;
    return bytes > idle ? bytes - idle : 0;
}

} // namespace fastalloc::tool
