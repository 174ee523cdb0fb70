// SPDX-License-Identifier: MIT
//
// signals.c - signal handlers interrupt threads that allocate, anywhere and often: `signals [SEED [SECONDS]]`. Signals
// come from a timer of each thread and from a thread that does nothing else. The handlers make calls that a handler
// may make, fork and _exit among them; then also those that it may not, malloc and free, which must at least not hang.
#include <sys/resource.h>
#include <sys/syscall.h>

#include "../support.h"

#include "../children.h"
#include "../parcel.h"

#include "storm.h"

static void (*answer)(void); // what a handler does
static unsigned answers;

static __thread int is_forked_child;

static void handle(int signal)
{
    const int saved_errno = errno;
    (void)signal;
    __atomic_fetch_add(&answers, 1, __ATOMIC_RELAXED);
    answer();
    errno = saved_errno;
}

static void install_handlers(void (*body)(void))
{
    struct sigaction action;
    answer = body;
    memset(&action, 0, sizeof action);
    action.sa_handler = handle;
    action.sa_flags = SA_RESTART;
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGUSR2, &action, NULL);
}

// A timer for the calling thread, at an interval around 100 us that no two threads share.
static timer_t start_timer(uint64_t random)
{
    timer_t timer;
    struct sigevent event;
    memset(&event, 0, sizeof event);
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = SIGUSR1;
#ifdef sigev_notify_thread_id
    event.sigev_notify_thread_id = (pid_t)syscall(SYS_gettid);
#else
    event._sigev_un._tid = (pid_t)syscall(SYS_gettid);
#endif
    const long nanoseconds = 50000 + (long)(next_random(&random) % 100000);
    const struct itimerspec interval = {{0, nanoseconds}, {0, nanoseconds}};
    require(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    require(timer_settime(timer, 0, &interval, NULL) == 0);
    return timer;
}

// What a process that was forked by a handler does once the interrupted call is over.
static void live_as_child(void)
{
    signal(SIGUSR1, SIG_IGN);
    clear_shelf(&common);
    exchange_parcels(&common, seed_of_run, 50, 12);
    clear_shelf(&common);
    require_whole_heap();
    _exit(requirements_unmet ? 1 : 0);
}

static void *work(void *argument)
{
    uint64_t random = seed_of_run ^ (uint64_t)(uintptr_t)argument << 32;
    timer_t timer = start_timer(random);
    while (!__atomic_load_n(&busy_stop, __ATOMIC_RELAXED))
    {
        exchange_parcels(&common, next_random(&random), 5, 13);
        if (is_forked_child)
            live_as_child();
    }
    timer_delete(timer);
    return NULL;
}

static unsigned forked, succeeded, forks_wanted;

// Longer where a busy machine has not come to fork as often as is wanted.
static int goes_on(double end)
{
    const double now = seconds_now();
    return now < end || (__atomic_load_n(&forked, __ATOMIC_RELAXED) < forks_wanted && now < end + 30);
}

static void send_signals_for(double seconds)
{
    const double end = seconds_now() + seconds;
    for (unsigned sent = 0; goes_on(end) && !requirements_unmet; sent++)
    {
        pthread_kill(busy[sent % busy_count], SIGUSR2);
        if (sent % 4 == 0)
        {
            const struct timespec moment = {0, 20000};
            nanosleep(&moment, NULL);
        }
    }
}

static void storm_over(unsigned workers, void *(*worker)(void *), void (*body)(void))
{
    answers = 0;
    install_handlers(body);
    start_busy_threads(workers, worker);
    send_signals_for(seconds_for_each);
    stop_busy_threads();
}

static void storm(unsigned workers, void (*body)(void))
{
    storm_over(workers, work, body);
}

// ---- handlers that do what they may --------------------------------------------------------------------------------

static void call_what_is_safe(void)
{
    struct timespec now;
    struct rusage usage;
    clock_gettime(CLOCK_MONOTONIC, &now);
    getrusage(RUSAGE_SELF, &usage);
    errno = (int)(now.tv_nsec % 100);
    char byte = 0;
    if (write(-1, &byte, 1) != -1)
        _exit(3);
}

static void handlers_interrupt_allocation_anywhere(void **state)
{
    (void)state;
    const struct fastalloc_stats before = stats_now();
    storm(3, call_what_is_safe);
    assert_true(answers > 100);
    print_message("# %u signals\n", answers);
    assert_nothing_is_lost(&before);
}

// Whether to fork now: one time in 32, while no child lives.
static int child_lives;

static int it_is_time_to_fork(void)
{
    return __atomic_load_n(&answers, __ATOMIC_RELAXED) % 32 == 0 &&
           __atomic_exchange_n(&child_lives, 1, __ATOMIC_ACQ_REL) == 0;
}

static void wait_for(pid_t child)
{
    __atomic_fetch_add(&forked, 1, __ATOMIC_RELAXED);
    if (child > 0 && status_of_child(child, 10) == 0)
        __atomic_fetch_add(&succeeded, 1, __ATOMIC_RELAXED);
    __atomic_store_n(&child_lives, 0, __ATOMIC_RELEASE);
}

// The child goes on with what was interrupted.
static void fork_at_times(void)
{
    if (!it_is_time_to_fork())
        return;
    const pid_t child = fork();
    if (child == 0)
        is_forked_child = 1;
    else
        wait_for(child);
}

// As _Fork does: no handlers of fork, and a child that does not allocate.
static void clone_at_times(void)
{
    if (!it_is_time_to_fork())
        return;
    const pid_t child = (pid_t)syscall(SYS_clone, (long)SIGCHLD, 0L, 0L, 0L, 0L);
    if (child == 0)
        _exit(0);
    wait_for(child);
}

static void assert_all_children_succeed(unsigned workers, void *(*worker)(void *), void (*body)(void))
{
    const struct fastalloc_stats before = stats_now();
    forked = succeeded = 0;
    forks_wanted = 3;
    storm_over(workers, worker, body);
    forks_wanted = 0;
    print_message("# %u forks in %u signals\n", forked, answers);
    assert_true(forked >= 3);
    assert_int_equal(succeeded, forked);
    assert_nothing_is_lost(&before);
}

static void handlers_of_the_only_thread_that_allocates_may_fork(void **state)
{
    (void)state;
    assert_all_children_succeed(1, work, fork_at_times);
}

// The interrupted call and those after it: where another thread held a lock, there may be no memory, but an answer.
static void *work_or_fail_in_the_child(void *argument)
{
    uint64_t random = seed_of_run ^ (uint64_t)(uintptr_t)argument << 32;
    timer_t timer = start_timer(random);
    for (unsigned left = 200; left != 0 && !__atomic_load_n(&busy_stop, __ATOMIC_RELAXED); left -= is_forked_child != 0)
    {
        struct parcel *parcel = make_parcel(random_size(&random, 15), random);
        require(parcel != NULL || is_forked_child);
        open_parcel(exchange_parcel(&common, next_random(&random), parcel));
    }
    if (is_forked_child)
        _exit(requirements_unmet ? 1 : 0);
    timer_delete(timer);
    return NULL;
}

static void handlers_of_any_thread_may_fork(void **state)
{
    (void)state;
    assert_all_children_succeed(3, work_or_fail_in_the_child, fork_at_times);
}

static void handlers_of_any_thread_may_fork_without_the_handlers_of_fork(void **state)
{
    (void)state;
    assert_all_children_succeed(3, work, clone_at_times);
}

static void leave(void)
{
    _exit(7);
}

static void work_until_a_signal_ends_it(void *argument)
{
    uint64_t random = *(uint64_t *)argument;
    install_handlers(leave);
    start_busy_threads(2, exchange_until_told);
    const struct itimerspec once = {{0, 0}, {0, 1000 + (long)(next_random(&random) % 2000000)}};
    timer_t timer;
    struct sigevent event;
    memset(&event, 0, sizeof event);
    event.sigev_signo = SIGUSR1;
    timer_create(CLOCK_MONOTONIC, &event, &timer);
    timer_settime(timer, 0, &once, NULL);
    exchange_until_told((void *)9);
}

static void handlers_may_end_the_process(void **state)
{
    (void)state;
    uint64_t random = seed_of_run;
    const double end = seconds_now() + seconds_for_each;
    unsigned ended = 0;
    for (; seconds_now() < end; ended++)
    {
        uint64_t child_seed = next_random(&random);
        const int status = run_child(work_until_a_signal_ends_it, &child_seed, 10);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    }
    print_message("# %u processes\n", ended);
}

// ---- handlers that do what they may not ---------------------------------------------------------------------------

// One block at a time, of any size: what a handler frees is what it got.
static void allocate_one_block(void)
{
    static __thread uint64_t random;
    if (random == 0)
        random = seed_of_run;
    struct parcel *parcel = make_parcel(random_size(&random, 19), random);
    if (!parcel && errno != ENOMEM)
        _exit(4);
    open_parcel(parcel);
}

static void allocate_in_handlers(void *argument)
{
    (void)argument;
    storm(3, allocate_one_block);
    clear_shelf(&common);
    require_whole_heap();
}

// What the handler does is wrong, and may show; but the process comes to its end.
static void a_handler_that_allocates_does_not_hang(void **state)
{
    (void)state;
    const int status = run_child(allocate_in_handlers, NULL, (unsigned)seconds_for_each + 20);
    print_message("# wait status 0x%x\n", (unsigned)status);
    assert_false(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

int main(int count, char **arguments)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handlers_interrupt_allocation_anywhere),
        cmocka_unit_test(handlers_of_the_only_thread_that_allocates_may_fork),
        cmocka_unit_test(handlers_of_any_thread_may_fork),
        cmocka_unit_test(handlers_of_any_thread_may_fork_without_the_handlers_of_fork),
        cmocka_unit_test(handlers_may_end_the_process),
        cmocka_unit_test(a_handler_that_allocates_does_not_hang),
    };
    begin_storm(count, arguments, sizeof tests / sizeof *tests);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
