// SPDX-License-Identifier: MIT
//
// background_thread.c - the thread in the background: there when it is asked for and not otherwise, it gives memory back
// while the program sleeps, takes no signal, and is there again after a fork. The program starts itself with a setting.
#include "../support.h"

#include "../children.h"

#include "threads.h"

static size_t idle_bytes(void)
{
    struct fastalloc_stats stats;
    require(fastalloc_get_stats(&stats, sizeof stats) == 0);
    return stats.idle_bytes;
}

// Leaves a few MiB of idle memory, less than the bound.
static void leave_idle_memory(void)
{
    enum
    {
        count = 1200
    };
    void *blocks[count];
    for (int index = 0; index < count; index++)
        blocks[index] = memset(malloc(4096), 1, 4096);
    for (int index = 0; index < count; index++)
        free(blocks[index]);
}

static void start_and_stop(void)
{
    leave_idle_memory();
    require_threads(1);
    sleep_milliseconds(400);
    require(idle_bytes() > 2 * mib); // nobody lets time pass
    require(fastalloc_background_thread_start() == 0);
    require(fastalloc_background_thread_start() == 0);
    require_threads(2);
    sleep_milliseconds(3000);
    require(idle_bytes() < mib);
    require(fastalloc_background_thread_stop() == 0);
    require(fastalloc_background_thread_stop() == 0);
    require_threads(1);
    require(fastalloc_background_thread_start() == 0);
    require_threads(2);
    require_whole_heap();
}

static void fork_and_look(void)
{
    require_threads(2);
    leave_idle_memory();
    pid_t child = fork();
    if (child == 0)
    {
        require_threads(2);
        sleep_milliseconds(3000);
        require(idle_bytes() < mib);
        require_whole_heap();
        require(fastalloc_background_thread_stop() == 0);
        require_threads(1);
        pid_t grandchild = fork();
        if (grandchild == 0)
        {
            require_threads(1);
            _exit(requirements_unmet ? 1 : 0);
        }
        require(status_of_child(grandchild, 10) == 0);
        _exit(requirements_unmet ? 1 : 0);
    }
    require(status_of_child(child, 20) == 0);
    require_threads(2);
}

static volatile sig_atomic_t taken_by;

static void take_signal(int signal)
{
    (void)signal;
    taken_by = (sig_atomic_t)gettid();
}

static void send_signals(void)
{
    require_threads(2);
    signal(SIGUSR1, take_signal);
    for (int round = 0; round < 200; round++)
    {
        taken_by = 0;
        kill(getpid(), SIGUSR1);
        require(taken_by == (sig_atomic_t)getpid()); // at once, for nobody else may take it
    }
    sigset_t blocked;
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    require(!sigismember(&blocked, SIGUSR1));
}

enum
{
    without,
    with_forks,
    with_signals,
    mode_count
};
static const struct mode modes[mode_count] = {
    [without] = {"start_and_stop", start_and_stop, "demand_half_life=50ms"},
    [with_forks] = {"fork_and_look", fork_and_look, "background_thread=on,demand_half_life=50ms"},
    [with_signals] = {"send_signals", send_signals, "background_thread=on"},
};

static void it_runs_when_asked_and_gives_back_what_is_idle(void **state)
{
    (void)state;
    assert_mode_succeeds(&modes[without]);
}

static void a_forked_child_has_one_if_its_parent_has(void **state)
{
    (void)state;
    assert_mode_succeeds(&modes[with_forks]);
}

static void signals_go_to_other_threads(void **state)
{
    (void)state;
    assert_mode_succeeds(&modes[with_signals]);
}

int main(int count, char **arguments)
{
    run_mode(modes, mode_count, count, arguments);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_runs_when_asked_and_gives_back_what_is_idle),
        cmocka_unit_test(a_forked_child_has_one_if_its_parent_has),
        cmocka_unit_test(signals_go_to_other_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
