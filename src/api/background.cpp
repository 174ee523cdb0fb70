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

} // namespace

void Background::run()
{
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
    calls_.store(0, std::memory_order_relaxed);
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
    {
        errno = EAGAIN;
        return -1;
    }
    pthread_setname_np(thread_, "fastalloc");
    runs_.store(true, std::memory_order_relaxed);
    return 0;
}

int Background::start()
{
    pthread_mutex_lock(&mutex_);
    const int result = start_locked();
    pthread_mutex_unlock(&mutex_);
    return result;
}

void Background::stop_locked()
{
    if (!runs_.load(std::memory_order_relaxed))
        return;
    call(end_call);
    pthread_join(thread_, nullptr);
    runs_.store(false, std::memory_order_relaxed);
}

int Background::obey(BackgroundThread wanted)
{
    pthread_mutex_lock(&mutex_);
    int result = 0;
    if (wanted == BackgroundThread::on)
        result = start_locked();
    else
        stop_locked();
    if (result == 0)
        change_option(*find_option("background_thread"), static_cast<uint64_t>(wanted));
    pthread_mutex_unlock(&mutex_);
    return result;
}

void Background::look_again()
{
    pthread_mutex_lock(&mutex_);
    if (runs_.load(std::memory_order_relaxed))
        call(other_call);
    pthread_mutex_unlock(&mutex_);
}

void Background::after_fork_in_child(bool may_start)
{
    const bool ran = runs_.load(std::memory_order_relaxed);
    new (this) Background;
    if (ran && may_start)
        start();
}

} // namespace fastalloc
