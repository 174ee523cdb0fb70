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
    uint64_t idle = 0; // bytes of pages in spans
};

constexpr unsigned blocks_max = slice_bytes / 8;

// What is said of a small span's pages against what is counted there: blocks that have come back, by page.
const char *check_pages(const Span *span, const uint16_t *free_blocks)
{
    const SpanPages *pages = span_pages_at(slice_of(span));
    if ((pages->idle() & pages->discarded()) != 0)
        return "a page is idle and discarded";
    if (!span->paged && (pages->idle() | pages->discarded()) != 0)
        return "a span has idle pages and does not know";
    for (unsigned page = 0; page < pages_per_slice; ++page)
    {
        const uint32_t all = blocks_on_page(span->size_class, page);
        if (pages->free_blocks(page) != free_blocks[page])
            return "a page of a span has lost count of its free blocks";
        if (pages->discarded() >> page & 1 && free_blocks[page] != all)
            return "a page was discarded of which a block is in use";
        if (pages->idle() >> page & 1 && free_blocks[page] != 0 && free_blocks[page] != all)
            return "a page is idle of which a block is in use";
    }
    return nullptr;
}

const char *check_free_list(const Span *span)
{
    uint64_t seen[blocks_max / 64] = {};
    uint16_t free_blocks[pages_per_slice] = {};
    const SpanPages *pages = span_pages_at(slice_of(span));
    const size_t bytes = class_bytes(span->size_class);
    const auto count_on_pages = [&](uint32_t begin) {
        const auto last = static_cast<uint32_t>((begin + bytes - 1) / small_page_bytes);
        for (auto page = static_cast<uint32_t>(begin / small_page_bytes); page <= last; ++page)
            ++free_blocks[page];
    };
    for (uint32_t number = 0; number < span->capacity; ++number)
    {
        const auto begin = static_cast<uint32_t>(number * bytes);
        if (pages->is_discarded(begin, begin + static_cast<uint32_t>(bytes)))
            count_on_pages(begin);
    }
    const void *block = span->free_list;
    uint32_t uncounted = span->uncounted; // they come first
    for (uint32_t count = listed_blocks(span); count != 0; --count)
    {
        const uintptr_t offset = reinterpret_cast<uintptr_t>(block) - address_of(span);
        const uintptr_t number = offset / bytes;
        if (number >= span->capacity || number * bytes != offset ||
            !span->was_handed_out(static_cast<uint32_t>(number)))
            return "a span's list of free blocks leads elsewhere";
        if (seen[number / 64] >> (number % 64) & 1)
            return "a block is in its span's list of free blocks twice";
        if (pages->is_discarded(static_cast<uint32_t>(offset), static_cast<uint32_t>(offset + bytes)))
            return "a block on a discarded page is in its span's list";
        seen[number / 64] |= uint64_t{1} << (number % 64);
        if (uncounted != 0)
            --uncounted;
        else
            count_on_pages(static_cast<uint32_t>(offset));
        block = next_of(block);
    }
    if (uncounted != 0)
        return "more blocks of a span are uncounted than are in its list";
    return check_pages(span, free_blocks);
}

const char *check_owned_span(const Span *span)
{
    const ClassShape &shape = shape_of(span->size_class);
    const bool small = span->kind.load(std::memory_order_relaxed) == SpanKind::small;
    const Arena *owner = span->owner.load();
    const auto owner_address = reinterpret_cast<uintptr_t>(owner);
    if (!in_window(owner_address) || span_of(owner_address)->kind.load(std::memory_order_relaxed) != SpanKind::metadata)
        return "a span's owner is no arena";
    if (owner->place != node_heap_of(slice_of(span)).place())
        return "a span lies on another node than its owner's";
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
        walk->idle += span->reckoned * small_page_bytes;
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
    int64_t idle = 0;
    for_each_node_heap([&](const NodeHeap &heap) {
        if (walk->broken == nullptr)
            walk->broken = heap.verify();
        counted += static_cast<int64_t>(heap.handed_out.load(std::memory_order_relaxed));
        idle += heap.idle_in_spans();
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
        idle += arena->figures().idle_pending;
    }
    if (walk->broken == nullptr)
        walk->broken = outside.verify();
    if (walk->broken == nullptr && counted != static_cast<int64_t>(walk->handed_out))
    {
        walk->where = 0;
        walk->broken = "bytes handed out do not add up";
    }
    if (walk->broken == nullptr && idle != static_cast<int64_t>(walk->idle))
    {
        walk->where = 0;
        walk->broken = "idle pages of spans do not add up";
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
