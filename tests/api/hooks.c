// SPDX-License-Identifier: MIT
//
// hooks.c - who subscribes to every call is told of every block that comes and goes, by whatever function, with the right
// sizes, and of nothing else.
#include "../support.h"

#include "hooks.h"

static const size_t sizes[] = {0, 1, 8, 9, 16, 17, 24, 31, 100, 4000, 16384, 20000, 262144, 300000, 40000000};

// Weak: a static program of C has none.
void *new_single(size_t size) __asm__("_Znwm") __attribute__((weak));
void *new_array(size_t size) __asm__("_Znam") __attribute__((weak));
void *new_aligned(size_t size, size_t alignment) __asm__("_ZnwmSt11align_val_t") __attribute__((weak));
void delete_single(void *block) __asm__("_ZdlPv") __attribute__((weak));
void delete_array(void *block) __asm__("_ZdaPv") __attribute__((weak));
void delete_sized(void *block, size_t size) __asm__("_ZdlPvm") __attribute__((weak));

static void *block_of_posix_memalign(size_t size)
{
    void *block = NULL;
    assert_int_equal(posix_memalign(&block, 64, size), 0);
    return block;
}

static void *block_of(enum fastalloc_call call, size_t size)
{
    switch (call)
    {
    case FASTALLOC_CALL_MALLOC:
        return malloc(size);
    case FASTALLOC_CALL_CALLOC:
        return calloc(1, size);
    case FASTALLOC_CALL_ALIGNED_ALLOC:
        return aligned_alloc(64, size);
    case FASTALLOC_CALL_POSIX_MEMALIGN:
        return block_of_posix_memalign(size);
    case FASTALLOC_CALL_MEMALIGN:
        return memalign(64, size);
    case FASTALLOC_CALL_VALLOC:
        return valloc(size);
    case FASTALLOC_CALL_PVALLOC:
        return pvalloc(size);
    case FASTALLOC_CALL_NEW:
        return new_single(size);
    case FASTALLOC_CALL_NEW_ARRAY:
        return new_array(size);
    default:
        return fastalloc_malloc_on(0, size);
    }
}

static size_t alignment_of(enum fastalloc_call call, size_t size)
{
    switch (call)
    {
    case FASTALLOC_CALL_ALIGNED_ALLOC:
    case FASTALLOC_CALL_POSIX_MEMALIGN:
    case FASTALLOC_CALL_MEMALIGN:
        return 64;
    case FASTALLOC_CALL_VALLOC:
    case FASTALLOC_CALL_PVALLOC:
        return (size_t)sysconf(_SC_PAGESIZE);
    default:
        return size <= 8 ? 8 : 16;
    }
}

static void give_back(enum fastalloc_call call, void *block, size_t size)
{
    switch (call)
    {
    case FASTALLOC_CALL_FREE_SIZED:
        return free_sized(block, size);
    case FASTALLOC_CALL_FREE_ALIGNED_SIZED:
        return free_aligned_sized(block, 16, size);
    case FASTALLOC_CALL_DELETE:
        return delete_single(block);
    case FASTALLOC_CALL_DELETE_ARRAY:
        return delete_array(block);
    default:
        return free(block);
    }
}

static void every_function_that_allocates_is_told(void **state)
{
    (void)state;
    struct told told = {0};
    const struct fastalloc_hooks hooks = hooks_on_every_call(&told);
    assert_int_equal(fastalloc_hooks_add(&hooks), 0);
    for (int call = FASTALLOC_CALL_MALLOC; call <= FASTALLOC_CALL_MALLOC_ON; call++)
    {
        const int is_operator = call == FASTALLOC_CALL_NEW || call == FASTALLOC_CALL_NEW_ARRAY;
        if (call == FASTALLOC_CALL_REALLOC || (is_operator && !new_single))
            continue;
        for (size_t index = 0; index < sizeof sizes / sizeof sizes[0]; index++)
        {
            const struct told before = told;
            const size_t size = sizes[index];
            void *block = block_of((enum fastalloc_call)call, size);
            const struct told after = told;
            const size_t page = (size_t)sysconf(_SC_PAGESIZE);
            assert_int_equal(after.allocated, before.allocated + 1);
            assert_int_equal(after.freeing, before.freeing);
            assert_int_equal(after.last.call, call);
            assert_ptr_equal(after.last.block, block);
            assert_int_equal(after.last.asked, call == FASTALLOC_CALL_PVALLOC ? (size + page - 1) / page * page : size);
            assert_int_equal(after.last.given, malloc_usable_size(block));
            assert_int_equal(after.last.alignment, alignment_of((enum fastalloc_call)call, size));
            assert_int_equal(after.last.stands_for, after.last.given);
            assert_null(after.last.old_block);
            free(block);
            assert_int_equal(told.freeing, before.freeing + 1);
            assert_int_equal(told.last.asked, after.last.asked);
        }
    }
    assert_int_equal(fastalloc_hooks_remove(&hooks), 0);
    assert_int_equal(told.reallocated, 0);
}

