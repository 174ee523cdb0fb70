// SPDX-License-Identifier: MIT
//
// threads.h - how many threads this process has. Include after support.h.
#ifndef TESTS_API_THREADS_H
#define TESTS_API_THREADS_H

#include <dirent.h>

static inline int threads_now(void)
{
    int count = -2; // . and ..
    DIR *tasks = opendir("/proc/self/task");
    while (tasks && readdir(tasks))
        count++;
    closedir(tasks);
    return count;
}

// A thread that was told to end may be seen for a moment longer.
static inline void require_threads(int wanted)
{
    for (int attempt = 0; attempt < 200 && threads_now() != wanted; attempt++)
        sleep_milliseconds(5);
    require(threads_now() == wanted);
}

#endif // TESTS_API_THREADS_H
