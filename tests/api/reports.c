// SPDX-License-Identifier: MIT
//
// reports.c - statistics that are printed without a call. stats_print=exit: once, behind everything the program prints at
// its end, and by children that end so, too. stats_signal: on each signal, whatever it interrupts, unless the program has
// the signal for itself. The program starts itself anew with the settings.
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>

#include "../support.h"

#include "../children.h"

static const char headline[] = "where the memory is";

static size_t occurrences(const char *text, const char *word)
{
    size_t count = 0;
    for (const char *at = text; (at = strstr(at, word)) != NULL; at++)
        count++;
    return count;
}

static void say(const char *text)
{
    require(write(STDERR_FILENO, text, strlen(text)) == (ssize_t)strlen(text));
}

// ---- at exit ---------------------------------------------------------------------------------------------------------

static void say_last(void)
{
    free(malloc(100));
    say("an atexit handler runs\n");
}

static void end_by_exit(void)
{
    atexit(say_last);
    exit(0);
}

static void end_by_return(void)
{
    atexit(say_last);
}

static void end_silently(void)
{
}

static void end_by_underscore_exit(void)
{
    _exit(0);
}

static void have_a_child_that_exits(void)
{
    fflush(NULL);
    const pid_t child = fork();
    if (child == 0)
        exit(0);
    require(status_of_child(child, 20) == 0);
    say("the child has ended\n");
    _exit(0);
}

static void run_with(struct finished_program *finished, const char *mode, const char *settings)
{
    setenv("FASTALLOC_CONF", settings, 1);
    run_self(finished, mode, NULL, NULL);
    unsetenv("FASTALLOC_CONF");
    assert_succeeded(finished);
}

static void statistics_come_behind_all_that_runs_at_exit(void **state)
{
    (void)state;
    struct finished_program finished;
    static const char *const ends[] = {"exit", "return"};
    for (size_t end = 0; end < 2; end++)
    {
        run_with(&finished, ends[end], "stats_print=exit");
        const char *last = strstr(finished.errors, "an atexit handler runs\n");
        assert_non_null(last);
        assert_int_equal(occurrences(finished.errors, headline), 1);
        assert_true(strstr(finished.errors, headline) > last);
        assert_non_null(strstr(finished.errors, "resident"));
    }
}

static void nothing_is_printed_without_the_setting_or_without_exit(void **state)
{
    (void)state;
    struct finished_program finished;
    run_with(&finished, "exit", "");
    assert_null(strstr(finished.errors, headline));
    run_with(&finished, "_exit", "stats_print=exit");
    assert_null(strstr(finished.errors, headline));
}

static void a_child_that_exits_prints_its_own(void **state)
{
    (void)state;
    struct finished_program finished;
    run_with(&finished, "child", "stats_print=exit");
    assert_int_equal(occurrences(finished.errors, headline), 1);
    assert_true(strstr(finished.errors, headline) < strstr(finished.errors, "the child has ended"));
}

static void close_standard_error(void)
{
    int ends[2];
    if (pipe(ends) != 0 || dup2(ends[1], STDERR_FILENO) < 0)
        _exit(1);
    close(ends[0]);
    close(ends[1]);
}

static void a_standard_error_without_a_reader_changes_nothing(void **state)
{
    (void)state;
    struct finished_program finished;
    setenv("FASTALLOC_CONF", "stats_print=exit", 1);
    run_self(&finished, "silent", NULL, close_standard_error);
    unsetenv("FASTALLOC_CONF");
    assert_succeeded(&finished);
}

// ---- on a signal -----------------------------------------------------------------------------------------------------

static volatile sig_atomic_t own_handler_calls;

static void count_call(int number)
{
    (void)number;
    own_handler_calls++;
}

// Runs before any constructor of a library.
static void handle_early(int count, char **arguments)
{
    struct sigaction own;
    memset(&own, 0, sizeof own);
    own.sa_handler = count_call;
    if (count > 1 && strcmp(arguments[1], "early") == 0)
        sigaction(SIGUSR2, &own, NULL);
}

__attribute__((section(".preinit_array"), used)) static void (*const early)(int, char **) = handle_early;

