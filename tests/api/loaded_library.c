// SPDX-License-Identifier: MIT
//
// loaded_library.c - a program that is neither linked with libfastalloc nor preloaded loads, from a running thread, a
// library that is. malloc stays libc's; the allocator serves the library, in threads that ran before it was loaded as
// well as in later ones, and passes libc's blocks on to libc. The arguments are the paths of helpers/user_library.c,
// built, and of libfastalloc.
#include <dlfcn.h>
#include <limits.h>
#include <semaphore.h>

#include "../support.h"

#include "../children.h"

static const char *library_path;
static const char *allocator_path;

static struct
{
    void *handle;
    int (*use)(unsigned seed);
    void *(*make)(size_t size);
    void (*release)(void *block);
    int (*check)(unsigned threads);
} library;

static void look_up(const char *name, void *function)
{
    void *address = dlsym(library.handle, name);
    require(address != NULL);
    memcpy(function, &address, sizeof address);
}

static void load(void)
{
    library.handle = dlopen(library_path, RTLD_NOW | RTLD_LOCAL);
    require(library.handle != NULL);
    if (!library.handle)
    {
        fprintf(stderr, "# %s\n", dlerror());
        return;
    }
    look_up("library_uses_blocks", &library.use);
    look_up("library_makes_block", &library.make);
    look_up("library_frees", &library.release);
    look_up("library_checks", &library.check);
}

static sem_t loaded, may_end;

static void *wait_and_use(void *argument)
{
    sem_wait(&loaded);
    require(library.use((unsigned)(uintptr_t)argument) == 0);
    return NULL;
}

static void *load_use_and_unload(void *argument)
{
    (void)argument;
    load();
    if (!library.handle)
        return NULL;
    require(library.use(1) == 0);
    for (int index = 0; index < 4; index++)
        sem_post(&loaded);
    pthread_t later;
    require(pthread_create(&later, NULL, wait_and_use, (void *)77) == 0);
    sem_post(&loaded);
    pthread_join(later, NULL);
    sem_wait(&may_end);
    require(library.check(8) == 0);
    require(dlclose(library.handle) == 0);
    return NULL;
}

static void a_running_thread_may_load_use_and_unload_it(void **state)
{
    (void)state;
    sem_init(&loaded, 0, 0);
    sem_init(&may_end, 0, 0);
    for (int round = 0; round < 5; round++)
    {
        pthread_t earlier[4], loader;
        for (uintptr_t index = 0; index < 4; index++)
            earlier[index] = start_thread(wait_and_use, (void *)index);
        loader = start_thread(load_use_and_unload, NULL);
        for (int index = 0; index < 4; index++)
            join_thread(earlier[index]);
        sem_post(&may_end);
        join_thread(loader);
        assert_requirements_met();
    }
}

static void malloc_stays_the_programs(void **state)
{
    (void)state;
    load();
    assert_requirements_met();
    Dl_info place;
    assert_int_not_equal(dladdr(dlsym(RTLD_DEFAULT, "malloc"), &place), 0);
    assert_non_null(strstr(place.dli_fname, "libc"));
    assert_null(dlsym(RTLD_DEFAULT, "fastalloc_malloc"));
    assert_int_equal(library.use(3), 0);
    assert_int_equal(library.check(2), 0);
}

// Each a block that libc allocated.
static void *make_foreign(int kind)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *stream;
    switch (kind)
    {
    case 0:
        return strdup("a text");
    case 1:
        return asprintf(&text, "number %d", kind) > 0 ? text : NULL;
    case 2:
        return realpath("/proc/self", NULL);
    case 3:
        stream = fopen("/proc/self/status", "r");
        require(stream && getline(&text, &bytes, stream) > 0);
        fclose(stream);
        return text;
    case 4:
        return getcwd(NULL, 0);
    case 5:
        stream = open_memstream(&text, &bytes);
        require(stream && fputs("to memory", stream) >= 0);
        fclose(stream);
        return text;
    case 6:
        return malloc(100000);
    case 7:
        return calloc(3, 40000000);
    default:
        return aligned_alloc(4096, 4096);
    }
}

static void blocks_of_libc_may_be_freed_by_fastalloc_free(void **state)
{
    (void)state;
    load();
    for (int round = 0; round < 20; round++)
    {
        for (int kind = 0; kind < 9; kind++)
        {
            void *block = make_foreign(kind);
            assert_non_null(block);
            library.release(block);
        }
    }
    assert_requirements_met();
    assert_int_equal(library.check(2), 0);
}

static void blocks_of_libc_may_be_freed_by_its_free(void **state)
{
    (void)state;
    load();
    void *allocator = dlopen(allocator_path, RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD);
    assert_non_null(allocator);
    void *address = dlsym(allocator, "free");
    assert_non_null(address);
    void (*its_free)(void *);
    memcpy(&its_free, &address, sizeof address);
    assert_true(its_free != free);
    for (int round = 0; round < 20; round++)
    {
        for (int kind = 0; kind < 9; kind++)
        {
            void *block = make_foreign(kind);
            assert_non_null(block);
            its_free(block);
        }
        its_free(library.make((size_t)1 << round));
    }
    assert_requirements_met();
    assert_int_equal(library.check(2), 0);
}

static void use_in_child(void *argument)
{
    (void)argument;
    require(library.use(8) == 0);
    library.release(strdup("of the child"));
    require(library.check(2) == 0);
}

static void the_library_works_in_forked_children(void **state)
{
    (void)state;
    load();
    for (int round = 0; round < 20; round++)
        assert_int_equal(run_child(use_in_child, NULL, 20), 0);
}

int main(int count, char **arguments)
{
    library_path = count > 1 ? arguments[1] : "";
    allocator_path = count > 2 ? arguments[2] : "";
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_running_thread_may_load_use_and_unload_it),
        cmocka_unit_test(malloc_stays_the_programs),
        cmocka_unit_test(blocks_of_libc_may_be_freed_by_fastalloc_free),
        cmocka_unit_test(blocks_of_libc_may_be_freed_by_its_free),
        cmocka_unit_test(the_library_works_in_forked_children),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
