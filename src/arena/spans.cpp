// SPDX-License-Identifier: MIT
//
// An arena's spans: the lists of those with room, and how they come (new from the node heap, adopted from a detached
// arena) and go. Everything here requires the arena's lock.
#include "arena/arena.h"

#include "arena/arena_guard.h"
#include "arena/registry.h"
#include "base/index_list.h"

namespace fastalloc
{
namespace
{

// The block a new span begins with: the first one on another page than in neighbouring slices.
uint16_t first_block(SliceIndex slice, SizeClass size_class)
{
    constexpr unsigned pages = slice_bytes / small_page_bytes;
    const size_t offset = slice * 7 % pages * small_page_bytes;
    const size_t bytes = class_bytes(size_class);
    const size_t number = (offset + bytes - 1) / bytes;
    return number < shape_of(size_class).capacity ? static_cast<uint16_t>(number) : 0;
}

// How many detached arenas a search for a partial span looks at.
constexpr int adoption_tries = 8;

// span_at is inlined always, so it cannot be handed over itself.
Span *record_at(SliceIndex slice)
{
    return span_at(slice);
}

} // namespace

// ---- lists of partial spans -------------------------------------------------------------------------------

void Arena::list_span(Span *span)
{
    BinBack &back = backs_[span->size_class];
    span->listed = true;
    enter_list(&back.partial_plus_one, slice_of(span), record_at);
}

void Arena::unlist_span(Span *span)
{
    BinBack &back = backs_[span->size_class];
    span->listed = false;
    leave_list(&back.partial_plus_one, slice_of(span), record_at);
}

// ---- spans come and go -------------------------------------------------------------------------------------

Span *Arena::new_span(SizeClass size_class)
{
    const ClassShape &shape = shape_of(size_class);
    const auto blocks = shape.bytes <= small_page_bytes ? NodeHeap::Blocks::up_to_a_page : NodeHeap::Blocks::larger;
    const auto need = given_ != 0 ? NodeHeap::Need::again : NodeHeap::Need::first;
    const NodeHeap::Run run = heap().take(shape.slices, 1, blocks, need);
    given_ -= given_ < shape.slices ? given_ : shape.slices;
    homing.took_fresh(run.zeroed ? shape.slices : 0);
    may_exceed_ = true; // demand may have decayed
    if (run.slice == no_slice)
        return nullptr;
    heap().count_span(homing.has_moved());
    Span *head = span_at(run.slice);
    head->slices = shape.slices;
    head->capacity = shape.capacity;
    head->handed_out = 0;
    head->zeroed = run.zeroed;
    const SizeClass again = run.intact ? head->size_class : no_class; // the class whose list it still has
    if (again != size_class)
    {
        head->fresh = 0;
        head->start = is_small(size_class) ? first_block(run.slice, size_class) : 0;
        head->free_list = nullptr;
    }
    if (is_small(size_class))
    {
        head->stride = stride_of(size_class);
        if (again != size_class)
        {
            head->uncounted = 0;
            if (head->paged || !run.zeroed)
                span_pages_at(run.slice)->begin(size_class, !run.zeroed);
            head->paged = !run.zeroed;
        }
    }
    else
    {
        span_pages_at(run.slice)->set_absent(run.zeroed ? ~uint64_t{0} : 0);
        head->paged = true;
        head->binned.store(0, std::memory_order_relaxed);
        head->free_blocks.store(mask_of<uint64_t>(0, shape.capacity), std::memory_order_relaxed);
    }
    for (unsigned offset = 0; offset < shape.slices; ++offset)
    {
        Span *record = span_at(run.slice + offset);
        record->back = offset;
        record->size_class = size_class;
        record->bin = &bins[is_small(size_class) ? size_class : no_bin];
        const SpanKind kind = is_small(size_class) ? SpanKind::small : SpanKind::medium;
        record->kind.store(offset == 0 ? kind : SpanKind::part, std::memory_order_relaxed);
        record->owner.store(this);
    }
    list_span(head);
    return head;
}

// Requires: no block of it is handed out.
void Arena::give_span(Span *span)
{
    if (span->listed)
        unlist_span(span);
    forget_idle(span);
    const SliceIndex slice = slice_of(span);
    const unsigned slices = span->slices;
    const auto contents = is_small(span->size_class) ? NodeHeap::Contents::intact_span : NodeHeap::Contents::unknown;
    for (unsigned offset = 0; offset < slices; ++offset)
    {
        Span *record = span_at(slice + offset);
        record->owner.store(nullptr);
        record->kind.store(SpanKind::free, std::memory_order_relaxed);
        record->back = 0;
    }
    given_ += slices;
    heap().give(slice, slices, contents);
    may_exceed_ = true;
}

// A span with room from an arena no thread is attached to.
Span *Arena::adopt_span(SizeClass size_class)
{
    if (registry.detached_count() == 0)
        return nullptr;
    for (int tries = 0; tries < adoption_tries; ++tries)
    {
        Arena *other = adopt_cursor_ != nullptr ? adopt_cursor_ : registry.first();
        adopt_cursor_ = other->next_arena.load(std::memory_order_acquire);
        if (other == this || other->attached.load(std::memory_order_relaxed) || other->place != place)
            continue;
        ArenaGuard guard(other, Guard::Try{});
        // Nobody can attach to it while its lock is ours.
        if (!guard || other->attached.load(std::memory_order_relaxed))
            continue;
        other->settle(); // blocks in its bins must not belong to a span that goes
        const SliceIndex slice = other->backs_[size_class].partial_plus_one - 1;
        if (slice == no_slice)
            continue;
        Span *span = span_at(slice);
        other->unlist_span(span);
        other->forget_idle(span);
        const auto held = static_cast<int64_t>(span->handed_out * class_bytes(size_class));
        other->held_ -= held;
        held_ += held;
        for (unsigned offset = 0; offset < span->slices; ++offset)
        {
            Span *const record = span_at(slice + offset);
            record->bin = &bins[is_small(size_class) ? size_class : no_bin];
            record->owner.store(this);
        }
        list_span(span);
        reckon_idle(span);
        return span;
    }
    return nullptr;
}

Span *Arena::span_with_room(SizeClass size_class)
{
    const SliceIndex slice = backs_[size_class].partial_plus_one - 1;
    if (slice != no_slice)
        return span_at(slice);
    Span *adopted = adopt_span(size_class);
    return adopted != nullptr ? adopted : new_span(size_class);
}

} // namespace fastalloc
