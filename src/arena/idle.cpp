// SPDX-License-Identifier: MIT
//
// Idle pages: pages of spans in use that no block in use touches. As blocks come and go each arena reckons how many there
// may be at most. Where that would be too much on the node, together with free chunks and slices, the blocks are counted
// (SpanPages); what is still too much goes back to the system, span by span, longest idle first.
//
// A small span's list is rebuilt without the blocks on such pages; when its list is empty the lowest of these pages is
// threaded again. A medium span has bits instead of a list, and no link lies on its pages. All but give_back requires
// the arena's lock.
#include "arena/arena.h"

#include "arena/arena_guard.h"
#include "arena/misuse.h"
#include "arena/registry.h"

namespace fastalloc
{
namespace
{

// An arena's difference that goes to the node's total.
constexpr int64_t idle_step = 16 * small_page_bytes;

// Of any span, to fit Span::reckoned.
static_assert([] {
    for (const ClassShape &shape : detail::shapes)
        if (uint64_t{shape.capacity} * shape.bytes / small_page_bytes > UINT8_MAX)
            return false;
    return true;
}());

uint32_t count_pages(PageMask mask)
{
    return mask == 0 ? 0 : static_cast<uint32_t>(__builtin_popcount(mask));
}

// Pages of a small span that may be idle: those that are, and where blocks are uncounted as many more as these can touch
// and as all that have come back can fill, with a last page that blocks cover in part.
uint32_t reckon_small(const Span *span)
{
    const uint32_t idle = span->paged ? count_pages(span_pages_at(slice_of(span))->idle()) : 0;
    if (span->uncounted == 0)
        return idle;
    const auto bytes = static_cast<uint32_t>(class_bytes(span->size_class));
    const uint32_t filled = span->free_list_length() * bytes / static_cast<uint32_t>(small_page_bytes) + 1;
    const uint32_t touched = span->uncounted * (bytes / static_cast<uint32_t>(small_page_bytes) + 2);
    const uint32_t all = idle + (touched < filled ? touched : filled);
    return all < pages_per_slice ? all : pages_per_slice;
}

uint32_t reckon_medium(const Span *span)
{
    const uint64_t absent = span_pages_at(slice_of(span))->absent();
    const uint64_t present = span->free_blocks.load(std::memory_order_relaxed) & ~absent;
    return static_cast<uint32_t>(__builtin_popcountll(present)) *
           static_cast<uint32_t>(class_bytes(span->size_class) / small_page_bytes);
}

// Discards the runs of set bits of `mask`, each bit standing for `bytes`. The bits that could be.
template <typename Mask>
Mask discard_runs(uintptr_t begin, Mask mask, size_t bytes)
{
    Mask done = 0;
    while (mask != 0)
    {
        const auto first = static_cast<unsigned>(lowest_bit(mask));
        const unsigned count = run_length(mask, first);
        const auto run = mask_of<Mask>(first, count);
        mask = static_cast<Mask>(mask & ~run);
        if (pages::discard(begin + first * bytes, count * bytes))
            done = static_cast<Mask>(done | run);
    }
    return done;
}

} // namespace

// Takes note of what may be idle of a span of which blocks have come or gone.
void Arena::reckon_idle(Span *span)
{
    if (FASTALLOC_UNLIKELY(pages::page_bytes() != small_page_bytes || !NodeHeap::parts_go_back()))
        return; // spans go back as a whole only
    const bool small = is_small(span->size_class);
    const uint32_t now = small ? reckon_small(span) : reckon_medium(span);
    if (now != 0 || span->reckoned != 0)
        put_in_queue(span, now, small && span->uncounted != 0 ? uncounted_queue : idle_queue);
}

// Where a span of which so many pages may be idle belongs: nowhere if none.
void Arena::put_in_queue(Span *span, uint32_t reckoned, uint8_t queue)
{
    const SliceIndex slice = slice_of(span);
    SpanPages *const pages = span_pages_at(slice);
    const bool moves = span->reckoned == 0 || reckoned == 0 || pages->queue != queue;
    if (moves && span->reckoned != 0)
        leave_queue(&queues_[pages->queue].first_plus_one, &queues_[pages->queue].last_plus_one, slice, span_pages_at);
    if (moves && reckoned != 0)
    {
        enter_queue(&queues_[queue].first_plus_one, &queues_[queue].last_plus_one, slice, span_pages_at);
        pages->queue = queue;
    }
    if (moves)
        may_have_idle_.store((queues_[0].first_plus_one | queues_[1].first_plus_one) != 0, std::memory_order_relaxed);
    idle_ += (int64_t{reckoned} - span->reckoned) * static_cast<int64_t>(small_page_bytes);
    span->reckoned = static_cast<uint8_t>(reckoned);
    if (idle_ >= idle_step || idle_ <= -idle_step)
        tell_idle();
}

void Arena::tell_idle()
{
    heap().count_idle_in_spans(idle_);
    may_exceed_ |= idle_ > 0;
    idle_ = 0;
}

void Arena::look_at_bound()
{
    if (FASTALLOC_LIKELY(!may_exceed_))
        return;
    may_exceed_ = false;
    give_back_excess(heap(), this);
}

void Arena::forget_idle(Span *span)
{
    if (span->reckoned != 0)
        put_in_queue(span, 0, idle_queue);
}

// The blocks at the head of a small span's list that nobody has counted.
void Arena::count_blocks(Span *span)
{
    SpanPages *const pages = span_pages_at(slice_of(span));
    const uintptr_t begin = address_of(span);
    const void *block = span->free_list;
    for (; span->uncounted != 0; --span->uncounted, block = next_of(block))
    {
        if (FASTALLOC_UNLIKELY(block == nullptr)) // cut short: a block freed twice
            fatal_too_many_blocks(span);
        if (FASTALLOC_UNLIKELY((reinterpret_cast<uintptr_t>(block) ^ begin) >= slice_bytes))
            fatal_broken_link(block);
        pages->count(span->size_class, offset_in_slice(block));
        span->paged = true;
    }
    reckon_idle(span);
}

void Arena::count_idle(uint64_t keep)
{
    tell_idle();
    while (queues_[uncounted_queue].first_plus_one != 0 && heap().idle_bytes() > keep)
        count_blocks(span_at(queues_[uncounted_queue].first_plus_one - 1));
    tell_idle();
}

void Arena::discard_idle(uint64_t keep)
{
    count_idle(keep);
    while (queues_[idle_queue].first_plus_one != 0 && heap().idle_bytes() > keep)
        discard_pages(span_at(queues_[idle_queue].first_plus_one - 1));
    tell_idle();
}

// All idle pages of a span. One whose pages cannot go back, as locked memory cannot, is not reckoned with until blocks of
// it come or go again.
void Arena::discard_pages(Span *span)
{
    const uint64_t returned = is_small(span->size_class) ? discard_small(span) : discard_medium(span);
    if (returned == 0)
        return forget_idle(span);
    reckon_idle(span);
    heap().pages_returned(slice_of(span), returned);
}

uint64_t Arena::discard_small(Span *span)
{
    SpanPages *const pages = span_pages_at(slice_of(span));
    const PageMask gone = pages->idle();
    const uint32_t listed = listed_blocks(span);
    if (pages->discard(gone) != 0)
        unlist_discarded(span, listed);
    const PageMask done = discard_runs(address_of(span), gone, small_page_bytes);
    return uint64_t{count_pages(done)} * small_page_bytes;
}

// Leaves the blocks on discarded pages out of the span's list, which has `listed` blocks.
void Arena::unlist_discarded(Span *span, uint32_t listed)
{
    const SpanPages *const pages = span_pages_at(slice_of(span));
    const auto bytes = static_cast<uint32_t>(class_bytes(span->size_class));
    const uintptr_t begin = address_of(span);
    void *last_kept = nullptr;
    bool left_out = false; // a block behind last_kept
    void *block = span->free_list;
    span->free_list = nullptr;
    for (; block != nullptr; --listed)
    {
        const auto address = reinterpret_cast<uintptr_t>(block);
        if (FASTALLOC_UNLIKELY((address ^ begin) >= slice_bytes))
            fatal_broken_link(block);
        if (FASTALLOC_UNLIKELY(listed == 0)) // a circle: a block freed twice
            fatal_too_many_blocks(span);
        void *const next = next_of(block);
        const auto offset = static_cast<uint32_t>(address - begin);
        if (pages->is_discarded(offset, offset + bytes))
            left_out = true;
        else
        {
            if (last_kept == nullptr)
                span->free_list = block;
            else if (left_out)
                set_next(last_kept, block);
            last_kept = block;
            left_out = false;
        }
        block = next;
    }
    if (left_out && last_kept != nullptr)
        set_next(last_kept, nullptr);
}

uint64_t Arena::discard_medium(Span *span)
{
    SpanPages *const pages = span_pages_at(slice_of(span));
    const uint64_t gone = span->free_blocks.load(std::memory_order_relaxed) & ~pages->absent();
    const size_t bytes = class_bytes(span->size_class);
    const uint64_t done = discard_runs(address_of(span), gone, bytes);
    pages->set_absent(pages->absent() | done);
    return static_cast<uint64_t>(__builtin_popcountll(done)) * bytes;
}

// Threads the lowest discarded pages again until the list has a block. Requires: the list is empty, and some page is
// discarded.
void Arena::restore_blocks(Span *span)
{
    SpanPages *const pages = span_pages_at(slice_of(span));
    const uint32_t capacity = shape_of(span->size_class).capacity;
    const size_t bytes = class_bytes(span->size_class);
    uint64_t wanted = 0;
    while (span->free_list == nullptr && pages->discarded() != 0)
    {
        const auto page = static_cast<unsigned>(lowest_bit(pages->discarded()));
        const size_t begin = page * small_page_bytes;
        pages->restore(page);
        wanted += small_page_bytes;
        for (uint32_t number = block_number(span->size_class, begin);
             number < capacity && number * bytes < begin + small_page_bytes; ++number)
        {
            const size_t offset = number * bytes;
            if (pages->is_discarded(static_cast<uint32_t>(offset), static_cast<uint32_t>(offset + bytes)))
                continue;
            auto *const block = reinterpret_cast<void *>(address_of(span) + offset);
            set_next(block, span->free_list);
            span->free_list = block;
        }
    }
    heap().pages_wanted(wanted);
    tell_if_filled(span);
    may_exceed_ = true; // demand may have decayed
}

// The node heap is told of spans of which programs have touched every page, as far as anybody knows.
void Arena::tell_if_filled(const Span *span)
{
    if (span->fresh != span->capacity || class_bytes(span->size_class) > small_page_bytes)
        return;
    const SliceIndex slice = slice_of(span);
    if (!span->paged || span_pages_at(slice)->discarded() == 0)
        NodeHeap::slice_is_filled(slice);
}

// By a quarter of the bound more than must be, for who is at the bound would have to count again at once. And again if
// demand has decayed meanwhile, and the bound with it; not for what is in arenas that others have locked.
void give_back_excess(NodeHeap &heap, Arena *mine)
{
    uint64_t before = UINT64_MAX;
    while (FASTALLOC_UNLIKELY(heap.exceeds()) && heap.idle_bytes() < before)
    {
        before = heap.idle_bytes();
        give_back(heap, heap.bound() / 4 * 3, heap.bound(), mine);
    }
}

// Does something with the arenas of a node, `mine` first, whose lock the caller has, then those nobody has locked, while
// more than `keep` bytes are idle.
template <typename Each>
void for_arenas_while(NodeHeap &heap, uint64_t keep, Arena *mine, Each each)
{
    if (mine != nullptr && heap.idle_bytes() > keep)
        each(mine);
    for (Arena *arena = registry.first(); arena != nullptr && heap.idle_bytes() > keep;
         arena = arena->next_arena.load(std::memory_order_acquire))
    {
        if (arena == mine || !arena->may_have_idle() || &arena->heap() != &heap)
            continue;
        const ArenaGuard guard(arena, Guard::Try{});
        if (guard)
            each(arena);
    }
}

void give_back(NodeHeap &heap, uint64_t keep, uint64_t most, Arena *mine)
{
    for_arenas_while(heap, keep, mine, [keep](Arena *arena) { arena->count_idle(keep); });
    if (heap.idle_bytes() <= most)
        return;
    heap.return_free(keep);
    for_arenas_while(heap, keep, mine, [keep](Arena *arena) { arena->discard_idle(keep); });
}

} // namespace fastalloc
