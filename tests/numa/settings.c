// SPDX-License-Identifier: MIT
//
// settings.c - where pages lie under a policy of the process or a setting: `settings EXPECTED`, started by numactl or with
// FASTALLOC_CONF. EXPECTED is
//
//   NODES        as libnuma reads them: on these and no other, small blocks on the nearest
//   only:NODES   on these and no other
//   interleaved  on all nodes in turn
//   touched      where they were touched first
//   refused:HOW  the same, for the program starts itself anew with a filter that answers mbind with that error
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

#include "nodes.h"

enum
{
    blocks = 600
};

static const char *expected;

struct held
{
    char *block[blocks];
    size_t size[blocks];
};

// Every sixtieth is above a chunk, and some of these are outside the window.
static void take(void *argument)
{
    struct held *const held = argument;
    uint64_t random = 3;
    for (unsigned number = 0; number < blocks; number++)
    {
        size_t size = random_size(&random, 16);
        if (number % 60 == 7)
            size = number % 120 == 7 ? 3 * mib : 33 * mib / 8;
        if (number == 300)
            size = 34 * mib;
        held->block[number] = malloc(size);
        held->size[number] = size;
        require(held->block[number] != NULL);
    }
}

static void touch(void *argument)
{
    struct held *const held = argument;
    for (unsigned number = 0; number < blocks; number++)
        memset(held->block[number], 1, held->size[number]);
}

static void give_back(void *argument)
{
    struct held *const held = argument;
    for (unsigned number = 0; number < blocks; number++)
        free(held->block[number]);
}

static struct held held;

static int in_set(const char *nodes, int node)
{
    struct bitmask *const mask = numa_parse_nodestring_all(nodes);
    assert_non_null(mask);
    const int is = numa_bitmask_isbitset(mask, (unsigned)node);
    numa_bitmask_free(mask);
    return is;
}

static unsigned fallbacks(void)
{
    uint64_t all = 0;
    for (int node = -1; node <= numa_max_node(); node++)
        all += node_stats(node).fallbacks;
    return (unsigned)all;
}

// The nodes are in a part of a string behind its colon.
static const char *part(const char *begin)
{
    const size_t length = strlen(begin);
    return strncmp(expected, begin, length) == 0 ? expected + length : NULL;
}

static void assert_as_expected(struct pages *small, struct pages *whole, int taker, int toucher)
{
    const char *const only = part("only:");
    print_pages("blocks below a chunk", small);
    print_pages("whole chunks", whole);
    if (strcmp(expected, "interleaved") == 0)
    {
        for (int node = 0; node <= numa_max_node(); node++)
        {
            const double fair = 1.0 / (double)numa_bitmask_weight(numa_get_mems_allowed());
            const double share =
                (double)(small->of_node[node] + whole->of_node[node]) / (double)(small->all + whole->all);
            assert_true(!node_has_memory(node) || (share > 0.8 * fair && share < 1.2 * fair));
        }
        return;
    }
    if (strcmp(expected, "touched") == 0 || part("refused:") != NULL)
    {
        // Who takes small blocks links those beside them, and so touches their pages.
        assert_int_equal(small->of_node[toucher] + small->of_node[taker], small->all);
        assert_int_equal(whole->of_node[toucher], whole->all);
        return;
    }
    const char *const nodes = only != NULL ? only : expected;
    for (int node = 0; node <= node_max; node++)
        if (node == node_max || !in_set(nodes, node))
            assert_int_equal(small->of_node[node] + whole->of_node[node], 0);
    int home = -1; // the nearest of them
    for (int node = 0; node <= numa_max_node(); node++)
        if (in_set(nodes, node) && (home < 0 || numa_distance(taker, node) < numa_distance(taker, home)))
            home = node;
    if (only == NULL)
        assert_int_equal(small->of_node[home], small->all);
}

static void pages_lie_where_they_should(void **state)
{
    (void)state;
    for (int taker = 0; taker <= numa_max_node(); taker++)
    {
        const int toucher = taker == 0 ? 1 : 0;
        struct pages small = {0};
        struct pages whole = {0};
        on_node(taker, take, &held);
        on_node(toucher, touch, &held);
        for (unsigned number = 0; number < blocks; number++)
            count_pages(held.size[number] < 2 * mib ? &small : &whole, held.block[number], held.size[number]);
        assert_as_expected(&small, &whole, taker, toucher);
        on_node(taker, give_back, &held);
        fastalloc_purge();
    }
    assert_requirements_met();
    assert_heap_is_whole();
}

static void refusals_are_counted(void **state)
{
    (void)state;
    assert_int_equal(fallbacks() != 0, part("refused:") != NULL);
    printf("# %u fallbacks\n", fallbacks());
}

static void malloc_on_gives_memory_whatever_is_set(void **state)
{
    (void)state;
    for (int node = 0; node <= numa_max_node(); node++)
        for (size_t size = 1; size <= 64 * mib; size *= 8)
        {
            char *const block = fastalloc_malloc_on(node, size);
            assert_non_null(block);
            memset(block, 1, size);
            free(block);
        }
}

static int refuse_mbind(int error)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mbind, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {sizeof filter / sizeof filter[0], filter};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

int main(int count, char **arguments)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_lie_where_they_should),
        cmocka_unit_test(refusals_are_counted),
        cmocka_unit_test(malloc_on_gives_memory_whatever_is_set),
    };
    expected = count > 1 ? arguments[1] : "";
    const char *const how = part("refused:");
    if (how != NULL && count == 2)
    {
        const int error = strcmp(how, "EPERM") == 0 ? EPERM : strcmp(how, "ENOSYS") == 0 ? ENOSYS : EINVAL;
        if (!refuse_mbind(error))
            return 1;
        execl(arguments[0], arguments[0], arguments[1], "filtered", NULL);
        return 1;
    }
    setvbuf(stdout, NULL, _IOLBF, 4096);
    return cmocka_run_group_tests_name("settings", tests, NULL, NULL);
}
