// SPDX-License-Identifier: MIT
//
// hooked_samples.c - what samples stand for adds up to what was allocated, whatever the sizes, calls and threads are; and
// the free of a sampled block is told to who was told of the block.
#include <stdatomic.h>
#include <sys/wait.h>

#include "../support.h"

#include "hooks.h"

static uint64_t next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static int is_within(double figure, double other, double share)
{
    return figure > other * (1 - share) && figure < other * (1 + share);
}

// Blocks of 1 to 4 000 bytes, most of them small, some thousands live. Returns the bytes given.
static double churn(uint64_t seed, long blocks)
{
    enum
    {
        places = 5000
    };
    void **held = calloc(places, sizeof *held);
    double given = 0;
    for (long count = 0; count < blocks; count++)
    {
        const uint64_t dice = next(&seed);
        const size_t place = dice % places;
        free(held[place]);
        held[place] = malloc((dice >> 32) % (dice >> 16 & 15 ? 200 : 4000) + 1);
        given += (double)malloc_usable_size(held[place]);
    }
    for (size_t place = 0; place < places; place++)
        free(held[place]);
    free(held);
    return given;
}

static void samples_stand_for_ten_million_blocks(void **state)
{
    (void)state;
    struct told told = {0};
    const struct fastalloc_hooks hooks = hooks_by_address(&told, 16 * kib);
    assert_int_equal(fastalloc_hooks_add(&hooks), 0);
    const double given = churn(88172645463325252, 10000000);
    assert_int_equal(fastalloc_hooks_remove(&hooks), 0);
    printf("# %zu samples stand for %.4f of what was given\n", told.allocated,
           (double)told.stands_for_allocated / given);
    assert_true(is_within((double)told.stands_for_allocated, given, 0.02));
    assert_int_equal(told.freeing, told.allocated);
    assert_int_equal(told.stands_for, 0);
}

static pthread_barrier_t begins;

static void *churn_in_a_thread(void *given)
{
    pthread_barrier_wait(&begins);
    *(double *)given = churn((uintptr_t)given, 1000000);
    return NULL;
}

static void two_samplers_in_four_threads_are_each_right(void **state)
{
    (void)state;
    struct told often = {0}, seldom = {0};
    const struct fastalloc_hooks at_4k = hooks_by_address(&often, 4 * kib);
    const struct fastalloc_hooks at_16k = hooks_by_address(&seldom, 16 * kib);
    pthread_t crew[4];
    double given[4], sum = 0;
    pthread_barrier_init(&begins, NULL, 5);
    for (int number = 0; number < 4; number++)
        assert_int_equal(pthread_create(&crew[number], NULL, churn_in_a_thread, &given[number]), 0);
    // Now: what libc keeps of a thread that has ended is older.
    assert_int_equal(fastalloc_hooks_add(&at_16k), 0);
    assert_int_equal(fastalloc_hooks_add(&at_4k), 0);
    pthread_barrier_wait(&begins);
    for (int number = 0; number < 4; number++)
    {
        pthread_join(crew[number], NULL);
        sum += given[number];
    }
    assert_int_equal(fastalloc_hooks_remove(&at_4k), 0);
    assert_int_equal(fastalloc_hooks_remove(&at_16k), 0);
    assert_true(is_within((double)often.stands_for_allocated, sum, 0.02));
    assert_true(is_within((double)seldom.stands_for_allocated, sum, 0.03));
    assert_true(often.allocated > 3 * seldom.allocated);
    assert_int_equal(often.stands_for, 0);
    assert_int_equal(seldom.stands_for, 0);
    pthread_barrier_destroy(&begins);
}

// Beside somebody on every call, who sees all.
static void samples_beside_every_call_are_right(void **state)
{
    (void)state;
    struct told samples = {0}, all = {0};
    const struct fastalloc_hooks sampled = hooks_by_address(&samples, 2 * kib);
    const struct fastalloc_hooks every = hooks_by_address(&all, 0);
    assert_int_equal(fastalloc_hooks_add(&sampled), 0);
    assert_int_equal(fastalloc_hooks_add(&every), 0);
    churn(12345, 500000);
    assert_int_equal(fastalloc_hooks_remove(&every), 0);
    assert_int_equal(samples.stands_for, 0);
    assert_int_equal(all.stands_for, 0);
    assert_true(is_within((double)samples.stands_for_allocated, (double)all.stands_for_allocated, 0.03));
    assert_int_equal(fastalloc_hooks_remove(&sampled), 0);
}