static struct sigaction present_for(int number)
{
    struct sigaction present;
    require(sigaction(number, NULL, &present) == 0);
    return present;
}

static void answers_and_keeps_errno(void)
{
    require((present_for(SIGUSR2).sa_flags & SA_RESTART) != 0);
    require(present_for(SIGUSR1).sa_handler == SIG_DFL);
    errno = 1234;
    raise(SIGUSR2);
    require(errno == 1234);
}

static void leaves_the_signal_alone(void)
{
    require(present_for(SIGUSR1).sa_handler == SIG_DFL && present_for(SIGUSR2).sa_handler == SIG_DFL);
}

static void leaves_ignored_signals_alone(void)
{
    require(present_for(SIGUSR2).sa_handler == SIG_IGN);
    raise(SIGUSR2);
}

static void leaves_early_handlers_alone(void)
{
    raise(SIGUSR2);
    require(own_handler_calls == 1);
}

static void later_handlers_win(void)
{
    signal(SIGUSR2, count_call);
    raise(SIGUSR2);
    require(own_handler_calls == 1);
}

static void a_signal_is_answered_by_statistics(void **state)
{
    (void)state;
    struct finished_program finished;
    run_with(&finished, "answers", "stats_signal=USR2");
    assert_int_equal(occurrences(finished.errors, headline), 1);
    run_with(&finished, "alone", "");
    assert_null(strstr(finished.errors, headline));
}

static void ignore_signal(void)
{
    signal(SIGUSR2, SIG_IGN);
}

static void a_signal_that_somebody_has_stays_his(void **state)
{
    (void)state;
    struct finished_program finished;
    static const char *const owners[] = {"early", "later"};
    for (size_t owner = 0; owner < 2; owner++)
    {
        run_with(&finished, owners[owner], "stats_signal=USR2");
        assert_null(strstr(finished.errors, headline));
    }
    setenv("FASTALLOC_CONF", "stats_signal=USR2", 1);
    run_self(&finished, "ignored", NULL, ignore_signal);
    unsetenv("FASTALLOC_CONF");
    assert_succeeded(&finished);
    assert_null(strstr(finished.errors, headline));
}

// ---- thousands of signals ----------------------------------------------------------------------------------------------

enum
{
    busy_threads = 2,
    signal_count = 1000,
    patience_seconds = 20
};

static atomic_int is_over;
static sem_t answer; // the end of a report was read

static atomic_uint reports_about; // of those, heads that say the allocator was interrupted

// Counts words in what comes out of a pipe, over the borders of what is read at once.
static void *count_reports(void *argument)
{
    static char text[1 << 14];
    static const char about[] = "inside a call of the allocator", end[] = "above 32 MiB and such";
    const int pipe_end = *(int *)argument;
    size_t kept = 0;
    ssize_t bytes;
    while ((bytes = read(pipe_end, text + kept, sizeof text - 1 - kept)) > 0)
    {
        text[kept + (size_t)bytes] = 0;
        char *rest = text;
        for (char *line; (line = strchr(rest, '\n')) != NULL; rest = line + 1)
        {
            *line = 0;
            atomic_fetch_add(&reports_about, strstr(rest, about) != NULL);
            if (strstr(rest, end) != NULL)
                sem_post(&answer);
        }
        kept = strlen(rest);
        memmove(text, rest, kept + 1);
    }
    return NULL;
}

static _Atomic(void *) passed_on[16]; // blocks that another thread frees

// One asks for statistics now and then, and so holds every lock; all take slow paths.
static void *be_busy(void *argument)
{
    const size_t number = (size_t)argument;
    uint64_t random = number;
    void *blocks[64] = {NULL};
    while (!atomic_load(&is_over))
    {
        struct fastalloc_stats stats;
        const uint64_t word = next_random(&random);
        if (number == 0 && word >> 61 == 0)
            require(fastalloc_get_stats(&stats, sizeof stats) == 0);
        free(atomic_exchange(&passed_on[word >> 8 & 15], blocks[word % 64]));
        blocks[word % 64] = malloc(random_size(&random, number == 1 ? 20 : 12));
        if (word >> 54 == 0)
            free(malloc(opaque_size(40 * mib)));
    }
    for (size_t index = 0; index < 64; index++)
        free(blocks[index]);
    return NULL;
}

