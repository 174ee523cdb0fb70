// SPDX-License-Identifier: MIT
//
// Background: the thread that lets time pass while no other thread calls, if the program wants one.
//
// It is started by a setting, before main or when the program changes it, never by malloc. It calls let_time_pass()
// every half-life and sleeps in between, all signals blocked; it never allocates, so it has no arena. A fork leaves it
// behind; the child starts another one, unless a signal handler forked that had interrupted the allocator.
//
// Owner: its mutex, which start() and obey() hold, not to be cancelled meanwhile; in the child of a fork it is new. The
// program's callbacks run under it, for libc allocates what a thread has, and in the thread that one who holds it waits
// for: they are refused what takes it, and whatever else they may call takes it not.
#pragma once

#include "os/options.h"

#include <atomic>
#include <cstdint>
#include <pthread.h>
#include <sys/types.h>

namespace fastalloc
{

class Background
{
public:
    // 0, or -1 and errno EAGAIN.
    int start();

    // Makes that the setting, and starts the thread or ends it and waits for its end. 0, or -1 and the setting is what it
    // was: errno EAGAIN; EDEADLK for callbacks in that thread, or in one that is starting or ending it.
    int obey(BackgroundThread wanted);

    // The half-life is another one. Takes no lock.
    void look_again();

    void after_fork_in_child(bool may_start);

private:
    int start_locked();
    void stop_locked();
    void run();
    void call(uint32_t change);

    pthread_mutex_t mutex_ = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
    pthread_t thread_{};

    // Stored by the thread itself, which alone looks for its own number, and 0 once it has ended (relaxed).
    std::atomic<pid_t> thread_id_{0};

    std::atomic<bool> runs_{false}; // written under the mutex, read in the child of a fork (relaxed)

    // A futex, which changes with each call: the end is one bit of it, the others count. Added by the caller (release),
    // read by the thread and by who starts it (acquire).
    std::atomic<uint32_t> calls_{0};
};

extern Background background;

} // namespace fastalloc
