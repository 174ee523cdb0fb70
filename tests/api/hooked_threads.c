// SPDX-License-Identifier: MIT
//
// hooked_threads.c - hooks come and go while threads allocate: what begins when one has come is told in every thread,
// whatever state that is in; when it has gone no callback runs; the child of a fork has it.
#include <stdatomic.h>
#include <sys/wait.h>

#include "../support.h"

#include "../children.h"
#include "hooks.h"

enum
{
    threads = 4,
    rounds = 40
};

static atomic_int stop, begun;

// ---- come and go -------------------------------------------------------------------------------------------------

struct guarded
{
    atomic_int is_there;
    atomic_int calls;
};

static void call_only_while_there(void *context, const struct fastalloc_event *event)
{
    struct guarded *guarded = context;
    require(atomic_load(&guarded->is_there) && event->size == sizeof *event);
    free(malloc(10));
    require(atomic_load(&guarded->is_there));
    atomic_fetch_add(&guarded->calls, 1);
}

static void *allocate_all_the_time(void *argument)
{
    unsigned seed = (unsigned)(uintptr_t)argument;
    void *blocks[64] = {0};
    atomic_fetch_add(&begun, 1);
    while (!atomic_load(&stop))
    {
        const unsigned place = (seed = seed * 1103515245 + 12345) >> 16 & 63;
        blocks[place] = realloc(blocks[place], seed >> 20);
        const unsigned other = seed >> 8 & 63;
        free(blocks[other]);
        blocks[other] = malloc(seed >> 22 & 1 ? 20000 : seed >> 25);
    }
    for (int place = 0; place < 64; place++)
        free(blocks[place]);
    return NULL;
}

static void hooks_come_and_go_while_threads_run(size_t interval)
{
    pthread_t crew[threads];
    atomic_store(&stop, 0);
    atomic_store(&begun, 0);
    for (uintptr_t number = 0; number < threads; number++)
        assert_int_equal(pthread_create(&crew[number], NULL, allocate_all_the_time, (void *)(number + 7)), 0);
    while (atomic_load(&begun) < threads)
        sched_yield();
    static struct guarded guarded[2];
    long calls = 0;
    for (int round = 0; round < rounds; round++)
    {
        struct guarded *mine = &guarded[round & 1];
        struct fastalloc_hooks hooks = {.size = sizeof hooks,
                                        .context = mine,
                                        .sample_interval = interval,
                                        .allocated = call_only_while_there,
                                        .freeing = call_only_while_there,
                                        .reallocated = round & 2 ? call_only_while_there : NULL};
        atomic_store(&mine->is_there, 1);
        assert_int_equal(fastalloc_hooks_add(&hooks), 0);
        const int before = atomic_load(&mine->calls);
        for (int turn = 0; atomic_load(&mine->calls) < before + 20 && turn < 1000; turn++)
            sched_yield();
        if (round % 10 == 7)
            fastalloc_purge();
        assert_int_equal(fastalloc_hooks_remove(&hooks), 0);
        atomic_store(&mine->is_there, 0);
        calls += atomic_load(&mine->calls) - before;
    }
    atomic_store(&stop, 1);
    for (int number = 0; number < threads; number++)
        pthread_join(crew[number], NULL);
    assert_true(calls > rounds);
    assert_requirements_met();
    char message[200] = "";
    if (fastalloc_check_heap(message, sizeof message) != 0)
        fail_msg("%s", message);
}

static void hooks_on_every_call_come_and_go(void **state)
{
    (void)state;
    hooks_come_and_go_while_threads_run(0);
}

static void hooks_on_samples_come_and_go(void **state)
{
    (void)state;
    hooks_come_and_go_while_threads_run(2000);
}

// ---- in every state of a thread --------------------------------------------------------------------------------------

static pthread_barrier_t barrier;
// Volatile, for libc says of malloc that it calls nothing of this file.
static _Thread_local volatile int told_here;

static void note_here(void *context, const struct fastalloc_event *event)
{
    (void)context;
    told_here += event->asked == 77;
}

static void call_and_require(int told)
{
    const int before = told_here;
    void *block = malloc(77);
    require(told_here == before + told);
    free(block);
    require(told_here == before + 2 * told);
}

// The hooks come between the first two barriers, and go between the last.
static void call_with_and_without_hooks(void)
{
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    call_and_require(1);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    call_and_require(0);
}

static pthread_key_t late_key;