// Each call of its own kind, and sizes beyond what an arena serves.
static void every_way_of_asking_is_sampled(void **state)
{
    (void)state;
    static const size_t sizes[] = {24, 1000, 9000, 30000, 200000, 400000, 3000000};
    for (size_t index = 0; index < sizeof sizes / sizeof sizes[0]; index++)
    {
        struct told told = {0};
        const size_t size = sizes[index];
        const size_t interval = size * 4;
        const struct fastalloc_hooks hooks = hooks_by_address(&told, interval);
        double given = 0;
        assert_int_equal(fastalloc_hooks_add(&hooks), 0);
        for (int turn = 0; turn < 10000; turn++)
        {
            void *block = NULL;
            switch (turn % 5)
            {
            case 0:
                block = malloc(size);
                break;
            case 1:
                block = calloc(1, size);
                break;
            case 2:
                block = aligned_alloc(64, size);
                break;
            case 3:
                block = malloc(8);
                given += 8;
                block = realloc(block, size);
                break;
            default:
                block = fastalloc_malloc_on(0, size);
            }
            given += (double)malloc_usable_size(block);
            if (turn % 2)
                free_sized(block, turn % 5 == 2 ? malloc_usable_size(block) : size);
            else
                free(block);
        }
        assert_int_equal(fastalloc_hooks_remove(&hooks), 0);
        printf("# %zu bytes: %zu samples, %.3f\n", size, told.allocated, (double)told.stands_for_allocated / given);
        assert_true(is_within((double)told.stands_for_allocated, given, 0.15));
        assert_int_equal(told.stands_for, 0);
        assert_int_equal(told.freeing, told.allocated);
    }
}

// Large blocks that grow and shrink, in place and carried off, are always one block.
static void a_sampled_block_that_realloc_resizes_is_one_block(void **state)
{
    (void)state;
    struct told told = {0};
    const struct fastalloc_hooks hooks = hooks_by_address(&told, 1);
    assert_int_equal(fastalloc_hooks_add(&hooks), 0);
    void *block = NULL;
    static const size_t sizes[] = {100,    110,     5000,     70000,    300000, 900000,
                                   400000, 5000000, 40000000, 90000000, 300000, 60};
    for (size_t index = 0; index < sizeof sizes / sizeof sizes[0]; index++)
    {
        block = realloc(block, sizes[index]);
        assert_int_equal(told.stands_for, malloc_usable_size(block));
        assert_int_equal(told.allocated, told.freeing + 1);
    }
    assert_null(realloc(block, (size_t)-1 / 4));
    assert_int_equal(told.stands_for, malloc_usable_size(block));
    free(block);
    assert_int_equal(told.stands_for, 0);
    assert_int_equal(fastalloc_hooks_remove(&hooks), 0);
}

static void *free_it(void *block)
{
    free(block);
    return NULL;
}

static void a_sample_freed_by_another_thread_is_told_and_an_old_one_is_not(void **state)
{
    (void)state;
    struct told told = {0};
    const struct fastalloc_hooks hooks = hooks_by_address(&told, 1);
    assert_int_equal(fastalloc_hooks_add(&hooks), 0);
    void *blocks[4] = {malloc(50), malloc(20000), malloc(500000), malloc(50)};
    void *survivor = malloc(100);
    for (int index = 0; index < 3; index++)
    {
        pthread_t thread;
        const size_t before = told.freeing;
        assert_int_equal(pthread_create(&thread, NULL, free_it, blocks[index]), 0);
        pthread_join(thread, NULL);
        assert_true(told.freeing > before);
    }
    assert_int_equal(fastalloc_hooks_remove(&hooks), 0);
    const struct told before = told;
    free(blocks[3]);
    assert_int_equal(fastalloc_hooks_add(&hooks), 0);
    free(survivor); // of a subscription that has ended
    assert_int_equal(told.freeing, before.freeing);
    assert_int_equal(fastalloc_hooks_remove(&hooks), 0);
    char message[200] = "";
    assert_int_equal(fastalloc_check_heap(message, sizeof message), 0);
}

