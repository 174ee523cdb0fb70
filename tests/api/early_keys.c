// SPDX-License-Identifier: MIT
//
// early_keys.c - the program takes keys of thread-specific data before anything allocates: so many that the allocator's
// own lies beyond those pthread_setspecific serves without calling calloc, or all there are. The program starts itself
// with the number in the environment; an entry of .preinit_array, which runs before the constructors of all libraries,
// takes them.
#include <limits.h>

#include "../support.h"

#include "../children.h"
#include "../parcel.h"

#define KEYS_VARIABLE "FASTALLOC_TEST_KEYS"

static pthread_key_t keys[PTHREAD_KEYS_MAX];
static int taken;
static int destructor_calls;

static void allocate_in_destructor(void *value)
{
    __atomic_fetch_add(&destructor_calls, 1, __ATOMIC_RELAXED);
    free(value);
    free(malloc(5000));
}

static void take_keys(int count, char **arguments, char **environment)
{
    (void)count;
    (void)arguments;
    int wanted = 0;
    for (; *environment; environment++)
        if (strncmp(*environment, KEYS_VARIABLE "=", sizeof KEYS_VARIABLE) == 0)
            for (const char *digit = *environment + sizeof KEYS_VARIABLE; *digit; digit++)
                wanted = wanted * 10 + (*digit - '0');
    while (taken < wanted && pthread_key_create(&keys[taken], allocate_in_destructor) == 0)
        taken++;
}

__attribute__((section(".preinit_array"), used)) static void (*const take_keys_early)(int, char **,
                                                                                      char **) = take_keys;

// ---- in the program that was started again -----------------------------------------------------------------------

static struct shelf shelf = {.count = 64};

static void *use_keys(void *argument)
{
    for (int key = 0; key < taken; key += 50)
        require(pthread_setspecific(keys[key], malloc((size_t)key + 1)) == 0);
    uint64_t random = (uint64_t)(uintptr_t)argument;
    for (int step = 0; step < 200; step++)
        open_parcel(exchange_parcel(&shelf, next_random(&random), make_parcel(random_size(&random, 14), random)));
    return NULL;
}

static int run_threads(int wanted)
{
    enum
    {
        rounds = 100,
        crowd = 3
    };
    struct fastalloc_stats first, last;
    require(taken <= wanted && taken >= (wanted < 900 ? wanted : 900));
    for (uintptr_t round = 0; round < rounds; round++)
    {
        pthread_t threads[crowd];
        for (uintptr_t index = 0; index < crowd; index++)
            require(pthread_create(&threads[index], NULL, use_keys, (void *)(round * crowd + index)) == 0);
        for (int index = 0; index < crowd; index++)
            pthread_join(threads[index], NULL);
        if (round == 10)
            require(fastalloc_get_stats(&first, sizeof first) == 0);
    }
    clear_shelf(&shelf);
    require(fastalloc_get_stats(&last, sizeof last) == 0);
    require(last.arenas <= first.arenas + 2);
    require(__atomic_load_n(&destructor_calls, __ATOMIC_RELAXED) >= rounds * crowd * (taken / 50));
    require_whole_heap();
    return requirements_unmet ? 1 : 0;
}

// ---- the tests ---------------------------------------------------------------------------------------------------

static void assert_serves_after(const char *wanted)
{
    struct finished_program finished;
    setenv(KEYS_VARIABLE, wanted, 1);
    run_self(&finished, wanted, NULL, NULL);
    unsetenv(KEYS_VARIABLE);
    assert_succeeded(&finished);
}

static void threads_are_served_with_few_keys_taken(void **state)
{
    (void)state;
    assert_serves_after("1");
}

static void threads_are_served_with_a_key_beyond_the_first_block(void **state)
{
    (void)state;
    assert_serves_after("31");
    assert_serves_after("32");
    assert_serves_after("200");
}

static void threads_are_served_with_no_key_left(void **state)
{
    (void)state;
    assert_serves_after("1024");
}

int main(int count, char **arguments)
{
    own_path = arguments[0];
    if (count > 1)
        return run_threads(atoi(arguments[1]));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_are_served_with_few_keys_taken),
        cmocka_unit_test(threads_are_served_with_a_key_beyond_the_first_block),
        cmocka_unit_test(threads_are_served_with_no_key_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
