// SPDX-License-Identifier: MIT
#include "watch/heap_check.h"

#include "arena/registry.h"
#include "heap/outside.h"

namespace fastalloc
{
namespace
{

// What a walk has found so far.
struct Walk
{
    const char *broken = nullptr;
    uintptr_t where = 0;
    uint64_t handed_out = 0;
};

constexpr unsigned blocks_max = slice_bytes / 8;

const char *check_free_list(const Span *span)
{
    uint64_t seen[blocks_max / 64] = {};
    const size_t bytes = class_bytes(span->size_class);
    const void *block = span->free_list;
    for (uint32_t count = span->free_list_length(); count != 0; --count)
    {
        const uintptr_t offset = reinterpret_cast<uintptr_t>(block) - address_of(span);
        const uintptr_t number = offset / bytes;
        const uintptr_t age = number >= span->start ? number - span->start : number + span->capacity - span->start;
        if (number >= span->capacity || number * bytes != offset || age >= span->fresh)
            return "a span's list of free blocks leads elsewhere";
        if (seen[number / 64] >> (number % 64) & 1)
            return "a block is in its span's list of free blocks twice";
        seen[number / 64] |= uint64_t{1} << (number % 64);
        block = next_of(block);
    }
    return nullptr;
}

const char *check_owned_span(const Span *span)
{
    const ClassShape &shape = shape_of(span->size_class);
    const bool small = span->kind.load(std::memory_order_relaxed) == SpanKind::small;
    const Arena *owner = span->owner.load();
    const auto owner_address = reinterpret_cast<uintptr_t>(owner);
    if (!in_window(owner_address) || span_of(owner_address)->kind.load(std::memory_order_relaxed) != SpanKind::metadata)
        return "a span's owner is no arena";
    if (small != is_small(span->size_class) || span->capacity != shape.capacity || span->slices != shape.slices)
        return "a span's shape is not its class's";
    if (span->handed_out == 0 || span->handed_out > span->fresh || span->fresh > span->capacity)
        return "a span has lost count of its blocks";
    if (span->listed != span->has_room())
        return "a span with room is not listed, or a full one is";
    for (unsigned offset = 1; offset < span->slices; ++offset)
    {
        const Span *part = span_at(slice_of(span) + offset);
        if (part->owner.load() != owner || part->back != offset ||
            part->kind.load(std::memory_order_relaxed) != SpanKind::part)
            return "a part of a span does not belong to it";
    }
    if (small)
        return check_free_list(span);
    const uint64_t free = span->free_blocks.load(std::memory_order_relaxed);
    if (static_cast<unsigned>(__builtin_popcountll(free)) + span->handed_out != span->capacity)
        return "a medium span has lost count of its blocks";
    return nullptr;
}

// One slice that is not free, or the span that begins there. Returns the slices it covers.
unsigned check_slice(SliceIndex slice, Walk *walk)
{
    const Span *span = span_at(slice);
    walk->where = address_of_slice(slice);
    switch (span->kind.load(std::memory_order_relaxed))
    {
    case SpanKind::small:
    case SpanKind::medium:
        walk->broken = check_owned_span(span);
        walk->handed_out += span->handed_out * class_bytes(span->size_class);
        return span->slices;
    case SpanKind::large:
        walk->handed_out += size_t{span->slices} << slice_shift;
        return span->slices;
    case SpanKind::metadata:
        return 1;
    case SpanKind::lost:
        return span->slices;
    case SpanKind::part:
        walk->broken = "a part of a span lies behind none";
        return 1;
    case SpanKind::free:
        break;
    }
    walk->broken = "a slice is neither free nor in a span";
    return 1;
}

void check_region(const Region *region, Walk *walk)
{
    const SliceIndex begin = region->number * slices_per_region;
    for (unsigned offset = 0; offset < slices_per_region && walk->broken == nullptr;)
    {
        const Chunk &chunk = region->chunks[offset / slices_per_chunk];
        const SliceIndex slice = begin + offset;
        const bool free = chunk.free >> (offset % slices_per_chunk) & 1;
        if (chunk.state != ChunkState::open)
            offset += slices_per_chunk - offset % slices_per_chunk;
        else if (!free)
            offset += check_slice(slice, walk);
        else
        {
            ++offset;
            walk->where = address_of_slice(slice);
            if (span_at(slice)->kind.load(std::memory_order_relaxed) != SpanKind::free ||
                span_at(slice)->owner.load() != nullptr)
                walk->broken = "a free slice has an owner";
        }
    }
}

void check_everything(Walk *walk)
{
    int64_t counted = 0;
    for_each_node_heap([&](const NodeHeap &heap) {
        if (walk->broken == nullptr)
            walk->broken = heap.verify();
        counted += static_cast<int64_t>(heap.handed_out.load(std::memory_order_relaxed));
    });
    for (unsigned number = 0; number < window.regions() && walk->broken == nullptr; ++number)
        check_region(window.region(number), walk);
    for (Arena *arena = registry.first(); arena != nullptr && walk->broken == nullptr;
         arena = arena->next_arena.load(std::memory_order_acquire))
    {
        walk->where = reinterpret_cast<uintptr_t>(arena);
        walk->broken = arena->verify();
        const bool quiet = arena->words == nullptr && !arena->abandoned;
        if (walk->broken == nullptr && (quiet || arena == thread_words.self))
            walk->broken = arena->verify_bins();
        counted += arena->figures().handed_out_pending;
    }
    if (walk->broken == nullptr)
        walk->broken = outside.verify();
    if (walk->broken == nullptr && counted != static_cast<int64_t>(walk->handed_out))
    {
        walk->where = 0;
        walk->broken = "bytes handed out do not add up";
    }
}

} // namespace

HeapState check_heap(Text *report)
{
    Walk walk;
    if (!registry.lock_all())
        return HeapState::busy;
    check_everything(&walk);
    registry.unlock_all();
    if (walk.broken == nullptr)
        return HeapState::whole;
    report->text(walk.broken);
    if (walk.where != 0)
        report->text(", at ").hexadecimal(walk.where);
    return HeapState::broken;
}

} // namespace fastalloc
