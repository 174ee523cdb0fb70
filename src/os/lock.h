// SPDX-License-Identifier: MIT
//
// Lock: a mutual exclusion that knows its holder.
//
// One word: 0 when free, else the holder's thread pointer, bit 0 set when somebody may sleep on it, a bit of its own
// when it was taken with all others for one purpose. The thread pointer is the same in the child of a fork, so a lock
// taken before fork belongs to the child's one thread after it. A thread that meets a lock it holds itself is a signal
// handler that interrupted the holder: it must not wait, and is told `Outcome::interrupted`. So is everybody who meets
// a lock whose holder a fork has left behind. While a thread passes through fork's handlers it holds every lock and is
// let through: `Outcome::passed`, and unlocking is left to the fork handlers.
//
// Pairing: the exchange in unlock (release) with the compare-and-swap in lock and try_lock (acquire). Both
// are sequentially consistent so that whoever fails to take a lock knows that the holder will see, after
// unlocking, what was stored before the attempt (the inbox relies on it, arena/remote.cpp). tests/models/lock.cpp
// checks this protocol.
#pragma once

#include "base/hints.h"

#include <atomic>
#include <cstdint>

namespace fastalloc
{

// The calling thread's identity: its thread pointer, never 0, a multiple of 16.
FASTALLOC_INLINE uintptr_t thread_identity()
{
#if defined(__x86_64__)
    uintptr_t self;
    asm("mov %%fs:0, %0" : "=r"(self));
    return self;
#else
    return reinterpret_cast<uintptr_t>(__builtin_thread_pointer());
#endif
}

class Lock
{
public:
    enum class Outcome
    {
        taken,       // unlock must follow
        passed,      // this thread is between fork's prepare and its parent or child handler
        interrupted, // a signal handler, which must not wait: this thread holds it already; or its holder is gone
        busy,        // try_lock only: somebody else has it
    };

    // Whether the calling thread may wait for a lock that another has. Not a signal handler that interrupted a holder of
    // a lock that does not come earlier in the order: whoever has this one may be waiting for that one. Asked after some
    // rounds of looking.
    using MayWait = bool (*)();

    // Where `may_wait` says no, a busy lock is `interrupted`.
    FASTALLOC_INLINE Outcome lock(MayWait may_wait = nullptr)
    {
        uintptr_t expected = 0;
        if (FASTALLOC_LIKELY(word_.compare_exchange_strong(expected, thread_identity())))
            return taken();
        return lock_slow(may_wait);
    }

    Outcome try_lock();

    FASTALLOC_INLINE void unlock()
    {
        if (FASTALLOC_UNLIKELY(word_.exchange(0) & waiters))
            wake_one();
    }

    bool held_by_me() const
    {
        return (word_.load(std::memory_order_relaxed) & ~marks) == thread_identity();
    }

    // How often it was taken. Requires: held.
    uint64_t times_taken() const
    {
        return times_taken_;
    }

    // How often any lock was found held by another thread that was then waited for.
    static uint64_t waits();

    // Why all locks are taken at once. A handler may fork while the call it interrupted stands with all locks taken.
    enum class Purpose : uintptr_t
    {
        standstill = 2,
        fork = 4,
    };

    // Not if this thread holds it already. Returns whether it took it; try_take_for does not wait for long.
    bool take_for(Purpose purpose);
    bool try_take_for(Purpose purpose);
    bool is_taken_for(Purpose purpose) const; // by this thread
    void unlock_if_taken_for(Purpose purpose);

    // In the child of a fork, a lock that has lost its holder. Nothing has happened under it yet: it is free.
    void reset()
    {
        word_.store(0, std::memory_order_relaxed);
    }

    // The same where its holder was in the middle of something: nobody gets it any more, and nobody waits for it.
    void give_up_if_held();

    // Fork's handlers only: between these the calling thread passes through locks it holds.
    static void begin_fork();
    static void end_fork();

    // Whether the calling thread is between them.
    static bool passes_now();

private:
    friend struct LayoutMaker; // heap/layout.h
    static constexpr uintptr_t waiters = 1;
    static constexpr uintptr_t marks = 7;
    static constexpr uintptr_t given_up = 8; // the holder's place; no identity

    FASTALLOC_INLINE Outcome taken()
    {
        ++times_taken_;
        return Outcome::taken;
    }

    FASTALLOC_SLOW Outcome lock_slow(MayWait may_wait);
    FASTALLOC_SLOW void wake_one();

    std::atomic<uintptr_t> word_{0};
    uint64_t times_taken_ = 0; // by the holder only
};

// Holds a lock for a scope. Test it: it is false where the lock was not obtained.
class Guard
{
public:
    FASTALLOC_INLINE explicit Guard(Lock &lock, Lock::MayWait may_wait = nullptr)
        : lock_(lock), outcome_(lock.lock(may_wait))
    {
    }

    struct Try
    {
    };

    Guard(Lock &lock, Try) : lock_(lock), outcome_(lock.try_lock())
    {
    }

    FASTALLOC_INLINE ~Guard()
    {
        if (outcome_ == Lock::Outcome::taken)
            lock_.unlock();
    }

    Guard(const Guard &) = delete;
    Guard &operator=(const Guard &) = delete;

    explicit operator bool() const
    {
        return outcome_ == Lock::Outcome::taken || outcome_ == Lock::Outcome::passed;
    }

private:
    Lock &lock_;
    Lock::Outcome outcome_;
};

} // namespace fastalloc
