// SPDX-License-Identifier: MIT
#include "watch/heap_snapshot.h"

#include "heap/chunk_space.h"
#include "heap/link.h"
#include "heap/node_heap.h"
#include "heap/outside.h"
#include "os/pages.h"

namespace fastalloc
{
namespace
{

size_t words_for(uint32_t blocks)
{
    return (blocks + 63) / 64;
}

// The blocks of a span that begins with this slice, 0 if none does.
uint32_t blocks_at(const Span *span)
{
    switch (span->kind.load(std::memory_order_relaxed))
    {
    case SpanKind::small:
    case SpanKind::medium:
        return span->capacity;
    case SpanKind::large:
        return 1;
    default:
        return 0;
    }
}

// Calls `each` with every span and every large block.
template <typename Each>
void for_each_span(Each each)
{
    for (unsigned number = 0; number < window.regions(); ++number)
    {
        const Region *const region = window.region(number);
        for (unsigned offset = 0; offset < slices_per_region;)
        {
            const Span *const span = span_at(number * slices_per_region + offset);
            if (region->chunks[offset / slices_per_chunk].state != ChunkState::open)
                offset += slices_per_chunk - offset % slices_per_chunk;
            else if (blocks_at(span) == 0)
                ++offset;
            else
            {
                each(span);
                offset += span->slices;
            }
        }
    }
}

} // namespace

HeapSnapshot::~HeapSnapshot()
{
    if (pieces_ != nullptr)
        pages::unmap(pieces_, bytes_);
}

bool HeapSnapshot::map(size_t pieces, size_t words, size_t slices)
{
    const size_t bytes = pieces * sizeof(Piece) + words * sizeof(uint64_t) + slices * sizeof(uint32_t);
    bytes_ = round_up(bytes != 0 ? bytes : 1, pages::page_bytes());
    pieces_ = static_cast<Piece *>(pages::map(bytes_, 1));
    if (pieces_ == nullptr)
        return false;
    next_word_ = reinterpret_cast<uint64_t *>(pieces_ + pieces);
    piece_plus_one_of_slice_ = reinterpret_cast<uint32_t *>(next_word_ + words);
    return true;
}

bool HeapSnapshot::take()
{
    size_t pieces = outside.blocks();
    size_t words = pieces;
    for_each_span([&](const Span *span) {
        ++pieces;
        words += words_for(blocks_at(span));
    });
    if (!map(pieces, words, size_t{window.regions()} * slices_per_region))
        return false;
    for_each_span([&](const Span *span) { add_span(span); });
    outside.for_each(
        [&](uintptr_t address, size_t bytes, Node place) { set(*add_piece(address, bytes, 1, no_class, place), 0); });
    return true;
}

HeapSnapshot::Piece *HeapSnapshot::add_piece(uintptr_t begin, size_t block_bytes, uint32_t blocks, SizeClass size_class,
                                             Node place)
{
    Piece *const piece = &pieces_[piece_count_++];
    *piece = {begin, block_bytes, next_word_, blocks, size_class, place};
    next_word_ += words_for(blocks);
    return piece;
}

void HeapSnapshot::add_span(const Span *span)
{
    const SliceIndex slice = slice_of(span);
    const SpanKind kind = span->kind.load(std::memory_order_relaxed);
    const bool large = kind == SpanKind::large;
    const size_t bytes = large ? size_t{span->slices} << slice_shift : class_bytes(span->size_class);
    const SizeClass size_class = large ? no_class : span->size_class;
    const Piece &piece = *add_piece(address_of(span), bytes, blocks_at(span), size_class, node_heap_of(slice).place());
    piece_plus_one_of_slice_[slice] = static_cast<uint32_t>(piece_count_);
    if (large)
        set(piece, 0);
    else if (kind == SpanKind::medium)
        enter_medium(span, piece);
    else
        enter_small(span, piece);
}

// Those that were ever handed out and have not come back: neither to the list nor to a page that was discarded.
void HeapSnapshot::enter_small(const Span *span, const Piece &piece)
{
    const SpanPages *const pages = span_pages_at(slice_of(span));
    const auto bytes = static_cast<uint32_t>(piece.block_bytes);
    uint32_t live = 0;
    for (uint32_t number = 0; number < piece.blocks; ++number)
    {
        const bool discarded = span->paged && pages->is_discarded(number * bytes, (number + 1) * bytes);
        if (!span->was_handed_out(number) || discarded)
            continue;
        set(piece, number);
        ++live;
    }
    const void *block = span->free_list;
    for (uint32_t count = listed_blocks(span); count != 0; --count)
    {
        const uintptr_t offset = reinterpret_cast<uintptr_t>(block) - piece.begin;
        const uint32_t number = offset < slice_bytes ? block_number(piece.size_class, offset) : piece.blocks;
        if (number >= piece.blocks || number * piece.block_bytes != offset || !clear(piece, number))
            return breaks("a span's list of free blocks leads elsewhere", block);
        --live;
        block = next_of(block);
    }
    if (live != span->handed_out)
        breaks("a span has lost count of its blocks", reinterpret_cast<void *>(piece.begin));
}

// All that are neither in the span nor in the bin of its owner.
void HeapSnapshot::enter_medium(const Span *span, const Piece &piece)
{
    const uint64_t free =
        span->free_blocks.load(std::memory_order_relaxed) | span->binned.load(std::memory_order_relaxed);
    piece.live[0] = mask_of<uint64_t>(0, piece.blocks) & ~free;
}

bool HeapSnapshot::take_out(const void *block)
{
    Span *const record = record_of(block);
    if (record == nullptr || record->owner.load() == nullptr || !block_begins(record, block))
        return false;
    const Span *const span = head_of(record);
    const uint32_t index = piece_plus_one_of_slice_[slice_of(span)];
    if (index == 0)
        return false;
    const Piece &piece = pieces_[index - 1];
    const uint32_t number = block_number(piece.size_class, reinterpret_cast<uintptr_t>(block) - piece.begin);
    if (is_small(piece.size_class) && !span->was_handed_out(number))
        return false;
    clear(piece, number);
    return true;
}

void HeapSnapshot::breaks(const char *what, const void *where)
{
    if (broken_ != nullptr)
        return;
    broken_ = what;
    where_broken_ = where;
}

void HeapSnapshot::set(const Piece &piece, uint32_t number)
{
    piece.live[number / 64] |= uint64_t{1} << (number % 64);
}

bool HeapSnapshot::clear(const Piece &piece, uint32_t number)
{
    const uint64_t bit = uint64_t{1} << (number % 64);
    const bool was_set = (piece.live[number / 64] & bit) != 0;
    piece.live[number / 64] &= ~bit;
    return was_set;
}

} // namespace fastalloc
