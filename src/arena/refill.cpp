// SPDX-License-Identifier: MIT
//
// How blocks move between a thread's bins and the spans of its arena: refill, overflow, and the spans' own comings and
// goings.
#include "arena/arena.h"

#include "arena/arena_guard.h"
#include "arena/budget.h"
#include "arena/misuse.h"
#include "arena/registry.h"
#include "base/probes.h"
#include "os/clock.h"

namespace fastalloc
{
namespace
{

void *block_at(const Span *span, uint32_t number)
{
    return reinterpret_cast<void *>(address_of(span) + number * class_bytes(span->size_class));
}

// A free block that should lead to another leads nowhere, or where none can be. Nowhere: it has been freed once more,
// to the bottom of a stack.
[[noreturn]] void fatal_bad_next(const void *block, const void *next)
{
    if (next == nullptr)
        fatal_too_many_blocks(head_of(record_of(block)));
    fatal_broken_link(next);
}

// What a free block leads to, where there must be another one: in its span's list, or in a bin.
void *next_in_span(const void *block)
{
    void *const next = next_of(block);
    if (FASTALLOC_UNLIKELY((reinterpret_cast<uintptr_t>(next) ^ reinterpret_cast<uintptr_t>(block)) >= slice_bytes))
        fatal_bad_next(block, next);
    return next;
}

void *next_in_bin(const void *block)
{
    void *const next = next_of(block);
    if (FASTALLOC_UNLIKELY(!in_window(reinterpret_cast<uintptr_t>(next))))
        fatal_bad_next(block, next);
    return next;
}

// The block at the head of a span's list is handed out.
void hand_out_listed(Span *span, const void *block)
{
    if (span->uncounted != 0)
        --span->uncounted;
    else
        span_pages_at(slice_of(span))->hand_out(span->size_class, offset_in_slice(block));
}

} // namespace

// ---- from spans to a bin -------------------------------------------------------------------------------------

// Blocks that came back before, in front of what the chain has. The first span's whole list is taken without touching a
// block.
void Arena::take_listed(Span *span, uint32_t wanted, Chain *chain)
{
    if (span->free_list == nullptr)
        restore_blocks(span);
    const uint32_t length = listed_blocks(span);
    const uint32_t take = length < wanted ? length : wanted;
    void *const first = span->free_list;
    if (take == length && chain->first == nullptr && length == span->free_list_length())
    {
        span->free_list = nullptr;
        span->uncounted = 0;
        if (span->paged)
            span_pages_at(slice_of(span))->hand_out_all();
    }
    else
    {
        void *last = first;
        hand_out_listed(span, first);
        for (uint32_t step = 1; step < take; ++step)
        {
            last = next_in_span(last);
            hand_out_listed(span, last);
        }
        span->free_list = take < length ? next_in_span(last) : nullptr;
        set_next(last, chain->first);
    }
    chain->first = first;
    chain->count += take;
    span->handed_out = static_cast<uint16_t>(span->handed_out + take);
}

// Blocks behind the cursor, at most those that begin on one page. A single one is not written: it may be a page of its
// own.
void Arena::take_fresh(Span *span, uint32_t wanted, Chain *chain)
{
    const auto bytes = static_cast<uint32_t>(class_bytes(span->size_class));
    const uint32_t on_page = bytes < small_page_bytes ? static_cast<uint32_t>(small_page_bytes) / bytes : 1;
    const uint32_t number = span->next_fresh();
    const uint32_t end = number < span->start ? span->start : span->capacity; // of the blocks in a row
    const uint32_t left = end - number;
    uint32_t take = wanted < on_page ? wanted : on_page;
    take = take < left ? take : left;
    char *const first = static_cast<char *>(block_at(span, number));
    char *last = first;
    for (uint32_t step = 1; step < take; ++step, last += bytes)
        set_next(last, last + bytes);
    if (take > 1 || chain->first != nullptr)
        set_next(last, chain->first);
    else
        chain->zeroed = span->zeroed;
    chain->first = first;
    chain->count += take;
    const uint32_t begin = number * bytes;
    if (span->paged)
        span_pages_at(slice_of(span))->hand_out_fresh(begin, begin + take * bytes);
    span->fresh = static_cast<uint16_t>(span->fresh + take);
    tell_if_filled(span);
    span->handed_out = static_cast<uint16_t>(span->handed_out + take);
}

// Blocks in the list of the span that gather() looks at first.
uint32_t Arena::blocks_ready(SizeClass size_class) const
{
    const uint32_t partial_plus_one = backs_[size_class].partial_plus_one;
    return partial_plus_one != 0 ? listed_blocks(span_at(partial_plus_one - 1)) : 0;
}

// A chain of up to `wanted` blocks: all that own spans have, before a span is adopted or a new one begun. If it
// comes out as one block, that block's link is not written; of a medium class it is always one.
void Arena::gather(SizeClass size_class, uint32_t wanted, Chain *chain)
{
    while (chain->count < wanted)
    {
        Span *span = nullptr;
        if (chain->count == 0)
            span = span_with_room(size_class);
        else if (backs_[size_class].partial_plus_one != 0)
            span = span_at(backs_[size_class].partial_plus_one - 1);
        if (span == nullptr)
            break;
        const bool medium = !is_small(size_class);
        // Before discarded pages are threaded again, too.
        const bool fresh = !medium && span->free_list == nullptr && span->fresh < span->capacity;
        if (medium)
            take_medium(span, chain);
        else if (fresh)
            take_fresh(span, wanted - chain->count, chain);
        else
            take_listed(span, wanted - chain->count, chain);
        reckon_idle(span);
        if (!span->has_room())
            unlist_span(span);
        if (fresh || medium)
            break;
    }
    count_handed_out(static_cast<int64_t>(chain->count * class_bytes(size_class)));
}

Allocation Arena::allocate_small(SizeClass size_class)
{
    Bin &bin = bins[size_class];
    if (bin.head == nullptr && !take_spare(size_class))
        return refill(size_class);
    return {bin.pop(link_secret), false};
}

// Requires: both stacks are empty.
Allocation Arena::refill(SizeClass size_class)
{
    ArenaGuard guard(this);
    if (!guard)
        return {nullptr, false};
    Bin &bin = bins[size_class];
    if (inbox_.load(std::memory_order_relaxed) != nullptr)
        drain_locked();
    // The first limit; later where more lies ready than the bin may hold, as when other threads free what this one
    // allocates, and where it may not hold a page of blocks: who only allocates would come here with every other block.
    const bool less_than_a_page = bin.limit * class_bytes(size_class) <= small_page_bytes / 2;
    if (is_small(size_class) && (less_than_a_page || blocks_ready(size_class) >= bin.limit))
        adjust_limit(size_class);
    Chain chain;
    gather(size_class, bin.limit > 1 ? bin.limit : 1, &chain);
    ebb_.rise(held_, now_ms);
    ++refills_;
    FASTALLOC_PROBE3(refill, this, class_bytes(size_class), chain.count);
    slow_path_done();
    if (chain.count <= 1)
        return {chain.first, chain.zeroed};
    // slow_path_done may have lowered the limit of this bin, which was empty: all but one block are put in by hand.
    void *const block = chain.first;
    void *const rest = next_of(block);
    if (bin.limit < chain.count - 1)
    {
        return_blocks(rest, chain.count - 1);
        return {block, false};
    }
    bin.head = rest;
    bin.room.store(bin.limit - (chain.count - 1));
    return {block, false};
}

Allocation Arena::allocate_locked(SizeClass size_class)
{
    ArenaGuard guard(this);
    if (!guard)
        return {nullptr, false};
    if (inbox_.load(std::memory_order_relaxed) != nullptr)
        drain_locked();
    Chain chain;
    gather(size_class, 1, &chain);
    slow_path_done();
    return {chain.first, chain.zeroed};
}

// ---- from a bin to spans -------------------------------------------------------------------------------------

// Gives a run of blocks of one span back to it.
void Arena::splice(Span *span, void *first, void *last, uint32_t count)
{
    if (FASTALLOC_UNLIKELY(count > span->handed_out))
        fatal_too_many_blocks(span);
    set_next(last, span->free_list);
    span->free_list = first;
    span->uncounted = static_cast<uint16_t>(span->uncounted + count);
    span->handed_out = static_cast<uint16_t>(span->handed_out - count);
    count_handed_out(-static_cast<int64_t>(count * class_bytes(span->size_class)));
    if (span->handed_out == 0)
        give_span(span);
    else
    {
        reckon_idle(span);
        if (!span->listed)
            list_span(span);
    }
}

// `count` linked blocks of this arena's spans back to them, run by run.
void Arena::return_blocks(void *first, uint32_t count)
{
    void *last = nullptr;
    while (count != 0)
    {
        // Cut short: a block in the middle has been pushed once more, to the bottom of a stack.
        if (FASTALLOC_UNLIKELY(first == nullptr && last != nullptr))
            fatal_too_many_blocks(head_of(record_of(last)));
        const auto address = reinterpret_cast<uintptr_t>(first);
        if (FASTALLOC_UNLIKELY(!in_window(address)))
            fatal_broken_link(first);
        Span *const span = span_of(address);
        if (FASTALLOC_UNLIKELY(span->owner.load() != this))
            fatal_broken_link(first);
        last = first;
        if (!is_small(span->size_class))
        {
            first = next_of(last);
            --count;
            unmark_binned(last);
            give_medium(head_of(span), last);
            continue;
        }
        void *next = next_of(first);
        uint32_t run = 1;
        while (run < count && (reinterpret_cast<uintptr_t>(next) ^ address) < slice_bytes)
        {
            last = next;
            next = next_of(last);
            ++run;
        }
        splice(span, first, last, run);
        first = next;
        count -= run;
    }
}

// The spare becomes the active stack, which is empty. False if there is none.
bool Arena::take_spare(unsigned index)
{
    Bin &bin = bins[index];
    BinBack &back = backs_[index];
    if (back.spare == nullptr)
        return false;
    bin.head = back.spare;
    bin.room.store(bin.limit - back.spare_count.load(std::memory_order_relaxed));
    back.spare = nullptr;
    back.spare_count.store(0, std::memory_order_relaxed);
    return true;
}

// The active stack becomes the spare. False if there is one, or nothing to make one of.
bool Arena::make_spare(unsigned index)
{
    Bin &bin = bins[index];
    BinBack &back = backs_[index];
    if (back.spare != nullptr || bin.head == nullptr)
        return false;
    back.spare = bin.head;
    back.spare_count.store(bin.count(), std::memory_order_relaxed);
    bin.head = nullptr;
    bin.room.store(bin.limit);
    return true;
}

void Arena::return_spare(unsigned index)
{
    BinBack &back = backs_[index];
    if (back.spare == nullptr)
        return;
    return_blocks(back.spare, back.spare_count.load(std::memory_order_relaxed));
    back.spare = nullptr;
    back.spare_count.store(0, std::memory_order_relaxed);
}

// Leaves the `keep` blocks freed last in the bin.
void Arena::return_colder(Bin *bin, uint32_t keep)
{
    const uint32_t count = bin->count();
    if (count <= keep)
        return;
    void *rest = bin->head;
    if (keep == 0)
        bin->head = nullptr;
    else
    {
        void *coldest_kept = bin->head;
        for (uint32_t step = 1; step < keep; ++step)
            coldest_kept = next_in_bin(coldest_kept);
        rest = next_in_bin(coldest_kept);
        set_next(coldest_kept, nullptr);
    }
    bin->room.store(bin->limit - keep);
    return_blocks(rest, count - keep);
}

void Arena::release_small(Span *record, void *block)
{
    Bin &bin = bins[record->size_class];
    if (bin.room.load() == 0 && !make_spare(record->size_class))
        return overflow(record, block);
    bin.push(block, link_secret);
}

// Both stacks are full. The limit is raised, or the blocks of the spare, those freed longest ago, go back to their
// spans.
void Arena::overflow(Span *record, void *block)
{
    ArenaGuard guard(this);
    if (!guard)
    {
        push_inbox(block, block, static_cast<uint32_t>(class_bytes(record->size_class)));
        return;
    }
    const unsigned index = record->size_class;
    Bin &bin = bins[index];
    ++overflows_;
    FASTALLOC_PROBE2(overflow, this, class_bytes(record->size_class));
    if (ebbs())
        empty_bins();
    else
        adjust_limit(index);
    if (bin.room.load() == 0)
    {
        return_spare(index);
        make_spare(index);
    }
    slow_path_done();
    if (bin.room.load() == 0)
    {
        return_blocks(block, 1);
        look_at_bound();
    }
    else if (is_small(record->size_class))
        release_small(record, block);
    else
        release_medium(record, block);
}

} // namespace fastalloc
