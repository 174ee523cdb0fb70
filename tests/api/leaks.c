// SPDX-License-Identifier: MIT
//
// leaks.c - fastalloc_heap_visit, fastalloc_leak_report and the settings leak_check and leak_exit_code: which blocks a
// program is told of, when, and what its process ends with. leaks_in_cpp.cpp has what C++ adds.
#include "../support.h"

#include "../children.h"

// ---- fastalloc_heap_visit ---------------------------------------------------------------------------------------------

// Blocks that are looked for, and how often each was visited.
struct ledger
{
    void *blocks[300];
    unsigned visits[300];
    size_t count;
    int told;
};

static int count_visit(void *context, const struct fastalloc_block *block)
{
    struct ledger *ledger = (struct ledger *)context;
    require(block->size == sizeof *block);
    for (size_t index = 0; index < ledger->count; index++)
        if (ledger->blocks[index] == block->address)
        {
            ledger->visits[index]++;
            require(block->usable == malloc_usable_size(block->address));
            require(block->class_bytes == (block->usable <= 262144 ? block->usable : 0));
            require(block->node >= -1);
        }
    return ledger->told;
}

static void every_live_block_is_visited_once(void **state)
{
    (void)state;
    struct ledger held = {.count = 300}, freed = {.count = 300};
    for (size_t index = 0; index < 300; index++)
    {
        held.blocks[index] = malloc((index * 7919) % 300000 + 1);
        freed.blocks[index] = malloc((index * 7919) % 300000 + 1);
    }
    for (size_t index = 0; index < 300; index++)
        free(freed.blocks[index]);
    assert_int_equal(fastalloc_heap_visit(count_visit, &held), 0);
    for (size_t index = 0; index < 300; index++)
        assert_int_equal(held.visits[index], 1);
    freed.told = 0;
    assert_int_equal(fastalloc_heap_visit(count_visit, &freed), 0);
    for (size_t index = 0; index < 300; index++)
        assert_int_equal(freed.visits[index], 0);
    for (size_t index = 0; index < 300; index++)
        free(held.blocks[index]);
    assert_requirements_met();
}

static int count_and_stop(void *context, const struct fastalloc_block *block)
{
    (void)block;
    return ++*(int *)context == 3 ? 42 : 0;
}

static void a_visit_ends_with_what_the_visitor_says(void **state)
{
    (void)state;
    void *blocks[10];
    for (int index = 0; index < 10; index++)
        blocks[index] = malloc(100);
    int count = 0;
    assert_int_equal(fastalloc_heap_visit(count_and_stop, &count), 42);
    assert_int_equal(count, 3);
    for (int index = 0; index < 10; index++)
        free(blocks[index]);
}

static int allocate_and_free(void *context, const struct fastalloc_block *block)
{
    void **freed = (void **)context;
    void *more = malloc(block->usable);
    require(more != NULL);
    if (block->address == *freed)
    {
        *freed = realloc(*freed, 200000);
        require(*freed != NULL);
    }
    free(more);
    return 0;
}

static void a_visitor_may_allocate_and_free(void **state)
{
    (void)state;
    void *block = malloc(100), *before = block;
    assert_int_equal(fastalloc_heap_visit(allocate_and_free, &block), 0);
    assert_true(block != before && malloc_usable_size(block) >= 200000);
    free(block);
    assert_heap_is_whole();
    assert_requirements_met();
}

// The child's heap is broken.
static void write_to_a_freed_block(void *unused)
{
    (void)unused;
    struct ledger held = {.count = 20};
    void *freed[5];
    for (size_t index = 0; index < 20; index++)
        held.blocks[index] = malloc(100);
    for (int index = 0; index < 5; index++)
        freed[index] = malloc(100);
    for (int index = 0; index < 5; index++)
        free(freed[index]);
    memset(freed[2], 0x41, 8);
    errno = 0;
    require(fastalloc_heap_visit(count_visit, &held) == -1 && errno == EUCLEAN);
    for (size_t index = 0; index < 20; index++)
        require(held.visits[index] == 1);
}

static void a_write_to_a_freed_block_is_told(void **state)
{
    (void)state;
    assert_int_equal(run_child(write_to_a_freed_block, NULL, 30), 0);
}

// ---- fastalloc_leak_report --------------------------------------------------------------------------------------------

