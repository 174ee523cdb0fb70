// SPDX-License-Identifier: MIT
//
// cmocka.h - stands in for cmocka where a program is linked with -static: distributions ship cmocka as a shared library
// only. It has the part of the interface the tests of the built library use, and writes TAP.
#ifndef TESTS_STANDIN_CMOCKA_H
#define TESTS_STANDIN_CMOCKA_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct CMUnitTest
{
    const char *name;
    void (*body)(void **state);
};

static jmp_buf standin_end_of_test;

__attribute__((noreturn, format(printf, 1, 2))) static void standin_fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    printf("# ");
    vprintf(format, arguments);
    printf("\n");
    va_end(arguments);
    longjmp(standin_end_of_test, 1);
}

static inline void standin_check(int met, const char *claim, const char *file, int line)
{
    if (!met)
        standin_fail("%s:%d: not so: %s", file, line, claim);
}

static inline void standin_check_equal(uintmax_t left, uintmax_t right, const char *claim, const char *file, int line)
{
    if (left != right)
        standin_fail("%s:%d: not so: %s (0x%jx, 0x%jx)", file, line, claim, left, right);
}

#define cmocka_unit_test(body)                                                                                         \
    {                                                                                                                  \
#body, body                                                                                                    \
    }
#define assert_true(condition) standin_check((condition) ? 1 : 0, #condition, __FILE__, __LINE__)
#define assert_false(condition) standin_check((condition) ? 0 : 1, "not " #condition, __FILE__, __LINE__)
#define assert_null(pointer) standin_check((pointer) == NULL, #pointer " is null", __FILE__, __LINE__)
#define assert_non_null(pointer) standin_check((pointer) != NULL, #pointer " is not null", __FILE__, __LINE__)
#define assert_int_equal(a, b) standin_check_equal((uintmax_t)(a), (uintmax_t)(b), #a " == " #b, __FILE__, __LINE__)
#define assert_int_not_equal(a, b) standin_check((a) != (b), #a " != " #b, __FILE__, __LINE__)
#define assert_ptr_equal(a, b) standin_check((a) == (b), #a " == " #b, __FILE__, __LINE__)
#define assert_ptr_not_equal(a, b) standin_check((a) != (b), #a " != " #b, __FILE__, __LINE__)
#define assert_string_equal(a, b) standin_check(strcmp((a), (b)) == 0, #a " is " #b, __FILE__, __LINE__)
#define assert_memory_equal(a, b, n) standin_check(memcmp((a), (b), (n)) == 0, #a " holds " #b, __FILE__, __LINE__)
#define fail_msg(...) standin_fail(__VA_ARGS__)
#define print_message(...) printf(__VA_ARGS__)

// Runs the tests in order; returns how many failed.
static inline int standin_run_group(const struct CMUnitTest *tests, size_t count)
{
    static int failed; // statics: what longjmp leaves alone
    static size_t index;
    printf("1..%zu\n", count);
    for (index = 0; index < count; index++)
    {
        void *state = NULL;
        const char *verdict = "ok";
        if (setjmp(standin_end_of_test) == 0)
        {
            tests[index].body(&state);
        }
        else
        {
            verdict = "not ok";
            failed++;
        }
        printf("%s %zu - %s\n", verdict, index + 1, tests[index].name);
        fflush(stdout);
    }
    return failed;
}

#define cmocka_run_group_tests(tests, set_up, tear_down) standin_run_group(tests, sizeof(tests) / sizeof *(tests))

#endif // TESTS_STANDIN_CMOCKA_H
