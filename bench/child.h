// SPDX-License-Identifier: MIT
//
// child.h - processes that a program of the benchmark starts and waits for
#ifndef CHILD_H
#define CHILD_H

#include "bench.h"

#include <spawn.h>
#include <sys/wait.h>

// "NAME=value" for an environment.
static inline char *child_setting(const char *name, const char *value)
{
    const size_t bytes = strlen(name) + strlen(value) + 2;
    char *text = bench_array(1, bytes);
    snprintf(text, bytes, "%s=%s", name, value);
    return text;
}

// Starts `program` and waits until it has ended; fails unless it ended well.
static inline void child_run(const char *program, char *const *arguments, char *const *environment)
{
    pid_t process;
    int status;
    const int error = posix_spawn(&process, program, NULL, NULL, arguments, environment);
    if (error != 0)
        bench_fail("%s: %s", program, strerror(error));
    if (waitpid(process, &status, 0) != process)
        bench_fail("waitpid: %s", strerror(errno));
    if (WIFSIGNALED(status))
        bench_fail("%s was ended by signal %d", program, WTERMSIG(status));
    if (status != 0)
        bench_fail("%s ended with status %d", program, WEXITSTATUS(status));
}

#endif
