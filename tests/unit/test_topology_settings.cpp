// SPDX-License-Identifier: MIT
//
// Claims about os/topology.h under memory policies and settings: who is at home where, and what the kernel is asked for.
#include "made_up_machine.h"

using namespace fastalloc_test;

namespace
{

void a_policy_that_a_thread_sets_later_is_heeded(void **)
{
    begin_with(first_nodes(2));
    assert_int_equal(place_on_cpu_of(1), 1);
    machine.policy = MPOL_INTERLEAVE;
    assert_true(topology::thread_has_policy());
    assert_int_equal(place_on_cpu_of(1), unplaced);
    machine.policy = MPOL_DEFAULT;
    assert_int_equal(place_on_cpu_of(1), 1);
}

void bound_to_one_node_memory_is_asked_from_it(void **)
{
    begin_with(first_nodes(4), "numa=bind:2");
    machine.policy = MPOL_BIND; // the setting was made for this allocator
    assert_false(topology::has_homes());
    for (const unsigned node : {0u, 2u, 3u})
        assert_int_equal(place_on_cpu_of(node), 2);
    assert_int_equal(topology::common_place(), 2);
    assert_true(place_pages(2));
    assert_int_equal(asked.policy, MPOL_PREFERRED);
    assert_true(asked.nodes == set_of({2}));
}

void bound_to_several_nodes_threads_are_at_home_in_the_nearest(void **)
{
    begin_with(first_nodes(4), "numa=bind:1+3");
    machine.policy = MPOL_INTERLEAVE;
    const Folder folder("0-3", {{0, "10 30 20 20"}, {2, "20 20 10 30"}});
    assert_true(topology::has_homes());
    assert_false(topology::thread_has_policy());
    assert_int_equal(place_on_cpu_of(0), 3);
    assert_int_equal(place_on_cpu_of(1), 1);
    assert_int_equal(place_on_cpu_of(2), 1);
    assert_int_equal(place_on_cpu_of(3), 3);
    assert_true(place_pages(topology::common_place()));
    assert_int_equal(asked.policy, MPOL_PREFERRED_MANY);
    assert_true(asked.nodes == set_of({1, 3}));
}

void bound_to_nodes_that_are_not_there_is_as_auto_and_said(void **)
{
    const Captured said = capture([] {
        begin_with(first_nodes(2), "numa=bind:5");
        (void)topology::has_homes();
    });
    assert_true(said.has("numa=bind:5: none of these nodes has memory for this process\n"));
    assert_int_equal(said.lines(), 1);
    assert_true(topology::has_homes());
    assert_int_equal(place_on_cpu_of(1), 1);
    assert_true(place_pages(unplaced));
    assert_int_equal(asked.policy, MPOL_DEFAULT);
    machine.policy = MPOL_BIND;
    assert_int_equal(place_on_cpu_of(1), unplaced);
}

void a_refusal_is_told(void **)
{
    begin_with(first_nodes(2));
    refuses = true;
    assert_false(place_pages(1));
    assert_false(place_pages(unplaced));
    begin_with(set_of({0}));
    refuses = true;
    assert_true(place_pages(0)); // nothing was asked
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(a_policy_that_a_thread_sets_later_is_heeded),
        cmocka_unit_test(bound_to_one_node_memory_is_asked_from_it),
        cmocka_unit_test(bound_to_several_nodes_threads_are_at_home_in_the_nearest),
        cmocka_unit_test(bound_to_nodes_that_are_not_there_is_as_auto_and_said),
        cmocka_unit_test(a_refusal_is_told),
    };
    return cmocka_run_group_tests_name("topology_settings", tests, nullptr, back_to_the_real_machine);
}
