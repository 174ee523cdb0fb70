// SPDX-License-Identifier: MIT
//
// memory_limits.c - the settings soft_limit and hard_limit: what a program may hold, what becomes of what is beyond it,
// and that all goes on once there is room again. The program starts itself with a setting.
#include "../support.h"

#include "../children.h"

static uint64_t held_bytes(void)
{
    struct fastalloc_stats stats;
    require(fastalloc_get_stats(&stats, sizeof stats) == 0);
    require(stats.limit_bytes == 0 || stats.held_bytes <= stats.limit_bytes);
    return stats.held_bytes;
}

enum
{
    most = 20000
};
static void *blocks[most];

// Blocks of this size until there is no memory. Returns how many.
static int fill(size_t size)
{
    for (int index = 0; index < most; index++)
    {
        errno = 0;
        blocks[index] = malloc(size);
        if (!blocks[index])
        {
            require(errno == ENOMEM);
            return index;
        }
        memset(blocks[index], index, size < 64 ? size : 64);
    }
    return most;
}

static void free_every(int step, int count)
{
    for (int index = 0; index < count; index += step)
    {
        free(blocks[index]);
        blocks[index] = NULL;
    }
}

static void fill_up(void)
{
    const size_t sizes[] = {4096, 5000, 40000, 300000, 3 * mib, 33 * mib};
    for (size_t index = 0; index < sizeof sizes / sizeof *sizes; index++)
    {
        const size_t size = sizes[index];
        const int count = fill(size);
        require(held_bytes() <= 64 * mib);
        // All but what the last chunk, the arena and rounding take.
        require(count > 0 && (count + 1) * size > 40 * mib && count * size <= 64 * mib);
        for (int number = 0; number < count; number++)
            require(((unsigned char *)blocks[number])[1] == (unsigned char)number);
        require(realloc(blocks[0], 70 * mib) == NULL && errno == ENOMEM);
        require(calloc(1, 65 * mib) == NULL && aligned_alloc(4 * mib, 60 * mib) == NULL);
        free_every(1, count); // and each size finds the memory the one before it had
    }
    void *large = malloc(50 * mib);
    require(large != NULL && held_bytes() <= 64 * mib);
    free(large);
    require_whole_heap();
}

static void *fill_in_thread(void *argument)
{
    (void)argument;
    void *own[2000];
    for (int round = 0; round < 3; round++)
    {
        int count = 0;
        while (count < 2000 && (own[count] = malloc(10000)) != NULL)
            count++;
        require(held_bytes() <= 64 * mib);
        while (count > 0)
            free(own[--count]);
    }
    return NULL;
}

static void fill_up_in_threads(void)
{
    pthread_t threads[6];
    for (int index = 0; index < 6; index++)
        require(pthread_create(&threads[index], NULL, fill_in_thread, NULL) == 0);
    for (int index = 0; index < 6; index++)
        pthread_join(threads[index], NULL);
    void *large = malloc(30 * mib);
    require(large != NULL);
    free(large);
    require_whole_heap();
}

static unsigned told;

static void count_and_free(void *context, uint64_t held, uint64_t limit)
{
    told++;
    require(context == &told && limit == 32 * mib && held > limit);
    free_every(1, most);
}

// What is told may free: a cache that is emptied.
static void pass_the_soft_limit(void)
{
    static struct fastalloc_observer observer = {
        .size = sizeof observer, .context = &told, .soft_limit_passed = count_and_free};
    struct fastalloc_observer small = {.size = 8};
    require(fastalloc_observe(&small) == -1 && errno == EINVAL);
    require(fastalloc_observe(&observer) == 0);
    for (unsigned round = 1; round <= 3; round++)
    {
        require(fill(4096) == most); // 80 MiB: nothing is refused
        require(told >= round && told <= 4 * round);
        free_every(1, most);
        fastalloc_purge();
        require(held_bytes() < 8 * mib);
    }
    require(fastalloc_observe(NULL) == 0);
    const unsigned before = told;
    require(fill(4096) == most && told == before);
    free_every(1, most);
    require_whole_heap();
}

static uint64_t refused_bytes;
static unsigned refusals, purges;

static void count_refusal(void *context, uint64_t bytes)
{
    require(context == &refusals);
    refusals++;
    refused_bytes = bytes;
}

static void count_purge(void *context, uint64_t bytes)
{
    require(context == &refusals && bytes <= 64 * mib);
    purges++;
}

static void ask_for_too_much(void)
{
    static struct fastalloc_observer observer = {
        .size = sizeof observer, .context = &refusals, .purged = count_purge, .hard_limit_refused = count_refusal};
    require(fastalloc_observe(&observer) == 0);
    require(malloc(100 * mib) == NULL && errno == ENOMEM);
    fastalloc_purge();
    require(refusals == 2 && refused_bytes == 100 * mib && purges >= 1); // once more after a purge
    require(fastalloc_observe(NULL) == 0);
}

enum
{
    hard,
    hard_for_threads,
    soft,
    refused,
    mode_count
};
static const struct mode modes[mode_count] = {
    [hard] = {"fill_up", fill_up, "hard_limit=64M"},
    [hard_for_threads] = {"fill_up_in_threads", fill_up_in_threads, "hard_limit=64M"},
    [soft] = {"pass_the_soft_limit", pass_the_soft_limit, "soft_limit=32M"},
    [refused] = {"ask_for_too_much", ask_for_too_much, "hard_limit=64M"},
};

static void beyond_the_hard_limit_there_is_no_memory(void **state)
{
    (void)state;
    assert_mode_succeeds(&modes[hard]);
}

static void what_the_hard_limit_refuses_is_told(void **state)
{
    (void)state;
    assert_mode_succeeds(&modes[refused]);
}

static void threads_share_the_hard_limit(void **state)
{
    (void)state;
    assert_mode_succeeds(&modes[hard_for_threads]);
}

static void beyond_the_soft_limit_the_program_is_told(void **state)
{
    (void)state;
    assert_mode_succeeds(&modes[soft]);
}

int main(int count, char **arguments)
{
    run_mode(modes, mode_count, count, arguments);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(beyond_the_hard_limit_there_is_no_memory),
        cmocka_unit_test(threads_share_the_hard_limit),
        cmocka_unit_test(what_the_hard_limit_refuses_is_told),
        cmocka_unit_test(beyond_the_soft_limit_the_program_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
