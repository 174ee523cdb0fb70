// SPDX-License-Identifier: MIT
#include "watch/hooked.h"

#include "arena/lending.h"
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

// A block that no sample lies on, out of a stack of such. Null: somebody has to look.
void *allocate_lent(Arena *face, SizeClass size_class)
{
    Arena *const own = owner_of(face);
    Bin &bin = own->bins[size_class];
    if (thread_words.self != own || !sampler.knows(face_of(own)) ||
        (bin.head == nullptr && !own->take_spare(size_class)))
        return nullptr;
    Bin &lent = face->bins[size_class];
    if (lent.head == nullptr)
        own->lend(size_class);
    return lent.head != nullptr ? lent.pop(own->link_secret) : nullptr;
}

Allocation face_allocate(Arena *face, size_t size, size_t alignment, Call call)
{
    const SizeClass size_class = class_of(size, alignment);
    if (size_class < small_class_count)
        if (void *const block = allocate_lent(face, size_class))
            return {block, false};
    return told_allocate(face, size, alignment, call);
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
    .allocate = told_allocate,
    .allocate_on = told_allocate_on,
    .release = sampled_release,
    .release_sized = plain_release_sized,
    .reallocate = sampled_reallocate,
    .shape = told_shape,
};
constinit const ArenaOperations face_operations{
    .allocate = face_allocate,
    .allocate_on = told_allocate_on,
    .release = sampled_release,
    .release_sized = plain_release_sized,
    .reallocate = sampled_reallocate,
    .shape = told_shape,
};

constinit Arena hooked_arena{&hooked_operations};
constinit Arena told_arena{&told_operations};

View view_for(const Subscribers &subscribers)
{
    const ArenaOperations *const faces = subscribers.on_samples != 0 ? &face_operations : nullptr;
    if (first_view() != nullptr || (subscribers.on_every_call != 0 && faces != nullptr))
        return {.over = &told_arena, .faces = faces, .attached = nullptr, .stray = nullptr};
    if (subscribers.on_every_call != 0)
        return {.over = &hooked_arena, .faces = nullptr, .attached = nullptr, .stray = nullptr};
    return {.over = nullptr, .faces = faces, .attached = &sampled_operations, .stray = &sampled_operations};
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
