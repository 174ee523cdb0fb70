// SPDX-License-Identifier: MIT
//
// Background: the thread that lets time pass while no other thread calls, if the program wants one.
//
// It is started by a call or by a setting before main, never by malloc. It calls let_time_pass() every half-life and
// sleeps in between, all signals blocked; it never allocates, so it has no arena. A fork leaves it behind; the child
// starts another one, unless a signal handler forked that had interrupted the allocator.
//
// Owner: its mutex, which start() and stop() hold; in the child of a fork it is new.
#pragma once

#include <atomic>
#include <cstdint>
#include <pthread.h>

namespace fastalloc
{

class Background
{
public:
    // 0, or -1 and errno EAGAIN.
    int start();

    // 0.
    int stop();

    void after_fork_in_child(bool may_start);

private:
    int start_locked();
    void run();

    pthread_mutex_t mutex_ = PTHREAD_MUTEX_INITIALIZER;
    pthread_t thread_{};
    std::atomic<bool> runs_{false};      // written under the mutex, read in the child of a fork (relaxed)
    std::atomic<uint32_t> is_to_end_{0}; // a futex; stop() stores (release), the thread reads (acquire)
};

extern Background background;

} // namespace fastalloc
