// SPDX-License-Identifier: MIT
//
// named_mappings.c - the window and its tables are "fastalloc" in /proc/PID/maps, where the kernel has names for memory
// (CONFIG_ANON_VMA_NAME), and pieces that are committed one after the other are one mapping all the same. The call that
// names is made before main: the program starts itself under filters that end a process that makes it.
#include <sys/mman.h>

#include "../support.h"

#include "../children.h"
#include "../filter.h"

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#define PR_SET_VMA_ANON_NAME 0
#endif

static const char name[] = "[anon:fastalloc]";

static uint64_t base_at_main;

static int kernel_has_names(void)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    void *own = mmap(NULL, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(own, MAP_FAILED);
    const int named = prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, own, page, "fastalloc_test") == 0;
    munmap(own, page);
    return named;
}

// ---- /proc/self/maps ---------------------------------------------------------------------------------------------

struct mapping
{
    uint64_t begin;
    uint64_t end;
    char access[8];
    int is_ours;
};

// Mappings that touch [begin, end). Reads without allocating.
static size_t mappings_within(uint64_t begin, uint64_t end, struct mapping *found, size_t most)
{
    static char text[1 << 16];
    size_t length = 0, count = 0;
    ssize_t bytes;
    int file = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    assert_true(file >= 0);
    while ((bytes = read(file, text + length, sizeof text - 1 - length)) > 0)
        length += (size_t)bytes;
    close(file);
    text[length] = 0;
    for (char *line = text, *rest; count < most && (rest = strchr(line, '\n')) != NULL; line = rest + 1)
    {
        struct mapping *one = &found[count];
        unsigned long long from, to;
        *rest = 0;
        if (sscanf(line, "%llx-%llx %7s", &from, &to, one->access) != 3 || from >= end || to <= begin)
            continue;
        one->begin = from;
        one->end = to;
        one->is_ours = strstr(line, name) != NULL;
        count++;
    }
    return count;
}

enum
{
    most = 64,
    bulk = 20000
};

static void *blocks[bulk];

// 20 MiB of small blocks: more than one step, and all of small pages.
static size_t look_at_window(struct mapping *found)
{
    for (size_t index = 0; index < bulk; index++)
        assert_non_null(blocks[index] = malloc(1000));
    const struct root_prefix *root = &fastalloc_root_prefix;
    const uint64_t tables = root->window_bytes / gib * 2 * mib;
    const size_t count =
        mappings_within(root->window_base - tables, root->window_base + root->window_bytes, found, most);
    for (size_t index = 0; index < bulk; index++)
        free(blocks[index]);
    assert_true(count >= 2 && count < most);
    return count;
}

static void the_window_has_a_name_where_the_kernel_has_names(void **state)
{
    (void)state;
    static struct mapping found[most];
    const size_t count = look_at_window(found);
    const int named = kernel_has_names();
    print_message("# this kernel %s\n", named ? "names memory" : "has no names for memory");
    for (size_t index = 0; index < count; index++)
        assert_int_equal(found[index].is_ours, named);
}

static void pieces_that_are_committed_later_join_their_neighbours(void **state)
{
    (void)state;
    static struct mapping found[most];
    const size_t count = look_at_window(found);
    size_t committed = 0;
    for (size_t index = 0; index < count; index++)
        committed += strncmp(found[index].access, "rw", 2) == 0;
    // Two kinds of table and the chunks, with the page of record 0 next to slice records.
    assert_true(committed >= 1 && committed <= 3);
}

static void the_window_is_placed_before_main(void **state)
{
    (void)state;
    assert_true(base_at_main != 0);
}

// ---- under a filter ----------------------------------------------------------------------------------------------

static const struct filter_rule naming_ends[] = {CALL_WITH(prctl, 0, PR_SET_VMA, SECCOMP_RET_KILL_PROCESS)};

static void lay_filter(void)
{
    if (install_filter(naming_ends, 1, SECCOMP_RET_ALLOW) != 0)
        _exit(77);
}

static int use_under_filter(void)
{
    lay_filter();
    for (size_t size = 1; size < 64 * mib; size *= 2)
        free(malloc(size));
    return 0;
}

static void memory_is_named_before_main_and_never_later(void **state)
{
    (void)state;
    struct finished_program finished;
    run_self(&finished, "use", NULL, NULL);
    if (WIFEXITED(finished.status) && WEXITSTATUS(finished.status) == 77)
    {
        print_message("# not tried: this system takes no filters\n");
        return;
    }
    assert_succeeded(&finished);
    run_self(&finished, "start", NULL, lay_filter);
    assert_true(WIFSIGNALED(finished.status) && WTERMSIG(finished.status) == SIGSYS);
}

int main(int count, char **arguments)
{
    base_at_main = fastalloc_root_prefix.window_base;
    own_path = arguments[0];
    if (count > 1)
        return strcmp(arguments[1], "use") == 0 ? use_under_filter() : 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_window_has_a_name_where_the_kernel_has_names),
        cmocka_unit_test(pieces_that_are_committed_later_join_their_neighbours),
        cmocka_unit_test(the_window_is_placed_before_main),
        cmocka_unit_test(memory_is_named_before_main_and_never_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
