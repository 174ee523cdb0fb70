// SPDX-License-Identifier: MIT
//
// loaded_libraries.c - libraries that allocate are loaded and unloaded hundreds of times by threads that come and go:
// `loaded_libraries SEED SECONDS LIBRARY...`. The program is linked with the library, has it preloaded, or has neither;
// then it is on libc's malloc, and libfastalloc arrives with a LIBRARY. Nothing piles up.
#include <dlfcn.h>

#include "../support.h"

#include "../children.h"
#include "../parcel.h"

#include "storm.h"

enum
{
    visitors = 3,
    warm_up_rounds = 30,
    rounds_at_least = 300
};

static char **libraries;
static unsigned library_count;

struct visit
{
    uint64_t seed;
    char *left; // a block of the library, which is gone when it is freed
};

static void *visit_libraries(void *argument)
{
    struct visit *visit = argument;
    uint64_t random = visit->seed;
    for (unsigned times = 0; times < 3; times++)
    {
        const char *path = libraries[next_random(&random) % library_count];
        void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        require(library != NULL);
        if (!library)
            return NULL;
        int (*visits)(uint64_t) = (int (*)(uint64_t))dlsym(library, "guest_visits");
        char *(*leaves)(size_t) = (char *(*)(size_t))dlsym(library, "guest_leaves");
        require(visits != NULL && visits(next_random(&random)) == 0);
        if (leaves && !visit->left)
        {
            visit->left = leaves(1000);
            memset(visit->left, 1, 1000);
        }
        require(dlclose(library) == 0);
    }
    return NULL;
}

static void visit_once(uint64_t *random)
{
    pthread_t threads[visitors];
    struct visit visits[visitors];
    for (unsigned index = 0; index < visitors; index++)
    {
        visits[index] = (struct visit){next_random(random), NULL};
        threads[index] = start_thread(visit_libraries, &visits[index]);
    }
    for (unsigned index = 0; index < visitors; index++)
        join_thread(threads[index]);
    for (unsigned index = 0; index < visitors; index++)
    {
        require(visits[index].left != NULL && visits[index].left[999] == 1);
        free(visits[index].left);
    }
}

// A library whose thread-local objects outlived its last dlclose is unloaded when another dlclose comes by.
static void unload_what_may_go(void)
{
    for (unsigned index = 0; index < library_count; index++)
    {
        void *library = dlopen(libraries[index], RTLD_NOW);
        assert_non_null(library);
        assert_int_equal(dlclose(library), 0);
    }
}

// The figures of the library, however it came into the process; all 0 if it has not come.
static struct fastalloc_stats figures(void)
{
    struct fastalloc_stats stats;
    char message[256] = "";
    memset(&stats, 0, sizeof stats);
    unload_what_may_go();
    void *all = dlopen(NULL, RTLD_NOW);
    void *library = dlopen("libfastalloc.so.1", RTLD_NOW | RTLD_NOLOAD);
    for (unsigned index = 0; index < library_count && !library; index++)
        library = dlopen(libraries[index], RTLD_NOW | RTLD_NOLOAD);
    void *where = library ? library : all;
    int (*get)(struct fastalloc_stats *, size_t) =
        (int (*)(struct fastalloc_stats *, size_t))dlsym(where, "fastalloc_get_stats");
    int (*check)(char *, size_t) = (int (*)(char *, size_t))dlsym(where, "fastalloc_check_heap");
    assert_true(get != NULL && check != NULL);
    assert_int_equal(get(&stats, sizeof stats), 0);
    if (check(message, sizeof message) != 0)
        fail_msg("fastalloc_check_heap: %s", message);
    if (library)
        dlclose(library);
    dlclose(all);
    return stats;
}

static void libraries_that_come_and_go_leave_nothing_behind(void **state)
{
    (void)state;
    uint64_t random = seed_of_run;
    for (unsigned round = 0; round < warm_up_rounds; round++)
        visit_once(&random);
    const struct fastalloc_stats before = figures();
    const size_t resident = resident_bytes();
    const double end = seconds_now() + seconds_for_each;
    unsigned rounds = 0;
    for (; (rounds < rounds_at_least || seconds_now() < end) && !requirements_unmet; rounds++)
    {
        visit_once(&random);
        if (rounds % 50 == 0)
            unload_what_may_go(); // on any malloc the loader keeps records until nothing else is loaded
    }
    const struct fastalloc_stats after = figures();
    print_message("# %u rounds; live %ju, then %ju\n", rounds, (uintmax_t)before.live_bytes,
                  (uintmax_t)after.live_bytes);
    assert_requirements_met();
    assert_true(growth(before.live_bytes, after.live_bytes) <= 64 * kib);
    assert_true(after.outside_blocks == before.outside_blocks);
    assert_true(after.arenas <= before.arenas + visitors);
    assert_true(after.attached_threads <= before.attached_threads + 1);
    assert_true(growth(resident, resident_bytes()) <= 24 * mib);
}

int main(int count, char **arguments)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(libraries_that_come_and_go_leave_nothing_behind),
    };
    begin_storm(count, arguments, 1);
    if (count < 4)
        return 2;
    libraries = arguments + 3;
    library_count = (unsigned)count - 3;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
