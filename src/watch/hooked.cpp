// SPDX-License-Identifier: MIT
#include "watch/hooked.h"

#include "arena/registry.h"
#include "os/barrier.h"
#include "os/keep_errno.h"
#include "watch/asked_sizes.h"
#include "watch/forwarding.h"
#include "watch/sampler.h"
#include "watch/told.h"

namespace fastalloc
{
namespace
{

// ---- every call, nothing else: blocks that the thread's bins have or take ----------------------------------------------

Allocation hooked_allocate(Arena *hooked, size_t size, size_t alignment, Call call)
{
    Arena *const self = thread_words.self;
    if (self == nullptr || size > small_max || alignment != default_alignment || call == Call::realloc)
        return told_allocate(hooked, size, alignment, call);
    Bin &bin = self->bin_at(bin_offset_of(size));
    if (bin.head == nullptr)
        return told_allocate(hooked, size, alignment, call);
    void *const block = bin.pop(self->link_secret);
    if (const AttachedTelling telling; FASTALLOC_LIKELY(telling) && FASTALLOC_LIKELY(telling->on_every_call != 0))
    {
        const size_t given = class_bytes(small_class_of(size));
        asked_sizes.set_in_window(block, size, given);
        fastalloc_event event = event_of(block, size, given, alignment_said(size, alignment), call);
        telling.allocated_to_all(&event);
    }
    return {block, false};
}

void hooked_release(Arena *hooked, void *block, Call call)
{
    Arena *const self = thread_words.self;
    Span *const record = record_of(block);
    if (self == nullptr || call == Call::realloc || record == nullptr || record->owner.load() != self ||
        !is_small(record->size_class) || record->bin->head == block || !record->begins_block(block) ||
        record->bin->room.load() == 0)
        return told_release(hooked, block, call);
    const size_t given = class_bytes(record->size_class);
    const size_t asked = asked_sizes.take_in_window(block, given);
    if (const AttachedTelling telling; FASTALLOC_LIKELY(telling))
    {
        const KeepErrno keep_errno;
        fastalloc_event event = event_of(block, asked, given, 0, call);
        telling.freeing_to_all(&event);
    }
    // A callback may have filled the bin, or sent the thread to another arena.
    if (record->owner.load() != thread_words.self || !record->bin->push(block, self->link_secret))
        thread_words.self->usual_operations()->release(thread_words.self, block, call);
}

// ---- samples only ------------------------------------------------------------------------------------------------------

// A block on which none lies is the next one of the thread's bin, as without them.
Allocation sampled_allocate(Arena *sampled, size_t size, size_t alignment, Call call)
{
    Arena *const self = thread_words.self;
    if (self != nullptr && size <= small_max && alignment == default_alignment && !in_callback())
    {
        Bin &bin = self->bin_at(bin_offset_of(size));
        if (FASTALLOC_LIKELY(bin.head != nullptr) &&
            FASTALLOC_LIKELY(sampler.passes(self, class_bytes(small_class_of(size)))))
            return {bin.pop(self->link_secret), false};
    }
    return told_allocate(sampled, size, alignment, call);
}

constinit const ArenaOperations hooked_operations{
    .allocate = hooked_allocate,
    .allocate_on = told_allocate_on,
    .release = hooked_release,
    .release_sized = plain_release_sized,
    .reallocate = told_reallocate,
    .shape = told_shape,
};
constinit const ArenaOperations told_operations{
    .allocate = told_allocate,
    .allocate_on = told_allocate_on,
    .release = told_release,
    .release_sized = told_release_sized,
    .reallocate = told_reallocate,
    .shape = told_shape,
};
constinit const ArenaOperations sampled_operations{
    .allocate = sampled_allocate,
    .allocate_on = told_allocate_on,
    .release = sampled_release,
    .release_sized = plain_release_sized,
    .reallocate = sampled_reallocate,
    .shape = told_shape,
};

constinit Arena hooked_arena{&hooked_operations};
constinit Arena told_arena{&told_operations};
constinit Arena sampled_arena{&sampled_operations};

View view_for(const Subscribers &subscribers)
{
    const bool samples = subscribers.on_samples != 0;
    if (first_view() != nullptr || (subscribers.on_every_call != 0 && samples))
        return {.over = &told_arena, .over_malloc = nullptr, .attached = nullptr, .stray = nullptr};
    if (!samples)
        return {.over = &hooked_arena, .over_malloc = nullptr, .attached = nullptr, .stray = nullptr};
    return {
        .over = nullptr, .over_malloc = &sampled_arena, .attached = &sampled_operations, .stray = &sampled_operations};
}

} // namespace

void show_to_all(const Subscribers *subscribers)
{
    if (Arena *const forwarding = forwarding_view())
    {
        empty_arena.operations.set(subscribers != nullptr ? &told_operations : forwarding->operations.table());
        barrier::heavy();
    }
    else
        registry.show_to_all(subscribers != nullptr ? view_for(*subscribers) : View{});
}

} // namespace fastalloc
