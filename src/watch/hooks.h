// SPDX-License-Identifier: MIT
//
// Hooks: who is told of blocks that come and go, and that nobody is told who has gone.
//
//     caller (often):    calls = list;  light barrier;  is the list still in force?  callbacks;  calls = null
//     remover (rarely):  another list in force;  heavy barrier;  wait until no thread's calls is the old list
//
// A list never changes: adding and removing make another one, of two that take turns, which is why both wait. A thread in
// a callback has its list in ThreadWords::calls, which is also how it knows not to tell of what callbacks do. Threads
// without an arena are in nobody's list, so they are counted.
//
// Owner: hooks_lock, for add and remove: before all other locks, which are waited for with it for a moment at a time.
#pragma once

#include "arena/arena.h"
#include "fastalloc.h"
#include "os/barrier.h"
#include "watch/sampling.h"

#include <cstddef>
#include <cstdint>

namespace fastalloc
{

constexpr unsigned subscribers_max = 16;

// Subscribers, a bit each, by their slots.
using SubscriberMask = uint16_t;
constexpr SubscriberMask every_subscriber = 0xffff;

struct Subscribers
{
    struct Slot
    {
        const fastalloc_hooks *identity; // null: free
        fastalloc_hooks hooks;
    };

    SubscriberMask on_every_call;
    SubscriberMask by_address; // of these, who is told of realloc as of free and malloc
    SubscriberMask on_samples;
    const fastalloc_hooks *only; // where there is one subscriber, on every call
    uint64_t interval;           // of samples: the least of all
    Slot slots[subscribers_max];
};

// Null: nobody is told of anything.
extern std::atomic<const Subscribers *> subscribers_in_force;

// Whether the calling thread is in a callback: then nobody is told.
FASTALLOC_INLINE bool in_callback()
{
    return FASTALLOC_UNLIKELY(thread_words.calls.load(std::memory_order_relaxed) != nullptr);
}

// A scope in which the subscribers of a moment may be told; empty in callbacks, and where there are none. Requires: the
// thread has an arena.
class AttachedTelling
{
public:
    FASTALLOC_INLINE AttachedTelling()
    {
        if (in_callback())
            return;
        const Subscribers *list;
        do
        {
            list = subscribers_in_force.load(std::memory_order_relaxed);
            thread_words.calls.store(list, std::memory_order_relaxed);
            barrier::light();
        } while (FASTALLOC_UNLIKELY(subscribers_in_force.load(std::memory_order_acquire) != list));
        subscribers_ = list;
    }

    FASTALLOC_INLINE ~AttachedTelling()
    {
        if (FASTALLOC_LIKELY(subscribers_ != nullptr))
            thread_words.calls.store(nullptr, std::memory_order_release);
    }

    AttachedTelling(const AttachedTelling &) = delete;
    AttachedTelling &operator=(const AttachedTelling &) = delete;

    explicit operator bool() const
    {
        return subscribers_ != nullptr;
    }

    const Subscribers *operator->() const
    {
        return subscribers_;
    }

    // A block has come, to those in `mask`; goes.
    void allocated(SubscriberMask mask, fastalloc_event *event) const
    {
        tell<&fastalloc_hooks::allocated>(mask, event);
    }

    void freeing(SubscriberMask mask, fastalloc_event *event) const
    {
        tell<&fastalloc_hooks::freeing>(mask, event);
    }

    // The same to all that are told on every call.
    FASTALLOC_INLINE void allocated_to_all(fastalloc_event *event) const
    {
        tell_all<&fastalloc_hooks::allocated>(event);
    }

    FASTALLOC_INLINE void freeing_to_all(fastalloc_event *event) const
    {
        tell_all<&fastalloc_hooks::freeing>(event);
    }

    // realloc has resized a block: to those on every call that do not keep blocks by address.
    void reallocated(fastalloc_event *event) const
    {
        tell<&fastalloc_hooks::reallocated>(subscribers_->on_every_call & ~subscribers_->by_address, event);
    }

private:
    template <auto callback>
    FASTALLOC_INLINE void tell_all(fastalloc_event *event) const
    {
        const fastalloc_hooks *const only = subscribers_->only;
        if (FASTALLOC_UNLIKELY(only == nullptr))
            tell<callback>(subscribers_->on_every_call, event);
        else if (FASTALLOC_LIKELY(only->*callback != nullptr))
            (only->*callback)(only->context, event);
    }

    template <auto callback>
    FASTALLOC_SLOW void tell(unsigned mask, fastalloc_event *event) const
    {
        for (unsigned rest = mask; rest != 0; rest &= rest - 1)
        {
            const fastalloc_hooks &hooks = subscribers_->slots[__builtin_ctz(rest)].hooks;
            event->stands_for =
                hooks.sample_interval == 0 ? event->given : sampling::stands_for(event->given, hooks.sample_interval);
            if (hooks.*callback != nullptr)
                (hooks.*callback)(hooks.context, event);
        }
    }

    const Subscribers *subscribers_ = nullptr;
};

// While a thread without an arena is in callbacks it is counted.
class StrayCounted
{
public:
    StrayCounted();
    ~StrayCounted();
    StrayCounted(const StrayCounted &) = delete;
    StrayCounted &operator=(const StrayCounted &) = delete;

private:
    const bool counts_ = thread_words.self == nullptr;
};

// The same for any thread.
class Telling : private StrayCounted, public AttachedTelling
{
};

// Whether somebody wants to be told of every call or of samples, and this thread is in no callback: a hint, for who
// would make a Telling.
bool every_call_is_told();
bool samples_are_told();

// 0 or an errno.
int add_hooks(const fastalloc_hooks *hooks);
int remove_hooks(const fastalloc_hooks *hooks);

// In the child of a fork, when all locks are free.
void hooks_after_fork_in_child();

} // namespace fastalloc