static void the_report_goes_where_it_is_asked_to(void **state)
{
    (void)state;
    void *block = malloc(100 * mib);
    int file = memfd_create("report", MFD_CLOEXEC);
    errno = 77;
    assert_int_equal(fastalloc_leak_report(file), 1);
    assert_int_equal(fastalloc_leak_report(-1), 1);
    assert_int_equal(errno, 77);
    static char text[8192];
    read_text(file, text, sizeof text);
    char line[80];
    snprintf(line, sizeof line, "at %p: %zu bytes\n", block, malloc_usable_size(block));
    assert_non_null(strstr(text, line));
    snprintf(line, sizeof line, "[%d]: in use: ", (int)getpid());
    assert_non_null(strstr(text, line));
    assert_int_equal(text[strlen(text) - 1], '\n');
    free(block);
}

// ---- leak_check -------------------------------------------------------------------------------------------------------

static void *kept; // the compiler must not see that a block is leaked

static void *use_in_thread(void *unused)
{
    (void)unused;
    free(malloc(100000));
    return malloc(77);
}

// Leaves nothing.
static void use_cleanly(void)
{
    pthread_t threads[4];
    for (int thread = 0; thread < 4; thread++)
        require(pthread_create(&threads[thread], NULL, use_in_thread, NULL) == 0);
    for (int thread = 0; thread < 4; thread++)
    {
        void *block;
        require(pthread_join(threads[thread], &block) == 0);
        free(block);
    }
    FILE *file = fopen("/proc/self/status", "r");
    char line[200];
    require(file && fgets(line, sizeof line, file));
    fclose(file);
    printf("some words");
    free(realloc(malloc(10), 10000));
}

static void end_with_5(void)
{
    use_cleanly();
    exit(5);
}

static void leak(void)
{
    use_cleanly();
    for (int block = 0; block < 3; block++)
        kept = malloc(1000);
    kept = malloc(50 * mib);
}

static void leak_and_end_at_once(void)
{
    leak();
    _exit(0);
}

static void free_kept(void)
{
    free(kept);
}

static void *kept_longest;

__attribute__((destructor)) static void free_kept_longest(void)
{
    free(kept_longest);
}

static void free_late(void)
{
    kept = malloc(100);
    kept_longest = malloc(100);
    atexit(free_kept);
}

// The child has what its parent had, and a block of its own.
static void leak_in_child(void)
{
    void *block = malloc(100);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0)
    {
        kept = malloc(20000);
        exit(0);
    }
    int status = 0;
    require(waitpid(child, &status, 0) == child);
    printf("%d %d", (int)child, WEXITSTATUS(status));
    free(block);
}

static void *wait_for_input(void *unused)
{
    (void)unused;
    static char line[100];
    return fgets(line, sizeof line, stdin);
}

static void end_at_once(int number)
{
    (void)number;
    _exit(9);
}

// A thread that holds the lock of a stream for ever. From glibc 2.41 on libc itself waits for that, behind the report.
static void leak_beside_a_reader(void)
{
    signal(SIGALRM, end_at_once);
    alarm(3);
    int ends[2];
    require(pipe(ends) == 0 && dup2(ends[0], STDIN_FILENO) == STDIN_FILENO);
    pthread_t thread;
    require(pthread_create(&thread, NULL, wait_for_input, NULL) == 0);
    usleep(50000);
    kept = malloc(1000);
    printf("some words");
    fflush(stdout);
}

static const struct mode modes[] = {
    {"clean", use_cleanly, NULL},
    {"five", end_with_5, NULL},
    {"leak", leak, NULL},
    {"at_once", leak_and_end_at_once, NULL},
    {"late", free_late, NULL},
    {"child", leak_in_child, NULL},
    {"reader", leak_beside_a_reader, NULL},
};

static struct finished_program finished;

// Runs a mode; returns its exit code.
static int code_of(const char *mode, const char *settings)
{
    setenv("FASTALLOC_CONF", settings, 1);
    run_self(&finished, mode, NULL, NULL);
    unsetenv("FASTALLOC_CONF");
    if (!WIFEXITED(finished.status))
        fail_msg("wait status 0x%x, standard error: %s", (unsigned)finished.status, finished.errors);
    return WEXITSTATUS(finished.status);
}

static void assert_silent(void)
{
    assert_string_equal(finished.errors, "");
}