// What was drawn while only few were wanted counts no more.
static void who_wants_more_samples_is_told_from_the_first_call_on(void **state)
{
    (void)state;
    struct told seldom = {0}, always = {0};
    const struct fastalloc_hooks few = hooks_by_address(&seldom, (size_t)1 << 60);
    const struct fastalloc_hooks all = hooks_by_address(&always, 1);
    void *blocks[2000];
    for (int index = 0; index < 2000; index++)
        blocks[index] = malloc(64);
    for (int index = 0; index < 2000; index++)
        free(blocks[index]);
    assert_int_equal(fastalloc_hooks_add(&few), 0);
    free(malloc(64));
    free(malloc(64));
    assert_int_equal(fastalloc_hooks_add(&all), 0);
    const size_t before = always.allocated;
    for (int index = 0; index < 1000; index++)
        blocks[index] = malloc(64);
    assert_int_equal(always.allocated, before + 1000);
    for (int index = 0; index < 1000; index++)
        free(blocks[index]);
    assert_int_equal(always.freeing, always.allocated);
    assert_int_equal(fastalloc_hooks_remove(&all), 0);
    assert_int_equal(fastalloc_hooks_remove(&few), 0);
    assert_int_equal(seldom.allocated, 0);
}

static void *volatile to_be_resized;

static void resize_in_a_callback(void *context, const struct fastalloc_event *event)
{
    (void)event;
    if (to_be_resized && !*(int *)context)
    {
        *(int *)context = 1;
        to_be_resized = realloc(to_be_resized, 200000000);
    }
}

// It is a sample no more, and what comes to lie where it was is none.
static void a_sample_that_a_callback_resizes_is_forgotten(void **state)
{
    (void)state;
    struct told told = {0};
    int resized = 0;
    const struct fastalloc_hooks samples = hooks_by_address(&told, 1);
    const struct fastalloc_hooks resizing = {
        .size = sizeof resizing, .context = &resized, .allocated = resize_in_a_callback};
    assert_int_equal(fastalloc_hooks_add(&samples), 0);
    void *block = malloc(40000000);
    assert_int_equal(fastalloc_hooks_add(&resizing), 0);
    to_be_resized = block;
    free(malloc(100));
    assert_int_equal(fastalloc_hooks_remove(&resizing), 0);
    assert_int_equal(resized, 1);
    const size_t freed = told.freeing;
    free(to_be_resized);
    assert_int_equal(told.freeing, freed);
    assert_int_equal(fastalloc_hooks_remove(&samples), 0);
}

// ---- fork ----------------------------------------------------------------------------------------------------------

enum
{
    blocks_in_a_child = 4000
};

// Which of its blocks a child was told of: one of 16 on average.
static uint64_t samples_of_a_child(const struct told *told)
{
    int ends[2];
    uint64_t told_of = 0;
    assert_int_equal(pipe(ends), 0);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
    {
        for (uint64_t number = 1; number <= blocks_in_a_child; number++)
        {
            const size_t before = told->allocated;
            free(malloc(64));
            if (told->allocated != before)
                told_of = told_of * 31 + number;
        }
        _exit(write(ends[1], &told_of, sizeof told_of) == sizeof told_of ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(read(ends[0], &told_of, sizeof told_of), sizeof told_of);
    close(ends[0]);
    close(ends[1]);
    return told_of;
}

static void children_are_told_of_other_blocks_each(void **state)
{
    (void)state;
    struct told told = {0};
    const struct fastalloc_hooks hooks = hooks_by_address(&told, 1024);
    assert_int_equal(fastalloc_hooks_add(&hooks), 0);
    free(malloc(64));
    const uint64_t first = samples_of_a_child(&told), second = samples_of_a_child(&told);
    assert_int_equal(fastalloc_hooks_remove(&hooks), 0);
    assert_true(first != 0 && second != 0 && first != second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_stand_for_ten_million_blocks),
        cmocka_unit_test(two_samplers_in_four_threads_are_each_right),
        cmocka_unit_test(samples_beside_every_call_are_right),
        cmocka_unit_test(every_way_of_asking_is_sampled),
        cmocka_unit_test(a_sampled_block_that_realloc_resizes_is_one_block),
        cmocka_unit_test(who_wants_more_samples_is_told_from_the_first_call_on),
        cmocka_unit_test(a_sample_that_a_callback_resizes_is_forgotten),
        cmocka_unit_test(children_are_told_of_other_blocks_each),
        cmocka_unit_test(a_sample_freed_by_another_thread_is_told_and_an_old_one_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
