// SPDX-License-Identifier: MIT
#include "api/background.h"

#include "arena/purge.h"
#include "base/config.h"

#include <cerrno>
#include <csignal>
#include <ctime>
#include <linux/futex.h>
#include <new>
#include <sys/syscall.h>
#include <unistd.h>

namespace fastalloc
{

constinit Background background;

namespace
{

// Besides frames of a few hundred bytes libc puts the thread-local storage of all libraries there.
constexpr size_t stack_bytes = 256 * kibibyte;

// What is added to calls_.
constexpr uint32_t end_call = 1;
constexpr uint32_t other_call = 2;

int refuse(int reason)
{
    errno = reason;
    return -1;
}

pid_t own_thread_id()
{
    return static_cast<pid_t>(syscall(SYS_gettid));
}

// Holds the mutex, unless this thread does already. Who waits for a thread could be cancelled.
class Turn
{
public:
    explicit Turn(pthread_mutex_t &mutex) : mutex_(mutex)
    {
        pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state_);
        has_come_ = pthread_mutex_lock(&mutex_) == 0;
    }

    ~Turn()
    {
        if (has_come_)
            pthread_mutex_unlock(&mutex_);
        pthread_setcancelstate(cancel_state_, nullptr);
    }

    Turn(const Turn &) = delete;
    Turn &operator=(const Turn &) = delete;

    bool has_come() const
    {
        return has_come_;
    }

private:
    pthread_mutex_t &mutex_;
    int cancel_state_ = PTHREAD_CANCEL_ENABLE;
    bool has_come_;
};

} // namespace

void Background::run()
{
    thread_id_.store(own_thread_id(), std::memory_order_relaxed);
    uint32_t seen;
    while (((seen = calls_.load(std::memory_order_acquire)) & end_call) == 0)
    {
        const uint64_t period_ms = options().demand_half_life;
        const timespec period{static_cast<time_t>(period_ms / 1000), static_cast<long>(period_ms % 1000 * 1'000'000)};
        let_time_pass();
        syscall(SYS_futex, &calls_, FUTEX_WAIT_PRIVATE, seen, &period, nullptr, 0);
    }
}

void Background::call(uint32_t change)
{
    calls_.fetch_add(change, std::memory_order_release);
    syscall(SYS_futex, &calls_, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

int Background::start_locked()
{
    if (runs_.load(std::memory_order_relaxed))
        return 0;
    calls_.fetch_and(~end_call, std::memory_order_acquire);
    sigset_t all;
    sigset_t before;
    pthread_attr_t attributes;
    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, stack_bytes);
    pthread_sigmask(SIG_SETMASK, &all, &before); // the new thread inherits it
    const auto body = [](void *self) -> void * {
        static_cast<Background *>(self)->run();
        return nullptr;
    };
    const int error = pthread_create(&thread_, &attributes, body, this);
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    pthread_attr_destroy(&attributes);
    if (error != 0)
        return refuse(EAGAIN);
    pthread_setname_np(thread_, "fastalloc");
    runs_.store(true, std::memory_order_relaxed);
    return 0;
}

int Background::start()
{
    const Turn turn(mutex_);
    return start_locked();
}

void Background::stop_locked()
{
    if (!runs_.load(std::memory_order_relaxed))
        return;
    call(end_call);
    pthread_join(thread_, nullptr);
    thread_id_.store(0, std::memory_order_relaxed); // the number may be another thread's from now on
    runs_.store(false, std::memory_order_relaxed);
}

int Background::obey(BackgroundThread wanted)
{
    // Before its turn: somebody may have that and wait for this thread.
    if (thread_id_.load(std::memory_order_relaxed) == own_thread_id())
        return refuse(EDEADLK);
    const Turn turn(mutex_);
    if (!turn.has_come())
        return refuse(EDEADLK);
    int result = 0;
    if (wanted == BackgroundThread::on)
        result = start_locked();
    else
        stop_locked();
    if (result == 0)
        change_option(*find_option("background_thread"), static_cast<uint64_t>(wanted));
    return result;
}

// Whether the thread is there is not asked: one that is being started may have read the old half-life already.
void Background::look_again()
{
    call(other_call);
}

void Background::after_fork_in_child(bool may_start)
{
    const bool ran = runs_.load(std::memory_order_relaxed);
    new (this) Background;
    if (ran && may_start)
        start();
}

} // namespace fastalloc
