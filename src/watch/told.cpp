// SPDX-License-Identifier: MIT
#include "watch/told.h"

#include "arena/registry.h"
#include "os/keep_errno.h"
#include "os/pages.h"
#include "watch/asked_sizes.h"
#include "watch/forwarding.h"
#include "watch/sampler.h"

namespace fastalloc
{
namespace
{

// Who serves the calling thread's calls when everybody has been told.
struct Beneath
{
    Arena *arena;
    const ArenaOperations *operations;
};

Beneath beneath()
{
    if (Arena *const first = first_view())
        return {first, first->operations.table()};
    if (Arena *const self = thread_words.self)
        return {self, self->usual_operations()};
    return {&stray_arena, &stray_operations};
}

Node own_place()
{
    const Arena *const self = thread_words.self;
    return self != nullptr ? self->place : topology::place_of_thread();
}

BlockShape shape_beneath(Call call, const void *block)
{
    const Beneath below = beneath();
    return below.operations->shape(below.arena, call, block);
}

SubscriberMask on_this_call(const Telling &telling, Call call)
{
    return call != Call::realloc ? telling->on_every_call : SubscriberMask{0};
}

// ---- blocks come -------------------------------------------------------------------------------------------------

struct Wish
{
    size_t size;
    size_t alignment;
    Call call;
    Node place;
};

void tell_allocated(const Telling &telling, SubscriberMask who, void *block, const Wish &wish)
{
    const size_t given = shape_beneath(wish.call, block).usable;
    if ((who & telling->on_every_call) != 0)
        asked_sizes.set(block, wish.size, given);
    fastalloc_event event = event_of(block, wish.size, given, alignment_said(wish.size, wish.alignment), wish.call);
    telling.allocated(who, &event);
}

// What a block will be given: without a class it is in slices or has a mapping of its own.
uint64_t bytes_for(SizeClass size_class, size_t size)
{
    if (size_class != no_class)
        return class_bytes(size_class);
    return round_up(size == 0 ? 1 : size, size <= large_max ? slice_bytes : pages::page_bytes());
}

// A block on which a sample lies. `get` gets one beneath.
template <typename Get>
Allocation allocate_sample(const Telling &telling, const Wish &wish, SizeClass size_class, Get get)
{
    const SubscriberMask chosen = sampler.choose(*telling.operator->(), bytes_for(size_class, wish.size));
    const bool marked = size_class != no_class && first_view() == nullptr;
    Allocation allocation = marked ? sampler.allocate(wish.place, size_class) : get();
    const bool is_sample = static_cast<bool>(allocation);
    if (!allocation && marked)
        allocation = get(); // not for lack of a slice of our own shall it fail
    if (!allocation)
        return allocation;
    const bool remembered =
        is_sample && sampler.remember({reinterpret_cast<uintptr_t>(allocation.block), wish.size, chosen});
    const auto who = static_cast<SubscriberMask>(on_this_call(telling, wish.call) | (remembered ? chosen : 0));
    if (who != 0)
        tell_allocated(telling, who, allocation.block, wish);
    return allocation;
}

template <typename Get>
Allocation allocate_told(const Wish &wish, Get get)
{
    if (samples_are_told())
    {
        const SizeClass size_class = class_of(wish.size, wish.alignment);
        if (FASTALLOC_UNLIKELY(sampler.takes(bytes_for(size_class, wish.size))))
            if (const Telling telling; telling && telling->on_samples != 0)
                return allocate_sample(telling, wish, size_class, get);
    }
    const Allocation allocation = get();
    if (!every_call_is_told() || !allocation || wish.call == Call::realloc)
        return allocation;
    if (const Telling telling; telling && telling->on_every_call != 0)
        tell_allocated(telling, telling->on_every_call, allocation.block, wish);
    return allocation;
}

} // namespace

Allocation told_allocate(Arena *, size_t size, size_t alignment, Call call)
{
    const Beneath below = beneath();
    return allocate_told({size, alignment, call, own_place()},
                         [=] { return below.operations->allocate(below.arena, size, alignment, call); });
}

Allocation told_allocate_on(Arena *, Node place, size_t size)
{
    const Beneath below = beneath();
    return allocate_told({size, default_alignment, Call::malloc_on, place},
                         [=] { return below.operations->allocate_on(below.arena, place, size); });
}

// ---- blocks go ---------------------------------------------------------------------------------------------------

namespace
{

// What was asked for, and forgets it. Another malloc's usable size is just that.
size_t asked_of(const void *block, const BlockShape &shape)
{
    return forwarding_view() != nullptr ? shape.usable : asked_sizes.take(block, shape.usable);
}

// Also where nobody can be told, for the block is none any more.
void block_goes(void *block, Call call)
{
    const BlockShape shape = shape_beneath(call, block);
    if (shape.foreign)
        return;
    const Telling telling;
    const size_t asked = asked_of(block, shape);
    const bool looked_up = first_view() != nullptr || Sampler::may_be_sample(record_of(block));
    const Sample sample = looked_up ? sampler.take(block) : Sample{};
    if (!telling)
        return;
    const auto samplers = static_cast<SubscriberMask>(sample.subscribers & telling->on_samples);
    const auto who = static_cast<SubscriberMask>(on_this_call(telling, call) | samplers);
    if (who == 0)
        return;
    const KeepErrno keep_errno;
    fastalloc_event event = event_of(block, sample.address != 0 ? sample.asked : asked, shape.usable, 0, call);
    telling.freeing(who, &event);
}

} // namespace

void told_release(Arena *, void *block, Call call)
{
    block_goes(block, call);
    const Beneath below = beneath();
    below.operations->release(below.arena, block, call);
}

// Ours looks at the size, and releases; another malloc does both at once.
void told_release_sized(Arena *arena, void *block, size_t size, size_t alignment, Call call)
{
    if (forwarding_view() == nullptr)
        return plain_release_sized(arena, block, size, alignment, call);
    block_goes(block, call);
    const Beneath below = beneath();
    below.operations->release_sized(below.arena, block, size, alignment, call);
}

void sampled_release(Arena *, void *block, Call call)
{
    if (Sampler::may_be_sample(record_of(block)))
        block_goes(block, call);
    const Beneath below = beneath();
    below.operations->release(below.arena, block, call);
}

BlockShape told_shape(Arena *, Call call, const void *block)
{
    return shape_beneath(call, block);
}

// ---- blocks change -----------------------------------------------------------------------------------------------

namespace
{

// Blocks without a class, and another malloc's, are resized by ways of their own, to which no allocate or release belongs:
// samples are told here.
void *resize_classless(const Beneath &below, const Telling &telling, void *block, size_t size, const BlockShape &shape)
{
    const Sample sample = sampler.take(block);
    const auto samplers = static_cast<SubscriberMask>(sample.subscribers & telling->on_samples);
    fastalloc_event before = event_of(block, sample.asked, shape.usable, 0, Call::realloc);
    telling.freeing(samplers, &before);
    void *const resized = below.operations->reallocate(below.arena, block, size);
    if (resized == nullptr)
    {
        const KeepErrno keep_errno;
        if (sample.address != 0 && sampler.remember(sample))
            telling.allocated(samplers, &before);
        return nullptr;
    }
    const size_t given = shape_beneath(Call::realloc, resized).usable;
    if (telling->on_samples == 0 || !sampler.takes(given))
        return resized;
    const SubscriberMask chosen = sampler.choose(*telling.operator->(), given);
    if (sampler.remember({reinterpret_cast<uintptr_t>(resized), size, chosen}))
    {
        fastalloc_event after = event_of(resized, size, given, alignment_said(size, default_alignment), Call::realloc);
        telling.allocated(chosen, &after);
    }
    return resized;
}

void *reallocate_told_to_samples(const Beneath &below, void *block, size_t size, const BlockShape &shape)
{
    const bool classless = shape.size_class == no_class && class_of(size, default_alignment) == no_class &&
                           !accepted(shape, size, default_alignment);
    if (shape.foreign || (!classless && forwarding_view() == nullptr))
        return below.operations->reallocate(below.arena, block, size);
    const Telling telling;
    if (telling)
        return resize_classless(below, telling, block, size, shape);
    // Within a callback: nobody is told, but the block is no sample any more unless it stays.
    const Sample sample = sampler.take(block);
    void *const resized = below.operations->reallocate(below.arena, block, size);
    if (resized == nullptr && sample.address != 0)
        sampler.remember(sample);
    return resized;
}

// The block goes, for those who keep blocks by address.
void tell_before(fastalloc_event *old)
{
    const Telling telling;
    if (telling && telling->by_address != 0)
        telling.freeing(telling->by_address, old);
}

void tell_after(void *resized, size_t size, fastalloc_event *old)
{
    const bool failed = resized == nullptr;
    void *const block = failed ? old->block : resized;
    const size_t asked = failed ? old->asked : size;
    const size_t given = failed ? old->given : shape_beneath(Call::realloc, block).usable;
    const Telling telling;
    if (!telling || telling->on_every_call == 0)
        return;
    const KeepErrno keep_errno; // that of a failure
    if (asked != 0)
        asked_sizes.set(block, asked, given);
    fastalloc_event event = event_of(block, asked, given, alignment_said(asked, default_alignment), Call::realloc);
    telling.allocated(telling->by_address, &event);
    if (failed)
        return;
    event.old_block = old->block;
    event.old_asked = old->asked;
    event.old_given = old->given;
    telling.reallocated(&event);
}

} // namespace

// While only samples are wanted.
void *sampled_reallocate(Arena *arena, void *block, size_t size)
{
    const Span *const record = record_of(block);
    if (record != nullptr && record->owner.load() != nullptr)
        return plain_reallocate(arena, block, size); // which allocates and releases
    return reallocate_told_to_samples(beneath(), block, size, shape_beneath(Call::realloc, block));
}

void *told_reallocate(Arena *, void *block, size_t size)
{
    const Beneath below = beneath();
    const BlockShape shape = shape_beneath(Call::realloc, block);
    if (shape.foreign)
        return below.operations->reallocate(below.arena, block, size);
    const size_t asked = asked_of(block, shape);
    fastalloc_event old = event_of(block, asked, shape.usable, 0, Call::realloc);
    tell_before(&old);
    void *const resized = reallocate_told_to_samples(below, block, size, shape);
    tell_after(resized, size, &old);
    return resized;
}

} // namespace fastalloc
