// SPDX-License-Identifier: MIT
//
// children.h - tests that need a process of their own: a forked child, or a program started anew. A test program
// starts itself again, so that the child is in the same arm (linked, preloaded, static); main() looks at its arguments
// before it runs the group. Include after support.h.
#ifndef TESTS_CHILDREN_H
#define TESTS_CHILDREN_H

#include "emulator.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

// Forks; the child runs `body` and exits with 0, or with 1 if a requirement was not met. Returns the child's id.
static inline pid_t start_child(void (*body)(void *), void *argument)
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0)
    {
        __atomic_store_n(&requirements_unmet, 0, __ATOMIC_RELAXED); // those are the parent's
        body(argument);
        _exit(__atomic_load_n(&requirements_unmet, __ATOMIC_RELAXED) ? 1 : 0);
    }
    return child;
}

// The wait status of a child, -1 if there is none. One that has not ended after `seconds` is killed. The parent keeps
// the time: a child may hang before fork has returned in it.
static inline int status_of_child(pid_t child, unsigned seconds)
{
    int status = -1;
    struct timespec now, end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += seconds;
    for (long pause = 20000; child > 0;)
    {
        pid_t ended = waitpid(child, &status, WNOHANG);
        if (ended == child)
            return status;
        clock_gettime(CLOCK_MONOTONIC, &now);
        if (ended == 0 && now.tv_sec > end.tv_sec)
        {
            fprintf(stderr, "# child %d hangs and is killed\n", (int)child);
            kill(child, SIGKILL);
            waitpid(child, &status, 0);
            return status;
        }
        if (ended < 0 && errno != EINTR)
            return -1;
        struct timespec wait = {0, pause};
        nanosleep(&wait, NULL);
        pause = pause < 1000000 ? pause * 2 : pause;
    }
    return -1;
}

static inline int run_child(void (*body)(void *), void *argument, unsigned seconds)
{
    return status_of_child(start_child(body, argument), seconds);
}

// What a program that ran to its end left behind; texts are cut at the size of their arrays.
struct finished_program
{
    int status;
    char output[4096];
    char errors[4096];
};

static inline void read_text(int file, char *text, size_t bytes)
{
    ssize_t length = pread(file, text, bytes - 1, 0);
    text[length > 0 ? length : 0] = 0;
    remove_emulators_line(text);
    close(file);
}

// Starts arguments[0] (a path) and waits for it. `prepare`, if not NULL, runs in the child before exec, with its output
// already redirected. Killed after `seconds`.
static inline void run_program(struct finished_program *finished, char *const arguments[], void (*prepare)(void),
                               unsigned seconds)
{
    int output = memfd_create("output", MFD_CLOEXEC);
    int errors = memfd_create("errors", MFD_CLOEXEC);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0)
    {
        dup2(output, STDOUT_FILENO);
        dup2(errors, STDERR_FILENO);
        if (prepare)
            prepare();
        execv(arguments[0], arguments);
        _exit(127);
    }
    finished->status = status_of_child(child, seconds);
    read_text(output, finished->output, sizeof finished->output);
    read_text(errors, finished->errors, sizeof finished->errors);
}

// The path of this program; set by main().
static char *own_path;

// Starts this program again with up to two arguments (NULL ends them earlier).
static inline void run_self(struct finished_program *finished, const char *first, const char *second,
                            void (*prepare)(void))
{
    char *arguments[] = {own_path, (char *)first, (char *)second, NULL};
    run_program(finished, arguments, prepare, 60);
}

// Fails with what the program wrote unless it ended with exit status 0.
static inline void assert_succeeded(const struct finished_program *finished)
{
    if (finished->status != 0)
        fail_msg("wait status 0x%x, standard error: %s", (unsigned)finished->status, finished->errors);
}

// ---- modes: what a test program does when it is started anew with a name and a setting ---------------------------------

struct mode
{
    const char *name;
    void (*body)(void);
    const char *settings; // FASTALLOC_CONF
};

// Starts this program again for a mode and fails unless all that it requires is so.
static inline void assert_mode_succeeds(const struct mode *mode)
{
    struct finished_program finished;
    setenv("FASTALLOC_CONF", mode->settings, 1);
    run_self(&finished, mode->name, NULL, NULL);
    unsetenv("FASTALLOC_CONF");
    assert_succeeded(&finished);
}

// Called by main() before it runs its group: does not return if the program was started for one of the modes.
static inline void run_mode(const struct mode *modes, size_t mode_count, int count, char **arguments)
{
    own_path = arguments[0];
    for (size_t index = 0; count > 1 && index < mode_count; index++)
        if (strcmp(arguments[1], modes[index].name) == 0)
        {
            modes[index].body();
            exit(__atomic_load_n(&requirements_unmet, __ATOMIC_RELAXED) ? 1 : 0);
        }
}

#endif // TESTS_CHILDREN_H
