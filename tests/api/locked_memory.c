// SPDX-License-Identifier: MIT
//
// locked_memory.c - under mlockall every page that may be written becomes resident at once; the allocator's window must
// not. Locked before the first malloc (in .preinit_array, before the constructors of all libraries) and after it. The
// program starts itself; where it may not lock memory there is nothing to see.
#include <sys/mman.h>

#include "../support.h"

#include "../children.h"

#define LOCK_VARIABLE "FASTALLOC_TEST_LOCK="

// What a program like this one has resident when all of it is locked, with a few MiB of blocks, is about 16 MiB under
// libc's malloc; 64 MiB more are allowed.
static const size_t resident_at_most = (size_t)80 << 20;

static int locked_early;

static void lock_early(int count, char **arguments, char **environment)
{
    (void)count;
    (void)arguments;
    for (; *environment; environment++)
        if (strncmp(*environment, LOCK_VARIABLE, sizeof LOCK_VARIABLE - 1) == 0)
            locked_early = mlockall(MCL_CURRENT | MCL_FUTURE) == 0;
}

__attribute__((section(".preinit_array"), used)) static void (*const lock_at_start)(int, char **, char **) = lock_early;

// ---- in the program that was started again -----------------------------------------------------------------------

static void use_8_mib(void)
{
    static void *blocks[8192];
    for (size_t index = 0; index < 8192; index++)
    {
        blocks[index] = malloc(index % 8 ? 300 : 6000);
        require(blocks[index] != NULL);
        memset(blocks[index], 1, 300);
    }
    for (size_t index = 0; index < 8192; index++)
        free(blocks[index]);
}

static int run_locked(const char *mode)
{
    if (strcmp(mode, "early") == 0)
    {
        require(locked_early);
    }
    else
    {
        use_8_mib();
        require(mlockall(MCL_CURRENT | MCL_FUTURE) == 0);
    }
    use_8_mib();
    size_t resident = resident_bytes();
    require(resident < resident_at_most);
    if (resident >= resident_at_most)
        fprintf(stderr, "# %zu MiB resident\n", resident / mib);
    void *big = malloc(100 * mib);
    require(big != NULL);
    free(big);
    require(resident_bytes() < resident_at_most);
    require_whole_heap();
    return requirements_unmet ? 1 : 0;
}

// ---- the tests ---------------------------------------------------------------------------------------------------

static void may_lock(void *argument)
{
    (void)argument;
    require(mlockall(MCL_CURRENT | MCL_FUTURE) == 0);
}

static void assert_stays_small(const char *mode)
{
    struct finished_program finished;
    if (run_child(may_lock, NULL, 20) != 0)
    {
        print_message("# not tried: this process may not lock its memory\n");
        return;
    }
    if (strcmp(mode, "early") == 0)
        setenv("FASTALLOC_TEST_LOCK", "1", 1);
    run_self(&finished, mode, NULL, NULL);
    unsetenv("FASTALLOC_TEST_LOCK");
    assert_succeeded(&finished);
}

static void memory_locked_before_the_first_malloc_stays_small(void **state)
{
    (void)state;
    assert_stays_small("early");
}

static void memory_locked_after_the_first_malloc_stays_small(void **state)
{
    (void)state;
    assert_stays_small("late");
}

int main(int count, char **arguments)
{
    own_path = arguments[0];
    if (count > 1)
        return run_locked(arguments[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_locked_before_the_first_malloc_stays_small),
        cmocka_unit_test(memory_locked_after_the_first_malloc_stays_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
