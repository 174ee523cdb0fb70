// SPDX-License-Identifier: MIT
#include "watch/hooks.h"

#include "arena/allocate.h"
#include "arena/registry.h"
#include "os/barrier.h"
#include "watch/asked_sizes.h"
#include "watch/hooked.h"
#include "watch/sampler.h"

#include <cerrno>
#include <cstring>
#include <ctime>
#include <sys/syscall.h>
#include <unistd.h>

namespace fastalloc
{

constinit std::atomic<const Subscribers *> subscribers_in_force{nullptr};

namespace
{

constexpr size_t first_version_bytes = offsetof(fastalloc_hooks, reallocated) + sizeof(fastalloc_hooks::reallocated);

constinit Lock hooks_lock;
constinit Subscribers lists[2] = {};
constinit std::atomic<bool> every_call_wanted{false};
constinit std::atomic<bool> samples_wanted{false};
constinit std::atomic<int> strays_inside{0}; // threads without an arena that are in callbacks

// The list that is not in force. Requires: the lock.
Subscribers *spare()
{
    return subscribers_in_force.load(std::memory_order_relaxed) == &lists[0] ? &lists[1] : &lists[0];
}

Subscribers::Slot *find(Subscribers *list, const fastalloc_hooks *identity)
{
    for (Subscribers::Slot &slot : list->slots)
        if (slot.identity == identity)
            return &slot;
    return nullptr;
}

// In the list that is not in force, for a change. Requires: the lock.
Subscribers *copy_in_force()
{
    const Subscribers *const list = subscribers_in_force.load(std::memory_order_relaxed);
    Subscribers *const copy = spare();
    *copy = list != nullptr ? *list : Subscribers{};
    return copy;
}

void summarise(Subscribers *list)
{
    list->on_every_call = 0;
    list->by_address = 0;
    list->on_samples = 0;
    list->interval = UINT64_MAX;
    list->only = nullptr;
    unsigned count = 0;
    for (unsigned number = 0; number < subscribers_max; ++number)
    {
        const Subscribers::Slot &slot = list->slots[number];
        const auto bit = static_cast<SubscriberMask>(1u << number);
        const uint64_t interval = slot.hooks.sample_interval;
        if (slot.identity == nullptr)
            continue;
        ++count;
        if (interval == 0)
        {
            list->only = &slot.hooks;
            list->on_every_call = static_cast<SubscriberMask>(list->on_every_call | bit);
            if (slot.hooks.reallocated == nullptr)
                list->by_address = static_cast<SubscriberMask>(list->by_address | bit);
        }
        else
        {
            list->on_samples = static_cast<SubscriberMask>(list->on_samples | bit);
            list->interval = interval < list->interval ? interval : list->interval;
        }
    }
    if (count != 1)
        list->only = nullptr;
}

void wait_until_nobody_is_in(const Subscribers *list)
{
    constexpr timespec moment{0, 50'000};
    while (list != nullptr && (registry.calls_anywhere(list) || strays_inside.load(std::memory_order_acquire) > 0))
        syscall(SYS_nanosleep, &moment, nullptr); // libc's could be cancelled, with the lock
}

// `next` is what everybody is told by from now on. The order: who comes by the view finds the list; and nobody is in the
// old list any more when what only its users needed is given up. Requires: the lock.
void put_in_force(const Subscribers *next)
{
    const bool every_call = next->on_every_call != 0;
    const bool samples = next->on_samples != 0;
    const Subscribers *const old = subscribers_in_force.load(std::memory_order_relaxed);
    if (samples)
        sampler.begin(next->interval);
    subscribers_in_force.store(every_call || samples ? next : nullptr, std::memory_order_release);
    every_call_wanted.store(every_call, std::memory_order_relaxed);
    samples_wanted.store(samples, std::memory_order_relaxed);
    if (every_call || samples)
        show_to_all(next);
    barrier::heavy();
    wait_until_nobody_is_in(old);
    if (!every_call && !samples)
        show_to_all(nullptr);
    if (!every_call)
        asked_sizes.clear();
}

} // namespace

bool every_call_is_told()
{
    return every_call_wanted.load(std::memory_order_relaxed) && !in_callback();
}

bool samples_are_told()
{
    return samples_wanted.load(std::memory_order_relaxed) && !in_callback();
}

// ---- telling -------------------------------------------------------------------------------------------------

StrayCounted::StrayCounted()
{
    if (counts_)
        strays_inside.fetch_add(1);
}

StrayCounted::~StrayCounted()
{
    if (counts_)
        strays_inside.fetch_sub(1);
}

// ---- adding and removing -----------------------------------------------------------------------------------------

int add_hooks(const fastalloc_hooks *hooks)
{
    load_options_once(); // which say what lies beneath
    if (in_callback())
        return EDEADLK;
    if (hooks == nullptr || hooks->size < first_version_bytes ||
        (hooks->allocated == nullptr && hooks->freeing == nullptr && hooks->reallocated == nullptr))
        return EINVAL;
    barrier::prepare();
    Guard guard(hooks_lock);
    if (!guard)
        return EDEADLK;
    Subscribers *const next = copy_in_force();
    if (find(next, hooks) != nullptr)
        return EEXIST;
    Subscribers::Slot *const slot = find(next, nullptr);
    if (slot == nullptr)
        return ENOSPC;
    slot->identity = hooks;
    memcpy(&slot->hooks, hooks, hooks->size < sizeof slot->hooks ? hooks->size : sizeof slot->hooks);
    summarise(next);
    put_in_force(next);
    return 0;
}

int remove_hooks(const fastalloc_hooks *hooks)
{
    if (in_callback())
        return EDEADLK;
    Guard guard(hooks_lock);
    if (!guard)
        return EDEADLK;
    Subscribers *const next = copy_in_force();
    Subscribers::Slot *const slot = hooks != nullptr ? find(next, hooks) : nullptr;
    if (slot == nullptr)
        return ENOENT;
    const auto number = static_cast<unsigned>(slot - next->slots);
    *slot = {};
    summarise(next);
    put_in_force(next);
    sampler.forget(next->on_samples != 0 ? static_cast<SubscriberMask>(1u << number) : every_subscriber);
    return 0;
}

// Who changed the list is gone unless it is this thread. What he had put in force is shown and cleared up after; there
// is nobody else to wait for.
void hooks_after_fork_in_child()
{
    if (samples_wanted.load(std::memory_order_relaxed))
        sampler.after_fork_in_child();
    strays_inside.store(in_callback() && thread_words.self == nullptr ? 1 : 0, std::memory_order_relaxed);
    {
        const Guard guard(hooks_lock, Guard::Try{});
        if (guard || hooks_lock.held_by_me())
            return;
    }
    hooks_lock.reset();
    const Subscribers *const list = subscribers_in_force.load(std::memory_order_relaxed);
    every_call_wanted.store(list != nullptr && list->on_every_call != 0, std::memory_order_relaxed);
    samples_wanted.store(list != nullptr && list->on_samples != 0, std::memory_order_relaxed);
    show_to_all(list);
    if (list == nullptr || list->on_every_call == 0)
        asked_sizes.clear();
    sampler.forget(list != nullptr && list->on_samples != 0 ? static_cast<SubscriberMask>(~list->on_samples)
                                                            : every_subscriber);
}

} // namespace fastalloc
