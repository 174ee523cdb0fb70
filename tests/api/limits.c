// SPDX-License-Identifier: MIT
//
// limits.c - little address space, little data: what fits is served, what does not is an errno. The program starts
// itself, with limits set, and does then what its arguments name.
#include <sys/resource.h>

#include "../support.h"

#include "../children.h"

static void limit(int resource, size_t bytes)
{
    struct rlimit limits = {bytes, bytes};
    setrlimit((__rlimit_resource_t)resource, &limits);
}

static void assert_runs(const char *mode, const char *detail, void (*prepare)(void))
{
    struct finished_program finished;
    run_self(&finished, mode, detail, prepare);
    assert_succeeded(&finished);
}

static void allow_200000_kib_of_addresses(void)
{
    limit(RLIMIT_AS, 200000 * kib);
}

static void allow_20000_kib_of_addresses(void)
{
    limit(RLIMIT_AS, 20000 * kib);
}

static void allow_64_mib_of_data(void)
{
    limit(RLIMIT_DATA, 64 * mib);
}

static void eight_threads_hold_100_mib_within_200_mb_of_addresses(void **state)
{
    (void)state;
    assert_runs("hold", NULL, allow_200000_kib_of_addresses);
}

static void assert_exhausts_at_all_sizes(void (*prepare)(void))
{
    static const char *const sizes[] = {"8", "64", "1000", "20000", "300000", "3000000", "40000000"};
    for (size_t which = 0; which < sizeof sizes / sizeof *sizes; which++)
        assert_runs("exhaust", sizes[which], prepare);
}

static void exhausted_addresses_are_enomem_and_pass(void **state)
{
    (void)state;
    assert_exhausts_at_all_sizes(allow_200000_kib_of_addresses);
}

static void exhausted_data_is_enomem_and_passes(void **state)
{
    (void)state;
    assert_exhausts_at_all_sizes(allow_64_mib_of_data);
}

static void a_program_starts_within_20_mb_of_addresses(void **state)
{
    (void)state;
    assert_runs("begin", NULL, allow_20000_kib_of_addresses);
}

// Programs that know nothing of the library, served by it.
static void true_starts_from_a_shell_within_20_mb_of_addresses(void **state)
{
    (void)state;
    struct finished_program finished;
    if (!getenv("LD_PRELOAD"))
    {
        print_message("# not tried: nothing is preloaded into other programs\n");
        return;
    }
    char *const arguments[] = {(char *)"/bin/sh", (char *)"-c", (char *)"ulimit -v 20000; /bin/true && exec /bin/true",
                               NULL};
    run_program(&finished, arguments, NULL, 20);
    assert_succeeded(&finished);
    assert_string_equal(finished.errors, "");
}

// Changes a setting of the whole machine for a moment, so only where it is asked for.
static void strict_overcommit_is_survived(void **state)
{
    (void)state;
    const char *path = "/proc/sys/vm/overcommit_memory";
    char old[16] = "0";
    const char *asked = getenv("FASTALLOC_TEST_OVERCOMMIT");
    int file = asked && strcmp(asked, "1") == 0 ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (file < 0)
    {
        print_message("# not tried: FASTALLOC_TEST_OVERCOMMIT is not 1 or the setting may not be written\n");
        return;
    }
    ssize_t bytes = read(file, old, sizeof old - 1);
    struct finished_program finished[2];
    int set = pwrite(file, "2", 1, 0) == 1;
    if (set)
    {
        run_self(&finished[0], "begin", NULL, NULL);
        run_self(&finished[1], "hold", NULL, NULL);
    }
    int restored = pwrite(file, old, (size_t)bytes, 0) == bytes;
    close(file);
    assert_true(set && restored);
    assert_succeeded(&finished[0]);
    assert_succeeded(&finished[1]);
}

// ---- in the program that was started again -----------------------------------------------------------------------

enum
{
    holders = 8,
    held_by_each = 100 * 1024 * 1024 / holders
};

// Blocks of every order of size, 12.5 MiB together, all live at once, filled and verified.
static void *hold_blocks(void *argument)
{
    enum
    {
        most = 40000
    };
    uint64_t random = (uint64_t)(uintptr_t)argument;
    struct
    {
        void *block;
        size_t size;
    } *held = malloc(most * sizeof *held);
    require(held != NULL);
    if (!held)
        return NULL;
    size_t total = most * sizeof *held, count = 0;
    while (total < held_by_each && count < most)
    {
        size_t size = random_size(&random, 16);
        held[count].block = malloc(size);
        require(held[count].block != NULL);
        if (!held[count].block)
            return NULL;
        held[count].size = size;
        fill_block(held[count].block, size, count);
        total += size;
        count++;
    }
    require(total >= held_by_each);
    for (size_t index = 0; index < count; index++)
    {
        require(block_is_filled(held[index].block, held[index].size, index));
        free(held[index].block);
    }
    free(held);
    return NULL;
}

static void hold(void)
{
    pthread_t threads[holders];
    pthread_attr_t small_stack;
    pthread_attr_init(&small_stack);
    pthread_attr_setstacksize(&small_stack, mib);
    int started = 0;
    for (uintptr_t index = 0; index < holders; index++)
        started += pthread_create(&threads[started], &small_stack, hold_blocks, (void *)(index + 1)) == 0;
    require(started == holders);
    for (int index = 0; index < started; index++)
        pthread_join(threads[index], NULL);
}

// Takes blocks of `size` until there are no more; returns how many bytes it was. All are linked through their start.
static size_t take_all(size_t size, void **head)
{
    size_t total = 0;
    for (;;)
    {
        errno = 0;
        void **block = malloc(size);
        if (!block)
        {
            require(errno == ENOMEM);
            return total;
        }
        *block = *head;
        *head = block;
        total += malloc_usable_size(block);
    }
}

static void exhaust(size_t size)
{
    void *head = NULL;
    size_t total = take_all(size, &head);
    require(total >= 32 * mib);
    errno = 0;
    require(realloc(NULL, 100 * mib) == NULL && errno == ENOMEM);
    while (head)
    {
        void *next = *(void **)head;
        free(head);
        head = next;
    }
    char *again = malloc(16 * mib);
    require(again != NULL);
    free(again);
}

static void begin(void)
{
    void *block = malloc(100000);
    require(block != NULL);
    memset(block, 1, 100000);
    free(block);
}

static int do_what_is_named(const char *mode, const char *detail)
{
    if (strcmp(mode, "hold") == 0)
        hold();
    else if (strcmp(mode, "exhaust") == 0)
        exhaust(strtoull(detail, NULL, 10));
    else
        begin();
    require_whole_heap();
    return requirements_unmet ? 1 : 0;
}

int main(int count, char **arguments)
{
    own_path = arguments[0];
    if (count > 1)
        return do_what_is_named(arguments[1], count > 2 ? arguments[2] : "0");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(eight_threads_hold_100_mib_within_200_mb_of_addresses),
        cmocka_unit_test(exhausted_addresses_are_enomem_and_pass),
        cmocka_unit_test(exhausted_data_is_enomem_and_passes),
        cmocka_unit_test(a_program_starts_within_20_mb_of_addresses),
        cmocka_unit_test(true_starts_from_a_shell_within_20_mb_of_addresses),
        cmocka_unit_test(strict_overcommit_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