static void every_function_that_frees_is_told(void **state)
{
    (void)state;
    struct told told = {0};
    const struct fastalloc_hooks hooks = hooks_on_every_call(&told);
    assert_int_equal(fastalloc_hooks_add(&hooks), 0);
    for (int call = FASTALLOC_CALL_FREE; call <= FASTALLOC_CALL_DELETE_ARRAY; call++)
    {
        const int is_operator = call == FASTALLOC_CALL_DELETE || call == FASTALLOC_CALL_DELETE_ARRAY;
        for (size_t index = 1; index < sizeof sizes / sizeof sizes[0] && (!is_operator || delete_single); index++)
        {
            void *block = sizes[index] > 16 ? aligned_alloc(16, sizes[index]) : malloc(16);
            const size_t size = sizes[index] > 16 ? sizes[index] : 16;
            const size_t given = malloc_usable_size(block);
            const struct told before = told;
            give_back((enum fastalloc_call)call, block, size);
            assert_int_equal(told.freeing, before.freeing + 1);
            assert_int_equal(told.allocated, before.allocated);
            assert_int_equal(told.last.call, call);
            assert_ptr_equal(told.last.block, block);
            assert_int_equal(told.last.asked, size);
            assert_int_equal(told.last.given, given);
        }
    }
    if (new_single)
    {
        void *block = new_aligned(100, 64);
        assert_int_equal(told.last.call, FASTALLOC_CALL_NEW);
        assert_int_equal(told.last.alignment, 64);
        delete_single(block);
        block = new_single(100);
        delete_sized(block, 100);
        assert_int_equal(told.last.call, FASTALLOC_CALL_DELETE);
        delete_single(NULL);
        assert_ptr_equal(told.last.block, block);
    }
    const struct told before = told;
    free(NULL);
    assert_int_equal(told.freeing, before.freeing);
    assert_int_equal(fastalloc_hooks_remove(&hooks), 0);
}

static void realloc_is_told_once_in_place_and_moved(void **state)
{
    (void)state;
    struct told told = {0};
    const struct fastalloc_hooks hooks = hooks_on_every_call(&told);
    assert_int_equal(fastalloc_hooks_add(&hooks), 0);
    for (size_t from = 0; from < sizeof sizes / sizeof sizes[0]; from++)
    {
        for (size_t to = 1; to < sizeof sizes / sizeof sizes[0]; to++)
        {
            void *block = malloc(sizes[from]);
            const size_t given = malloc_usable_size(block);
            const struct told before = told;
            const uintptr_t old = (uintptr_t)block;
            void *resized = realloc(block, sizes[to]);
            assert_int_equal(told.reallocated, before.reallocated + 1);
            assert_int_equal(told.allocated, before.allocated);
            assert_int_equal(told.freeing, before.freeing);
            assert_ptr_equal(told.last.block, resized);
            assert_int_equal((uintptr_t)told.last.old_block, old);
            assert_int_equal(told.last.asked, sizes[to]);
            assert_int_equal(told.last.given, malloc_usable_size(resized));
            assert_int_equal(told.last.old_asked, sizes[from]);
            assert_int_equal(told.last.old_given, given);
            free(resized);
            assert_int_equal(told.last.asked, sizes[to]);
        }
    }
    void *block = realloc(NULL, 50);
    assert_int_equal(told.last.call, FASTALLOC_CALL_MALLOC);
    block = reallocarray(block, 10, 100);
    assert_int_equal(told.last.call, FASTALLOC_CALL_REALLOC);
    assert_null(realloc(block, 0));
    assert_int_equal(told.last.call, FASTALLOC_CALL_FREE);
    assert_int_equal(fastalloc_hooks_remove(&hooks), 0);
}

