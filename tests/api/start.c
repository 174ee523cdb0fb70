// SPDX-License-Identifier: MIT
//
// start.c - starting: the window lies elsewhere in each process, a program starts whatever descriptors and limits it
// was given, and FASTALLOC_CONF is obeyed or complained of in one line. The program starts itself with an argument;
// main() then does what that names.
#include <sys/resource.h>

#include "../support.h"

#include "../children.h"

static int compare_words(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

static void two_hundred_starts_have_two_hundred_window_bases(void **state)
{
    (void)state;
    enum
    {
        starts = 200
    };
    static uint64_t bases[starts];
    for (int index = 0; index < starts; index++)
    {
        struct finished_program finished;
        run_self(&finished, "print_base", NULL, NULL);
        assert_succeeded(&finished);
        bases[index] = strtoull(finished.output, NULL, 16);
        assert_true(bases[index] != 0);
        assert_int_equal(bases[index] % (2 * mib), 0);
    }
    qsort(bases, starts, sizeof *bases, compare_words);
    for (int index = 1; index < starts; index++)
        assert_true(bases[index - 1] != bases[index]);
}

static void blocks_lie_in_the_window(void **state)
{
    (void)state;
    assert_true(&fastalloc_root_prefix != NULL);
    const struct root_prefix *root = &fastalloc_root_prefix;
    assert_true(root->magic != 0);
    assert_true(root->layout_version >= 1);
    assert_true(root->window_bytes >= gib);
    for (size_t size = 1; size <= mib; size *= 2)
    {
        void *block = malloc(size);
        assert_true((uintptr_t)block - root->window_base < root->window_bytes);
        free(block);
    }
}

// ---- descriptors and limits --------------------------------------------------------------------------------------

static void assert_starts(const char *mode, void (*prepare)(void))
{
    struct finished_program finished;
    run_self(&finished, mode, NULL, prepare);
    assert_succeeded(&finished);
}

static void close_standard_streams(void)
{
    close(0);
    close(1);
    close(2);
}

static void close_standard_streams_and_complain(void)
{
    setenv("FASTALLOC_CONF", "nonsense=1", 1);
    close_standard_streams();
}

static void a_program_starts_without_standard_streams(void **state)
{
    (void)state;
    assert_starts("use", close_standard_streams);
    assert_starts("use", close_standard_streams_and_complain);
}

static void shrink_stack(void)
{
    struct rlimit small = {256 * kib, 256 * kib};
    setrlimit(RLIMIT_STACK, &small);
}

static void a_program_starts_on_a_small_stack(void **state)
{
    (void)state;
    assert_starts("use", shrink_stack);
}

// ---- settings ----------------------------------------------------------------------------------------------------

static size_t lines_of(const char *text)
{
    size_t lines = 0;
    for (; *text; text++)
        lines += *text == '\n';
    return lines;
}

static void run_with_settings(struct finished_program *finished, const char *settings)
{
    setenv("FASTALLOC_CONF", settings, 1);
    run_self(finished, "use", NULL, NULL);
    unsetenv("FASTALLOC_CONF");
    assert_succeeded(finished);
    assert_string_equal(finished->output, "used\n");
}

static void assert_complains_once(const char *settings, const char *named)
{
    struct finished_program finished;
    run_with_settings(&finished, settings);
    if (lines_of(finished.errors) != 1 || !strstr(finished.errors, named))
        fail_msg("for %.60s: \"%s\"", settings, finished.errors);
}

static void assert_accepts(const char *settings)
{
    struct finished_program finished;
    run_with_settings(&finished, settings);
    if (finished.errors[0])
        fail_msg("for %.60s: \"%s\"", settings, finished.errors);
}

static void an_unknown_setting_is_named_in_one_line(void **state)
{
    (void)state;
    assert_complains_once("nonsense=1,foreign=abort", "nonsense");
    assert_complains_once("foreign=abort,nonsense=1", "nonsense");
    assert_complains_once("nonsense", "nonsense");
    assert_complains_once("nonsense=1,another=2", "nonsense");
}

static void a_bad_value_is_named_in_one_line(void **state)
{
    (void)state;
    assert_complains_once("foreign=perhaps", "foreign");
    assert_complains_once("foreign=", "foreign");
    assert_complains_once("foreign", "foreign");
    assert_complains_once("slack=12X", "slack");
}

static void good_settings_are_silent(void **state)
{
    (void)state;
    assert_accepts("");
    assert_accepts("foreign=abort");
    assert_accepts("foreign=libc");
    assert_accepts("foreign=abort,slack=8M,huge=never");
}

// Thousands of bytes of settings neither overflow anything nor fill the screen.
static void long_settings_are_survived(void **state)
{
    (void)state;
    static char settings[60000];
    memset(settings, 'x', sizeof settings - 1);
    assert_complains_once(settings, "xxxx");
    for (size_t at = 7; at < sizeof settings - 1; at += 8)
        settings[at] = ',';
    assert_complains_once(settings, "xxxx");
    memset(settings, ',', sizeof settings - 1);
    assert_accepts(settings);
}

// ---- in the program that was started again -----------------------------------------------------------------------

static int print_base(void)
{
    free(malloc(100));
    printf("%jx\n", (uintmax_t)fastalloc_root_prefix.window_base);
    return 0;
}

static int use(void)
{
    for (size_t size = 1; size < 3 * mib; size *= 2)
    {
        char *block = malloc(size);
        if (!block)
            return 1;
        memset(block, 1, size);
        free(block);
    }
    printf("used\n");
    return fastalloc_check_heap(NULL, 0);
}

int main(int count, char **arguments)
{
    own_path = arguments[0];
    if (count > 1)
        return strcmp(arguments[1], "use") == 0 ? use() : print_base();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_hundred_starts_have_two_hundred_window_bases),
        cmocka_unit_test(blocks_lie_in_the_window),
        cmocka_unit_test(a_program_starts_without_standard_streams),
        cmocka_unit_test(a_program_starts_on_a_small_stack),
        cmocka_unit_test(an_unknown_setting_is_named_in_one_line),
        cmocka_unit_test(a_bad_value_is_named_in_one_line),
        cmocka_unit_test(good_settings_are_silent),
        cmocka_unit_test(long_settings_are_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
