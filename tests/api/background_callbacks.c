// SPDX-License-Identifier: MIT
//
// background_callbacks.c - callbacks that change settings while the thread in the background is started or ended, or that
// run in it: none waits for itself, and there is one such thread at most. A thread that is cancelled while it ends it has
// ended it. The program starts itself with a setting.
#include "../support.h"

#include "../children.h"

#include "hooks.h"
#include "settings.h"
#include "threads.h"

static int is_refused_to_callbacks(void)
{
    errno = 0;
    const int start_refused = fastalloc_background_thread_start() == -1 && errno == EDEADLK;
    errno = 0;
    const int stop_refused = fastalloc_background_thread_stop() == -1 && errno == EDEADLK;
    return start_refused && stop_refused && is_refused("background_thread", "on", EDEADLK) &&
           is_refused("background_thread", "off", EDEADLK);
}

// ---- a hook while the thread is started ----------------------------------------------------------------------------------

static unsigned hook_calls;

static void change_settings_in_hook(void *context, const struct fastalloc_event *event)
{
    (void)context;
    (void)event;
    hook_calls++;
    require(is_set("demand_half_life", "40ms"));
    require(is_refused_to_callbacks());
}

static void start_under_a_hook(void)
{
    struct told told;
    struct fastalloc_hooks hooks = hooks_by_address(&told, 0);
    hooks.allocated = change_settings_in_hook;
    hooks.freeing = NULL;
    require(fastalloc_hooks_add(&hooks) == 0);
    const int result = fastalloc_background_thread_start();
    require(fastalloc_hooks_remove(&hooks) == 0);
    require(result == 0 && hook_calls > 0); // libc allocates what a thread has of each library
    require(has_value("demand_half_life", "40ms") && has_value("background_thread", "on"));
    require_threads(2);
    require(fastalloc_background_thread_stop() == 0);
    require_threads(1);
}

// ---- an observer that the thread tells -----------------------------------------------------------------------------------

static void (*act_once)(void); // in the thread in the background
static volatile int has_acted;

static void act_in_background(void *context, void *address, uint64_t bytes)
{
    (void)address;
    (void)bytes;
    if (gettid() == *(const pid_t *)context || __atomic_load_n(&has_acted, __ATOMIC_RELAXED))
        return;
    act_once();
    __atomic_store_n(&has_acted, 1, __ATOMIC_RELEASE);
}

// Leaves memory to the thread in the background, which gives it back within seconds.
static void have_it_act(void (*act)(void))
{
    static pid_t main_thread;
    static struct fastalloc_observer observer = {
        .size = sizeof observer, .context = &main_thread, .memory_returned = act_in_background};
    main_thread = gettid();
    act_once = act;
    require(fastalloc_observe(&observer) == 0);
    enum
    {
        count = 3000
    };
    static void *blocks[count];
    for (int index = 0; index < count; index++)
        blocks[index] = memset(malloc(4096), 1, 4096);
    for (int index = 0; index < count; index++)
        free(blocks[index]);
}

static void wait_for(volatile int *flag)
{
    for (int attempt = 0; attempt < 3000 && !__atomic_load_n(flag, __ATOMIC_ACQUIRE); attempt++)
        sleep_milliseconds(10);
    require(__atomic_load_n(flag, __ATOMIC_ACQUIRE));
}

static void change_settings(void)
{
    require(is_set("demand_half_life", "40ms"));
    require(is_refused_to_callbacks());
}

static void act_while_it_runs(void)
{
    have_it_act(change_settings);
    wait_for(&has_acted);
    require_threads(2);
    require(has_value("demand_half_life", "40ms") && has_value("background_thread", "on"));
    require(fastalloc_background_thread_stop() == 0);
    require_threads(1);
}

// ---- the same while somebody waits for its end ---------------------------------------------------------------------------

static volatile int is_acting, may_go_on;
static pid_t stopper;

