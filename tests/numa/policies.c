// SPDX-License-Identifier: MIT
//
// policies.c - memory policies that are set while the program runs, by libnuma: what they do to glibc's malloc they do to
// ours. Needs nodes 0 to 3 with CPUs and memory.
#include "nodes.h"

enum
{
    nodes = 4
};

static const size_t policy_bytes = (size_t)24 << 20;

// Where blocks of ours and of glibc's lie, taken under the policy in force: about the same.
static void compare_with_glibc(const char *what)
{
    struct pages ours = {0};
    struct pages glibcs = {0};
    allocate_and_count(&ours, malloc, free, policy_bytes);
    allocate_and_count(&glibcs, __libc_malloc, __libc_free, policy_bytes);
    printf("# %s\n", what);
    print_pages("ours", &ours);
    print_pages("glibc's", &glibcs);
    for (int node = 0; node < nodes; node++)
    {
        const double difference =
            100.0 * ((double)ours.of_node[node] / (double)ours.all - (double)glibcs.of_node[node] / (double)glibcs.all);
        require(difference < 6 && difference > -6);
    }
}

static void begin_at_node_0(void)
{
    pin(0);
    settle(longest_wait_ms);
}

static void prefer(void)
{
    begin_at_node_0();
    numa_set_preferred(2);
    compare_with_glibc("numa_set_preferred(2)");
}

static void bind_memory(void)
{
    begin_at_node_0();
    struct bitmask *const mask = numa_parse_nodestring("3");
    numa_set_membind(mask);
    compare_with_glibc("numa_set_membind(3)");
    require(set_mempolicy(MPOL_DEFAULT, NULL, 0) == 0);
    settle(longest_wait_ms);
    struct pages pages = {0};
    allocate_and_count(&pages, malloc, free, policy_bytes);
    print_pages("after the policy has gone", &pages);
    require(percent_elsewhere(&pages, 0) < 6);
}

static void interleave(void)
{
    begin_at_node_0();
    numa_set_interleave_mask(numa_all_nodes_ptr);
    compare_with_glibc("numa_set_interleave_mask(all)");
}

static void run_on_node(void)
{
    begin_at_node_0();
    numa_run_on_node(1);
    compare_with_glibc("numa_run_on_node(1)");
}

static void a_policy_of_a_thread_rules_as_with_glibc(void **state)
{
    (void)state;
    in_child(prefer);
    in_child(bind_memory);
    in_child(interleave);
    in_child(run_on_node);
    assert_requirements_met();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_policy_of_a_thread_rules_as_with_glibc),
    };
    setvbuf(stdout, NULL, _IOLBF, 4096);
    return cmocka_run_group_tests_name("policies", tests, NULL, NULL);
}
