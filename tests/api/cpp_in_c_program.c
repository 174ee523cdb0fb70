// SPDX-License-Identifier: MIT
//
// cpp_in_c_program.c - a C program, in which libstdc++ is not loaded when the allocator starts, loads a C++ library:
// operators new of that library throw, call the new_handler and serve as in a C++ program. The argument is the path of
// the library, helpers/throwing_library.cpp.
#include <dlfcn.h>

#include "../support.h"

static const char *library_path;

typedef int (*question)(size_t);

// Looks up a function of the library, loading it anew with the given flags.
static question ask(const char *name, int flags)
{
    void *library = dlopen(library_path, flags);
    if (!library)
        fail_msg("%s", dlerror());
    question function;
    *(void **)&function = dlsym(library, name);
    assert_non_null(*(void **)&function);
    return function;
}

static void libstdcxx_is_not_loaded_at_first(void **state)
{
    (void)state;
    assert_null(dlopen("libstdc++.so.6", RTLD_LAZY | RTLD_NOLOAD));
}

static void bad_alloc_is_caught_in_the_library(void **state)
{
    (void)state;
    question catches = ask("library_catches_bad_alloc", RTLD_NOW | RTLD_LOCAL);
    assert_int_equal(catches(SIZE_MAX / 2 - 7), 1);
    assert_int_equal(catches(SIZE_MAX - 100), 1);
    assert_int_equal(catches((size_t)1 << 47), 1);
    assert_int_equal(catches(1000), 0);
}

static void new_handler_of_the_library_is_called(void **state)
{
    (void)state;
    question count = ask("library_counts_handler_calls", RTLD_LAZY | RTLD_LOCAL);
    assert_int_equal(count(SIZE_MAX / 2 - 7), 1);
    question is_null = ask("library_gets_null", RTLD_LAZY | RTLD_LOCAL);
    assert_int_equal(is_null(SIZE_MAX / 2 - 7), 1);
}

static void the_library_is_served(void **state)
{
    (void)state;
    question add = ask("library_adds_lengths", RTLD_NOW | RTLD_LOCAL);
    assert_int_equal(add(2000), 2000 * 1999 / 2);
    assert_heap_is_whole();
}

int main(int count, char **arguments)
{
    library_path = count > 1 ? arguments[1] : "";
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(libstdcxx_is_not_loaded_at_first),
        cmocka_unit_test(bad_alloc_is_caught_in_the_library),
        cmocka_unit_test(new_handler_of_the_library_is_called),
        cmocka_unit_test(the_library_is_served),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
