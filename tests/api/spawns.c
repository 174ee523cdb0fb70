// SPDX-License-Identifier: MIT
//
// spawns.c - programs started from a program whose other threads allocate: vfork and exec, posix_spawn, system, popen.
#include <spawn.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "../support.h"

#include "../children.h"
#include "../parcel.h"

enum
{
    busy_threads = 2,
    programs = 60
};

extern char **environ;

static struct shelf shelf = {.count = 256};
static atomic_int stop;

static void *hand_over(void *argument)
{
    for (uint64_t random = (uint64_t)(uintptr_t)argument; !atomic_load(&stop); next_random(&random))
        exchange_parcels(&shelf, random, 20, 12);
    return NULL;
}

// Runs `start`, which starts a program and returns its wait status, again and again among busy threads.
static void assert_starts(int (*start)(void))
{
    pthread_t threads[busy_threads];
    int succeeded = 0;
    atomic_store(&stop, 0);
    for (uintptr_t index = 0; index < busy_threads; index++)
        threads[index] = start_thread(hand_over, (void *)(index + 1));
    for (int index = 0; index < programs; index++)
    {
        succeeded += start() == 0;
        struct parcel *parcel = make_parcel((size_t)index * 100, 1);
        open_parcel(exchange_parcel(&shelf, (size_t)index, parcel));
    }
    atomic_store(&stop, 1);
    for (int index = 0; index < busy_threads; index++)
        join_thread(threads[index]);
    clear_shelf(&shelf);
    assert_requirements_met();
    assert_int_equal(succeeded, programs);
    assert_heap_is_whole();
}

static int start_by_vfork(void)
{
    char *const arguments[] = {(char *)"true", NULL};
    pid_t child = vfork();
    if (child == 0)
    {
        execve("/bin/true", arguments, environ);
        _exit(127);
    }
    return status_of_child(child, 20);
}

static int start_by_posix_spawn(void)
{
    char *const arguments[] = {(char *)"true", NULL};
    pid_t child = -1;
    if (posix_spawn(&child, "/bin/true", NULL, NULL, arguments, environ) != 0)
        return -1;
    return status_of_child(child, 20);
}

static int start_by_system(void)
{
    return system("exit 0");
}

static int start_by_popen(void)
{
    char line[32] = "";
    FILE *stream = popen("echo heard", "r");
    if (!stream || !fgets(line, sizeof line, stream) || strcmp(line, "heard\n") != 0)
        return -1;
    return pclose(stream);
}

static void programs_start_by_vfork_and_exec(void **state)
{
    (void)state;
    assert_starts(start_by_vfork);
}

static void programs_start_by_posix_spawn(void **state)
{
    (void)state;
    assert_starts(start_by_posix_spawn);
}

static void programs_start_by_system(void **state)
{
    (void)state;
    assert_starts(start_by_system);
}

static void programs_start_by_popen(void **state)
{
    (void)state;
    assert_starts(start_by_popen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(programs_start_by_vfork_and_exec),
        cmocka_unit_test(programs_start_by_posix_spawn),
        cmocka_unit_test(programs_start_by_system),
        cmocka_unit_test(programs_start_by_popen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