static void answers_thousands(void)
{
    static int ends[2];
    pthread_t threads[busy_threads], reader;
    void *outside = malloc(opaque_size(40 * mib)); // so that a report has a last line of its own
    const int errors = dup(STDERR_FILENO);
    require(outside != NULL && pipe(ends) == 0 && dup2(ends[1], STDERR_FILENO) >= 0);
    close(ends[1]);
    sem_init(&answer, 0, 0);
    pthread_create(&reader, NULL, count_reports, &ends[0]);
    for (size_t number = 0; number < busy_threads; number++)
        pthread_create(&threads[number], NULL, be_busy, (void *)number);
    unsigned answered = 0;
    for (int comes = 1; comes && answered < signal_count; answered += comes)
    {
        struct timespec end;
        clock_gettime(CLOCK_REALTIME, &end);
        end.tv_sec += patience_seconds;
        pthread_kill(threads[answered % busy_threads], SIGUSR2);
        while (!(comes = sem_timedwait(&answer, &end) == 0) && errno == EINTR)
            ;
    }
    atomic_store(&is_over, 1);
    for (size_t number = 0; number < busy_threads; number++)
        pthread_join(threads[number], NULL);
    dup2(errors, STDERR_FILENO); // the last writer's end: the reader comes to its end
    pthread_join(reader, NULL);
    fprintf(stderr, "# %u signals answered, %u of them inside the allocator\n", answered, atomic_load(&reports_about));
    require(answered == signal_count);
    require(atomic_load(&reports_about) > 0);
    require_whole_heap();
    for (size_t index = 0; index < 16; index++)
        free(passed_on[index]);
    free(outside);
}

static void count_event(void *context, const struct fastalloc_event *event)
{
    atomic_fetch_add((atomic_ulong *)context, event->given != 0);
}

// Each block is entered among the samples, under a lock of its own, and taken out again.
static void answers_thousands_while_sampled(void)
{
    static atomic_ulong events;
    const struct fastalloc_hooks hooks = {.size = sizeof hooks,
                                          .context = &events,
                                          .sample_interval = 1,
                                          .allocated = count_event,
                                          .freeing = count_event};
    require(fastalloc_hooks_add(&hooks) == 0);
    answers_thousands();
    require(fastalloc_hooks_remove(&hooks) == 0 && atomic_load(&events) > 0);
}

static void each_of_thousands_of_signals_is_answered(void **state)
{
    (void)state;
    struct finished_program finished;
    run_with(&finished, "thousands", "stats_signal=USR2");
    print_message("%s", strstr(finished.errors, "# "));
    run_with(&finished, "thousands_sampled", "stats_signal=USR2");
    print_message("%s", strstr(finished.errors, "# "));
}

int main(int count, char **arguments)
{
    static const struct mode modes[] = {
        {"exit", end_by_exit, NULL},
        {"silent", end_silently, NULL},
        {"_exit", end_by_underscore_exit, NULL},
        {"child", have_a_child_that_exits, NULL},
        {"answers", answers_and_keeps_errno, NULL},
        {"alone", leaves_the_signal_alone, NULL},
        {"ignored", leaves_ignored_signals_alone, NULL},
        {"early", leaves_early_handlers_alone, NULL},
        {"later", later_handlers_win, NULL},
        {"thousands", answers_thousands, NULL},
        {"thousands_sampled", answers_thousands_while_sampled, NULL},
    };
    run_mode(modes, sizeof modes / sizeof *modes, count, arguments);
    if (count > 1)
    {
        end_by_return();
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statistics_come_behind_all_that_runs_at_exit),
        cmocka_unit_test(nothing_is_printed_without_the_setting_or_without_exit),
        cmocka_unit_test(a_child_that_exits_prints_its_own),
        cmocka_unit_test(a_standard_error_without_a_reader_changes_nothing),
        cmocka_unit_test(a_signal_is_answered_by_statistics),
        cmocka_unit_test(a_signal_that_somebody_has_stays_his),
        cmocka_unit_test(each_of_thousands_of_signals_is_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
