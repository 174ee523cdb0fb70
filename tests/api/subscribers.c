// SPDX-License-Identifier: MIT
//
// subscribers.c - who may subscribe, and with what; that callbacks may allocate; and that the heap is counted as ever.
#include "../support.h"

#include "hooks.h"

static void up_to_sixteen_are_told_each_with_its_context(void **state)
{
    (void)state;
    static struct told told[17];
    static struct fastalloc_hooks hooks[17];
    for (int number = 0; number < 17; number++)
    {
        hooks[number] = hooks_on_every_call(&told[number]);
        if (number < 16)
            assert_int_equal(fastalloc_hooks_add(&hooks[number]), 0);
    }
    assert_int_equal(fastalloc_hooks_add(&hooks[16]), -1);
    assert_int_equal(errno, ENOSPC);
    free(malloc(100));
    for (int number = 0; number < 16; number++)
        assert_true(told[number].allocated == 1 && told[number].freeing == 1);
    assert_int_equal(fastalloc_hooks_remove(&hooks[3]), 0);
    free(malloc(100));
    assert_int_equal(told[3].allocated, 1);
    assert_int_equal(fastalloc_hooks_add(&hooks[16]), 0);
    free(malloc(100));
    assert_int_equal(told[16].allocated, 1);
    for (int number = 0; number < 17; number++)
        if (number != 3)
            assert_int_equal(fastalloc_hooks_remove(&hooks[number]), 0);
    free(malloc(100));
    assert_int_equal(told[0].allocated, 3);
}

static void what_cannot_be_is_refused(void **state)
{
    (void)state;
    struct told told = {0};
    struct fastalloc_hooks hooks = hooks_on_every_call(&told);
    hooks.size = 8;
    assert_int_equal(fastalloc_hooks_add(&hooks), -1);
    assert_int_equal(errno, EINVAL);
    memset(&hooks, 0, sizeof hooks);
    hooks.size = sizeof hooks;
    assert_int_equal(fastalloc_hooks_add(&hooks), -1);
    assert_int_equal(errno, EINVAL);
    hooks = hooks_on_every_call(&told);
    assert_int_equal(fastalloc_hooks_remove(&hooks), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(fastalloc_hooks_add(NULL), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(fastalloc_hooks_remove(NULL), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(fastalloc_hooks_add(&hooks), 0);
    assert_int_equal(fastalloc_hooks_add(&hooks), -1);
    assert_int_equal(errno, EEXIST);
    assert_int_equal(fastalloc_hooks_remove(&hooks), 0);
}

static void a_longer_structure_of_a_later_version_is_taken(void **state)
{
    (void)state;
    struct
    {
        struct fastalloc_hooks hooks;
        void *more[4];
    } later;
    struct told told = {0};
    memset(&later, 0xff, sizeof later);
    later.hooks = hooks_on_every_call(&told);
    later.hooks.size = sizeof later;
    assert_int_equal(fastalloc_hooks_add(&later.hooks), 0);
    free(malloc(100));
    assert_int_equal(told.allocated, 1);
    assert_int_equal(fastalloc_hooks_remove(&later.hooks), 0);
}

static struct fastalloc_hooks busy_hooks;

static void allocate_in_a_callback(void *context, const struct fastalloc_event *event)
{
    ++*(int *)context;
    void *block = malloc(event->given / 2 + 1);
    block = realloc(block, 3000);
    free(block);
    require(fastalloc_hooks_add(&busy_hooks) == -1 && errno == EDEADLK);
    require(fastalloc_hooks_remove(&busy_hooks) == -1 && errno == EDEADLK);
}

static void a_callback_may_allocate_and_nobody_is_told_of_it(void **state)
{
    (void)state;
    int calls = 0;
    busy_hooks = (struct fastalloc_hooks){.size = sizeof busy_hooks,
                                          .context = &calls,
                                          .allocated = allocate_in_a_callback,
                                          .freeing = allocate_in_a_callback,
                                          .reallocated = allocate_in_a_callback};
    assert_int_equal(fastalloc_hooks_add(&busy_hooks), 0);
    void *block = malloc(100);
    block = realloc(block, 1000);
    free(block);
    assert_int_equal(calls, 3);
    assert_int_equal(fastalloc_hooks_remove(&busy_hooks), 0);
    assert_requirements_met();
    char message[200] = "";
    assert_int_equal(fastalloc_check_heap(message, sizeof message), 0);
}

static void the_heap_is_counted_as_ever(void **state)
{
    (void)state;
    struct told told = {0};
    const struct fastalloc_hooks hooks = hooks_on_every_call(&told);
    struct fastalloc_stats before, after;
    assert_int_equal(fastalloc_get_stats(&before, sizeof before), 0);
    assert_int_equal(fastalloc_hooks_add(&hooks), 0);
    void *blocks[500];
    for (int index = 0; index < 500; index++)
        blocks[index] = malloc((size_t)index * 40);
    for (int index = 0; index < 500; index++)
        free(blocks[index]);
    assert_int_equal(fastalloc_hooks_remove(&hooks), 0);
    assert_int_equal(fastalloc_get_stats(&after, sizeof after), 0);
    assert_int_equal(after.live_bytes, before.live_bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(up_to_sixteen_are_told_each_with_its_context),
        cmocka_unit_test(what_cannot_be_is_refused),
        cmocka_unit_test(a_longer_structure_of_a_later_version_is_taken),
        cmocka_unit_test(a_callback_may_allocate_and_nobody_is_told_of_it),
        cmocka_unit_test(the_heap_is_counted_as_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