// Nobody else makes that thread wait.
static void wait_until_the_stopper_sleeps(void)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)stopper);
    for (int attempt = 0; attempt < 500; attempt++)
    {
        char text[128] = "";
        const int file = open(path, O_RDONLY);
        require(file >= 0 && read(file, text, sizeof text - 1) > 0);
        close(file);
        const char *const state = strrchr(text, ')');
        if (state && state[2] == 'S')
            return;
        sleep_milliseconds(2);
    }
}

static void change_settings_while_it_is_ended(void)
{
    __atomic_store_n(&is_acting, 1, __ATOMIC_RELEASE);
    wait_for(&may_go_on);
    wait_until_the_stopper_sleeps();
    change_settings();
}

static void act_while_it_is_ended(void)
{
    stopper = gettid();
    have_it_act(change_settings_while_it_is_ended);
    wait_for(&is_acting);
    __atomic_store_n(&may_go_on, 1, __ATOMIC_RELEASE);
    require(fastalloc_background_thread_stop() == 0);
    require(has_acted);
    require(has_value("demand_half_life", "40ms") && has_value("background_thread", "off"));
    require_threads(1);
    require(fastalloc_background_thread_start() == 0);
    require_threads(2);
}

static void hold_it(void)
{
    __atomic_store_n(&is_acting, 1, __ATOMIC_RELEASE);
    wait_for(&may_go_on);
}

static volatile int is_stopping, has_stopped;

static void *stop_it(void *argument)
{
    stopper = gettid();
    __atomic_store_n(&is_stopping, 1, __ATOMIC_RELEASE);
    require(fastalloc_background_thread_stop() == 0);
    has_stopped = 1;
    pthread_testcancel();
    return argument;
}

static void cancel_who_ends_it(void)
{
    have_it_act(hold_it);
    wait_for(&is_acting);
    pthread_t thread = start_thread(stop_it, NULL);
    wait_for(&is_stopping);
    wait_until_the_stopper_sleeps();
    require(pthread_cancel(thread) == 0);
    sleep_milliseconds(50); // one that takes it at once does so now
    __atomic_store_n(&may_go_on, 1, __ATOMIC_RELEASE);
    void *result = NULL;
    require(pthread_join(thread, &result) == 0);
    require(result == PTHREAD_CANCELED && has_stopped);
    require_threads(1);
    require(fastalloc_background_thread_start() == 0);
    require_threads(2);
}

// ---- the tests -----------------------------------------------------------------------------------------------------------

enum
{
    starting,
    running,
    ending,
    cancelling,
    mode_count
};
static const struct mode modes[mode_count] = {
    [starting] = {"starting", start_under_a_hook, ""},
    [running] = {"running", act_while_it_runs, "background_thread=on,demand_half_life=20ms"},
    [ending] = {"ending", act_while_it_is_ended, "background_thread=on,demand_half_life=20ms"},
    [cancelling] = {"cancelling", cancel_who_ends_it, "background_thread=on,demand_half_life=20ms"},
};

static void a_hook_changes_settings_while_the_thread_is_started(void **state)
{
    (void)state;
    assert_mode_succeeds(&modes[starting]);
}

static void the_thread_neither_ends_nor_doubles_itself(void **state)
{
    (void)state;
    assert_mode_succeeds(&modes[running]);
}

static void who_ends_it_waits_for_callbacks_that_change_settings(void **state)
{
    (void)state;
    assert_mode_succeeds(&modes[ending]);
}

static void who_is_cancelled_while_it_ends_the_thread_has_ended_it(void **state)
{
    (void)state;
    assert_mode_succeeds(&modes[cancelling]);
}

int main(int count, char **arguments)
{
    run_mode(modes, mode_count, count, arguments);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hook_changes_settings_while_the_thread_is_started),
        cmocka_unit_test(the_thread_neither_ends_nor_doubles_itself),
        cmocka_unit_test(who_ends_it_waits_for_callbacks_that_change_settings),
        cmocka_unit_test(who_is_cancelled_while_it_ends_the_thread_has_ended_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
