// SPDX-License-Identifier: MIT
//
// What must hold of an arena and of a span, and what else is to be seen of them: functions that look and change nothing.
#include "arena/arena.h"

#include "arena/misuse.h"

namespace fastalloc
{

const char *Arena::verify() const
{
    uint64_t charged = 0;
    for (unsigned index = 0; index < class_count; ++index)
        charged += uint64_t{2} * bins[index].limit * class_bytes(static_cast<SizeClass>(index));
    if (charged != charged_)
        return "an arena's charge is not the sum of its bins' limits";
    if (bins[no_bin].head != nullptr || bins[no_bin].limit != 0)
        return "the bin that is none holds something";
    for (unsigned index = 0; index < class_count; ++index)
    {
        SliceIndex previous = no_slice;
        for (SliceIndex slice = backs_[index].partial_plus_one - 1; slice != no_slice; slice = span_at(slice)->next)
        {
            const Span *span = span_at(slice);
            if (span->owner.load() != this || span->size_class != index)
                return "an arena lists a span that is not its own";
            if (!span->listed || !span->has_room() || span->previous != previous)
                return "an arena's list of partial spans is broken";
            previous = slice;
        }
    }
    return nullptr;
}

const char *Arena::verify_stack(const void *block, unsigned index, uint32_t count) const
{
    for (; block != nullptr; block = next_of(block), --count)
    {
        const auto address = reinterpret_cast<uintptr_t>(block);
        if (count == 0)
            return "a bin holds more than it counts";
        if (!in_window(address) || span_of(address)->owner.load() != this || span_of(address)->size_class != index)
            return "a bin holds a block that is not of its arena and class";
    }
    return count == 0 ? nullptr : "a bin holds less than it counts";
}

const char *Arena::verify_bins() const
{
    for (unsigned index = 0; index < class_count; ++index)
    {
        if (const char *broken = verify_stack(bins[index].head, index, bins[index].count()))
            return broken;
        if (const char *broken =
                verify_stack(backs_[index].spare, index, backs_[index].spare_count.load(std::memory_order_relaxed)))
            return broken;
    }
    return nullptr;
}

const void *Arena::first_in(FreeList list, unsigned number) const
{
    switch (list)
    {
    case FreeList::active:
        return peek(&bins[number].head);
    case FreeList::spare:
        return peek(&backs_[number].spare);
    case FreeList::outbox:
        return peek(&outbox_[number].first);
    case FreeList::inbox:
        return inbox_.load(std::memory_order_acquire);
    }
    return nullptr;
}

bool Arena::is_handing_over() const
{
    return is_handing_over_.load(std::memory_order_acquire);
}

void Arena::verify_or_die() const
{
    if (const char *broken = verify())
        fatal_broken_invariant(broken);
}

} // namespace fastalloc