static void at_the_end(void *value)
{
    static _Thread_local int turns;
    if (++turns < 3)
        pthread_setspecific(late_key, value);
    else
        call_with_and_without_hooks();
}

enum state
{
    attached,
    asked_to_flush,
    without_a_call_before,
    ending
};

static void *be(void *argument)
{
    const enum state state = *(enum state *)argument;
    if (state != without_a_call_before)
        call_and_require(0);
    if (state == ending)
    {
        pthread_setspecific(late_key, argument);
        return NULL;
    }
    call_with_and_without_hooks();
    return NULL;
}

static void a_call_after_the_hooks_have_come_is_told_in_every_state_of_a_thread(void **state)
{
    (void)state;
    const struct fastalloc_hooks hooks = {.size = sizeof hooks, .allocated = note_here, .freeing = note_here};
    static enum state states[] = {attached, asked_to_flush, without_a_call_before, ending};
    free(malloc(1)); // the library's key is the first
    assert_int_equal(pthread_key_create(&late_key, at_the_end), 0);
    for (size_t index = 0; index < sizeof states / sizeof states[0]; index++)
    {
        pthread_t thread;
        pthread_barrier_init(&barrier, NULL, 2);
        assert_int_equal(pthread_create(&thread, NULL, be, &states[index]), 0);
        pthread_barrier_wait(&barrier);
        if (states[index] == asked_to_flush)
            fastalloc_purge();
        assert_int_equal(fastalloc_hooks_add(&hooks), 0);
        pthread_barrier_wait(&barrier);
        pthread_barrier_wait(&barrier);
        assert_int_equal(fastalloc_hooks_remove(&hooks), 0);
        pthread_barrier_wait(&barrier);
        pthread_join(thread, NULL);
        pthread_barrier_destroy(&barrier);
    }
    pthread_key_delete(late_key);
    assert_requirements_met();
}

// ---- fork --------------------------------------------------------------------------------------------------------------

static int child_is_told(void)
{
    const int before = told_here;
    free(malloc(77));
    char message[200] = "";
    return told_here == before + 2 && fastalloc_check_heap(message, sizeof message) == 0 ? 0 : 1;
}

static void fork_in_a_callback(void *context, const struct fastalloc_event *event)
{
    if (event->asked != 77)
        return;
    told_here++;
    if (++*(int *)context != 1)
        return;
    const pid_t child = fork();
    if (child == 0)
    {
        free(malloc(77)); // not told: this is a callback
        _exit(*(int *)context == 1 ? 0 : 1);
    }
    int status = 1;
    require(waitpid(child, &status, 0) == child && status == 0);
}

static void the_child_of_a_fork_is_told(void **state)
{
    (void)state;
    const struct fastalloc_hooks hooks = {.size = sizeof hooks, .allocated = note_here, .freeing = note_here};
    pthread_t crew[threads];
    atomic_store(&stop, 0);
    for (uintptr_t number = 0; number < threads; number++)
        assert_int_equal(pthread_create(&crew[number], NULL, allocate_all_the_time, (void *)(number + 7)), 0);
    assert_int_equal(fastalloc_hooks_add(&hooks), 0);
    for (int round = 0; round < 20; round++)
    {
        const pid_t child = fork();
        if (child == 0)
        {
            int bad = child_is_told();
            bad |= fastalloc_hooks_remove(&hooks);
            const int before = told_here;
            free(malloc(77));
            _exit(bad || told_here != before);
        }
        int status = 1;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
    }
    assert_int_equal(child_is_told(), 0);
    assert_int_equal(fastalloc_hooks_remove(&hooks), 0);
    int calls = 0;
    const struct fastalloc_hooks forking = {.size = sizeof forking, .context = &calls, .allocated = fork_in_a_callback};
    atomic_store(&stop, 1);
    for (int number = 0; number < threads; number++)
        pthread_join(crew[number], NULL);
    assert_int_equal(fastalloc_hooks_add(&forking), 0);
    free(malloc(77));
    assert_int_equal(fastalloc_hooks_remove(&forking), 0);
    assert_int_equal(calls, 1);
    assert_requirements_met();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hooks_on_every_call_come_and_go),
        cmocka_unit_test(hooks_on_samples_come_and_go),
        cmocka_unit_test(a_call_after_the_hooks_have_come_is_told_in_every_state_of_a_thread),
        cmocka_unit_test(the_child_of_a_fork_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
