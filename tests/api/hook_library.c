// SPDX-License-Identifier: MIT
//
// hook_library.c - a library that subscribes in its constructor sees the program's blocks, whether it is preloaded beside
// the allocator or loaded late; unloaded it is not called any more. Run as
//
//     hook_library LIBRARY        loads LIBRARY with dlopen
//     hook_library                LIBRARY is preloaded
#include <dlfcn.h>

#include "../support.h"

static const char *library_path;

// As in helpers/hook_library.c.
struct hook_library_told
{
    unsigned long allocated, freeing, asked_777;
};

static void *allocate_and_free(void *argument)
{
    for (int count = 0; count < 1000; count++)
    {
        free(malloc(777));
        free(calloc(7, 111));
    }
    return argument;
}

static void the_library_sees_all_threads_blocks(void **state)
{
    (void)state;
    pthread_t thread;
    void *library = library_path ? dlopen(library_path, RTLD_NOW | RTLD_LOCAL) : NULL;
    if (library_path && !library)
        fail_msg("%s", dlerror());
    volatile struct hook_library_told *told = dlsym(library ? library : RTLD_DEFAULT, "hook_library_told");
    assert_non_null(told);
    const unsigned long before = told->asked_777;
    assert_int_equal(pthread_create(&thread, NULL, allocate_and_free, NULL), 0);
    allocate_and_free(NULL);
    pthread_join(thread, NULL);
    assert_int_equal(told->asked_777, before + 8000);
    assert_true(told->allocated >= 4000 && told->freeing >= 4000);
    if (library)
    {
        assert_int_equal(dlclose(library), 0); // its code is gone
        assert_null(dlopen(library_path, RTLD_NOW | RTLD_NOLOAD));
    }
    allocate_and_free(NULL);
}

int main(int count, char **arguments)
{
    library_path = count > 1 ? arguments[1] : NULL;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_library_sees_all_threads_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