static void without_a_callback_for_it_realloc_is_free_and_malloc(void **state)
{
    (void)state;
    struct told told = {0};
    const struct fastalloc_hooks hooks = hooks_by_address(&told, 0);
    assert_int_equal(fastalloc_hooks_add(&hooks), 0);
    void *block = malloc(100);
    struct told before = told;
    block = realloc(block, 5000);
    assert_int_equal(told.freeing, before.freeing + 1);
    assert_int_equal(told.allocated, before.allocated + 1);
    assert_int_equal(told.last.asked, 5000);
    before = told;
    assert_null(realloc(block, (size_t)-1 / 4)); // the block is what it was
    assert_int_equal(told.freeing, before.freeing + 1);
    assert_int_equal(told.allocated, before.allocated + 1);
    assert_ptr_equal(told.last.block, block);
    assert_int_equal(told.last.asked, 5000);
    free(block);
    assert_int_equal(told.last.asked, 5000);
    assert_int_equal(told.stands_for, 0);
    assert_int_equal(fastalloc_hooks_remove(&hooks), 0);
}

static void a_block_older_than_the_hooks_was_asked_for_nobody_knows_how(void **state)
{
    (void)state;
    struct told told = {0};
    const struct fastalloc_hooks hooks = hooks_on_every_call(&told);
    void *older[3] = {malloc(100), malloc(20000), malloc(40000000)};
    for (int round = 0; round < 2; round++)
    {
        assert_int_equal(fastalloc_hooks_add(&hooks), 0);
        void *block = malloc(100);
        assert_int_equal(fastalloc_hooks_remove(&hooks), 0);
        free(block);
        block = malloc(100); // at the same place, while nobody looked
        assert_int_equal(fastalloc_hooks_add(&hooks), 0);
        free(block);
        assert_int_equal(told.last.asked, 0);
        assert_int_equal(told.last.given, 112);
        assert_int_equal(fastalloc_hooks_remove(&hooks), 0);
    }
    assert_int_equal(fastalloc_hooks_add(&hooks), 0);
    for (int index = 0; index < 3; index++)
    {
        const size_t given = malloc_usable_size(older[index]);
        free(older[index]);
        assert_int_equal(told.last.asked, 0);
        assert_int_equal(told.last.given, given);
    }
    assert_int_equal(fastalloc_hooks_remove(&hooks), 0);
}

static void sizes_of_large_blocks_are_forgotten_with_the_others(void **state)
{
    (void)state;
    struct told told = {0};
    const struct fastalloc_hooks hooks = hooks_on_every_call(&told);
    assert_int_equal(fastalloc_hooks_add(&hooks), 0);
    void *block = malloc(50000000);
    assert_int_equal(fastalloc_hooks_remove(&hooks), 0);
    block = realloc(block, 40000000); // in place, while nobody looked
    assert_int_equal(fastalloc_hooks_add(&hooks), 0);
    free(block);
    assert_int_equal(told.last.asked, 0);
    assert_int_equal(fastalloc_hooks_remove(&hooks), 0);
}

static void set_errno(void *context, const struct fastalloc_event *event)
{
    (void)context;
    errno = (int)event->size + 1000;
}

static void free_keeps_errno_and_a_failure_its_own(void **state)
{
    (void)state;
    const struct fastalloc_hooks hooks = {
        .size = sizeof hooks, .allocated = set_errno, .freeing = set_errno, .reallocated = NULL};
    assert_int_equal(fastalloc_hooks_add(&hooks), 0);
    for (size_t index = 0; index < sizeof sizes / sizeof sizes[0]; index++)
    {
        void *block = malloc(sizes[index]);
        errno = 7;
        free(block);
        assert_int_equal(errno, 7);
    }
    void *block = malloc(100);
    errno = 0;
    assert_null(realloc(block, (size_t)-1 / 4));
    assert_int_equal(errno, ENOMEM);
    errno = 7;
    free(block);
    assert_int_equal(errno, 7);
    assert_int_equal(fastalloc_hooks_remove(&hooks), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_function_that_allocates_is_told),
        cmocka_unit_test(every_function_that_frees_is_told),
        cmocka_unit_test(realloc_is_told_once_in_place_and_moved),
        cmocka_unit_test(without_a_callback_for_it_realloc_is_free_and_malloc),
        cmocka_unit_test(a_block_older_than_the_hooks_was_asked_for_nobody_knows_how),
        cmocka_unit_test(sizes_of_large_blocks_are_forgotten_with_the_others),
        cmocka_unit_test(free_keeps_errno_and_a_failure_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
