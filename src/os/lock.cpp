// SPDX-License-Identifier: MIT
#include "os/lock.h"

#include <cerrno>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace fastalloc
{
namespace
{

// The thread between fork's prepare and parent or child handler, 0 if there is none. Written by that
// thread while it holds every lock; another thread never finds its own identity here.
constinit std::atomic<uintptr_t> forking_thread{0};

// A figure: it orders nothing.
constinit std::atomic<uint64_t> wait_count{0};

// Rounds of looking before sleeping: holders keep a lock for well below a microsecond.
constexpr int spins = 100;

void pause_cpu()
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

// A futex is 32 bits: the low half of the word, which holds the waiters bit on a little-endian machine.
uint32_t *futex_word(std::atomic<uintptr_t> &word)
{
    static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);
    return reinterpret_cast<uint32_t *>(&word);
}

} // namespace

Lock::Outcome Lock::try_lock()
{
    const uintptr_t self = thread_identity();
    uintptr_t expected = 0;
    if (word_.compare_exchange_strong(expected, self))
        return taken();
    if ((expected & ~marks) == given_up)
        return Outcome::interrupted;
    if ((expected & ~marks) == self)
        return passes_now() ? Outcome::passed : Outcome::interrupted;
    return Outcome::busy;
}

Lock::Outcome Lock::lock_slow(MayWait may_wait)
{
    const uintptr_t self = thread_identity();
    for (int spin = 0; spin < spins; ++spin)
    {
        const Outcome outcome = try_lock();
        if (outcome != Outcome::busy)
            return outcome;
        if (spin == 0)
            wait_count.fetch_add(1, std::memory_order_relaxed);
        pause_cpu();
    }
    if (may_wait != nullptr && !may_wait())
        return Outcome::interrupted;
    const int saved_errno = errno;
    // From here on the word is taken with the waiters bit set: others may sleep behind us.
    for (;;)
    {
        uintptr_t seen = word_.load(std::memory_order_relaxed);
        if (seen == 0)
        {
            if (word_.compare_exchange_strong(seen, self | waiters))
                break;
            continue;
        }
        if ((seen & ~marks) == given_up) // by a fork in a signal handler, in whose child this goes on
        {
            errno = saved_errno;
            return Outcome::interrupted;
        }
        if (!(seen & waiters) && !word_.compare_exchange_strong(seen, seen | waiters))
            continue;
        syscall(SYS_futex, futex_word(word_), FUTEX_WAIT_PRIVATE, static_cast<uint32_t>(seen | waiters), nullptr,
                nullptr, 0);
    }
    errno = saved_errno;
    return taken();
}

uint64_t Lock::waits()
{
    return wait_count.load(std::memory_order_relaxed);
}

void Lock::wake_one()
{
    const int saved_errno = errno;
    syscall(SYS_futex, futex_word(word_), FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
    errno = saved_errno;
}

bool Lock::take_for(Purpose purpose)
{
    if (lock() != Outcome::taken)
        return false;
    word_.fetch_or(static_cast<uintptr_t>(purpose), std::memory_order_relaxed);
    return true;
}

bool Lock::try_take_for(Purpose purpose)
{
    Outcome outcome = try_lock();
    for (int attempt = 0; attempt < spins && outcome == Outcome::busy; ++attempt)
    {
        sched_yield();
        outcome = try_lock();
    }
    if (outcome != Outcome::taken)
        return false;
    word_.fetch_or(static_cast<uintptr_t>(purpose), std::memory_order_relaxed);
    return true;
}

bool Lock::is_taken_for(Purpose purpose) const
{
    return held_by_me() && (word_.load(std::memory_order_relaxed) & static_cast<uintptr_t>(purpose)) != 0;
}

void Lock::unlock_if_taken_for(Purpose purpose)
{
    if (is_taken_for(purpose))
        unlock();
}

void Lock::give_up_if_held()
{
    if (word_.load(std::memory_order_relaxed) != 0 && !held_by_me())
        word_.store(given_up, std::memory_order_relaxed);
}

void Lock::begin_fork()
{
    forking_thread.store(thread_identity(), std::memory_order_relaxed);
}

bool Lock::passes_now()
{
    return forking_thread.load(std::memory_order_relaxed) == thread_identity();
}

void Lock::end_fork()
{
    forking_thread.store(0, std::memory_order_relaxed);
}

} // namespace fastalloc
