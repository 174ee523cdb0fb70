// SPDX-License-Identifier: MIT
//
// Background: the thread that lets time pass while no other thread calls, if the program wants one.
//
// It is started by a setting, before main or when the program changes it, never by malloc. It calls let_time_pass()
// every half-life and sleeps in between, all signals blocked; it never allocates, so it has no arena. A fork leaves it
// behind; the child starts another one, unless a signal handler forked that had interrupted the allocator.
//
// Owner: its mutex, which start() and obey() hold; in the child of a fork it is new.
#pragma once

#include "os/options.h"

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

    // Makes that the setting, and starts the thread or ends it and waits for its end. 0, or -1 and errno EAGAIN, and the
    // setting is what it was.
    int obey(BackgroundThread wanted);

    // The half-life is another one.
    void look_again();

    void after_fork_in_child(bool may_start);

private:
    int start_locked();
    void stop_locked();
    void run();
    void call(uint32_t change);

    pthread_mutex_t mutex_ = PTHREAD_MUTEX_INITIALIZER;
    pthread_t thread_{};
    std::atomic<bool> runs_{false}; // written under the mutex, read in the child of a fork (relaxed)

    // A futex, which changes with each call: the end is one bit of it, the others count. Added by the caller (release),
    // read by the thread (acquire).
    std::atomic<uint32_t> calls_{0};
};

extern Background background;

} // namespace fastalloc