static void without_the_setting_nothing_is_reported(void **state)
{
    (void)state;
    assert_int_equal(code_of("leak", ""), 0);
    assert_silent();
    assert_int_equal(code_of("leak", "leak_exit_code=9"), 0);
    assert_silent();
}

static void a_clean_program_is_not_spoken_of(void **state)
{
    (void)state;
    static const char *const settings[] = {"leak_check=exit,leak_exit_code=9",
                                           "leak_check=exit,leak_exit_code=9,check=on"};
    for (int which = 0; which < 2; which++)
    {
        assert_int_equal(code_of("clean", settings[which]), 0);
        assert_silent();
        assert_string_equal(finished.output, "some words");
        assert_int_equal(code_of("five", settings[which]), 5);
        assert_silent();
    }
}

static void leaked_blocks_are_reported_at_the_end(void **state)
{
    (void)state;
    static const char *const settings[] = {"leak_check=exit", "leak_check=exit,check=on"};
    for (int which = 0; which < 2; which++)
    {
        assert_int_equal(code_of("leak", settings[which]), 0);
        assert_string_equal(finished.output, "some words");
        assert_non_null(strstr(finished.errors, "]: in use: 52431872 bytes in 4 blocks\n"));
        assert_non_null(strstr(finished.errors, "]: 52428800 bytes in 1 block above 262144\n"));
        assert_non_null(strstr(finished.errors, "]: 3072 bytes in 3 blocks of 1024\n"));
        unsigned lines = 0;
        for (const char *at = finished.errors; *at; at++)
            lines += *at == '\n';
        assert_int_equal(lines, 7);
    }
}

static void the_exit_code_tells_of_leaks(void **state)
{
    (void)state;
    assert_int_equal(code_of("leak", "leak_check=exit,leak_exit_code=33"), 33);
    assert_non_null(strstr(finished.errors, "in use: "));
    assert_string_equal(finished.output, "some words"); // which was in the stream's buffer
}

static void what_is_freed_by_the_last_handlers_is_not_reported(void **state)
{
    (void)state;
    assert_int_equal(code_of("late", "leak_check=exit,leak_exit_code=9"), 0);
    assert_silent();
}

static void a_process_that_ends_at_once_reports_nothing(void **state)
{
    (void)state;
    assert_int_equal(code_of("at_once", "leak_check=exit,leak_exit_code=9"), 0);
    assert_silent();
}

static void the_child_of_a_fork_reports_its_own(void **state)
{
    (void)state;
    assert_int_equal(code_of("child", "leak_check=exit,leak_exit_code=9"), 0);
    int child = 0, code = 0;
    assert_int_equal(sscanf(finished.output, "%d %d", &child, &code), 2);
    assert_int_equal(code, 9);
    char line[80];
    snprintf(line, sizeof line, "[%d]: in use: 20592 bytes in 2 blocks\n", child);
    assert_non_null(strstr(finished.errors, line));
    for (const char *at = finished.errors; (at = strstr(at, "fastalloc: ")); at++)
        assert_int_equal(atoi(strchr(at, '[') + 1), child);
}

static void the_end_waits_for_nobody(void **state)
{
    (void)state;
    assert_int_equal(code_of("reader", "leak_check=exit,leak_exit_code=9"), 9);
    assert_string_equal(finished.output, "some words");
    assert_non_null(strstr(finished.errors, "]: in use: 1024 bytes in 1 block\n"));
}

int main(int count, char **arguments)
{
    run_mode(modes, sizeof modes / sizeof *modes, count, arguments);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_live_block_is_visited_once),
        cmocka_unit_test(a_visit_ends_with_what_the_visitor_says),
        cmocka_unit_test(a_visitor_may_allocate_and_free),
        cmocka_unit_test(a_write_to_a_freed_block_is_told),
        cmocka_unit_test(the_report_goes_where_it_is_asked_to),
        cmocka_unit_test(without_the_setting_nothing_is_reported),
        cmocka_unit_test(a_clean_program_is_not_spoken_of),
        cmocka_unit_test(leaked_blocks_are_reported_at_the_end),
        cmocka_unit_test(the_exit_code_tells_of_leaks),
        cmocka_unit_test(what_is_freed_by_the_last_handlers_is_not_reported),
        cmocka_unit_test(a_process_that_ends_at_once_reports_nothing),
        cmocka_unit_test(the_child_of_a_fork_reports_its_own),
        cmocka_unit_test(the_end_waits_for_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
