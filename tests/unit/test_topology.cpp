// SPDX-License-Identifier: MIT
//
// Claims about os/topology.h on machines that are made up: which place a thread's memory comes from, and what the kernel
// is asked for.
#include <cerrno>
#include <linux/mempolicy.h>

#include "made_up_machine.h"

using namespace fastalloc_test;

namespace
{

// ---- one place for all ------------------------------------------------------------------------------------------

void on_one_node_everything_is_there_and_nothing_is_asked_for(void **)
{
    for (const unsigned only : {0u, 7u, 1023u})
    {
        begin_with(set_of({only}));
        assert_false(topology::has_homes());
        for (const unsigned node : {0u, 5u, 7u, 1023u, 5000u})
            assert_int_equal(place_on_cpu_of(node), only);
        assert_int_equal(topology::common_place(), only);
        assert_true(place_pages(static_cast<Node>(only)));
        assert_int_equal(asked.times, 0);
    }
}

void with_numa_off_nothing_is_asked_for(void **)
{
    begin_with(first_nodes(4), "numa=off");
    assert_false(topology::has_homes());
    assert_int_equal(place_on_cpu_of(3), unplaced);
    assert_int_equal(topology::common_place(), unplaced);
    Node place = 0;
    assert_true(topology::find_place(2, &place) && place == unplaced);
    assert_true(place_pages(unplaced));
    assert_int_equal(asked.times, 0);
}

void a_policy_of_the_process_is_left_to_rule(void **)
{
    begin_with(first_nodes(4));
    machine.policy = MPOL_BIND;
    assert_false(topology::has_homes());
    assert_int_equal(place_on_cpu_of(3), unplaced);
    assert_int_equal(topology::common_place(), unplaced);
    assert_true(place_pages(unplaced));
    assert_int_equal(asked.times, 0);
}

void interleaved_memory_comes_from_all_nodes_in_turn(void **)
{
    begin_with(set_of({0, 2, 5}), "numa=interleave");
    assert_false(topology::has_homes());
    assert_int_equal(place_on_cpu_of(2), unplaced);
    assert_true(place_pages(unplaced));
    assert_int_equal(asked.policy, MPOL_INTERLEAVE);
    assert_true(asked.nodes == set_of({0, 2, 5}));
    assert_true(place_pages(2)); // somebody names a node
    assert_int_equal(asked.policy, MPOL_PREFERRED);
}

// ---- homes ------------------------------------------------------------------------------------------------------

void each_thread_is_at_home_where_it_runs(void **)
{
    for (const unsigned count : {2u, 4u, 8u, 64u, 1024u})
    {
        begin_with(first_nodes(count));
        assert_true(topology::has_homes());
        assert_int_equal(topology::common_place(), unplaced);
        for (unsigned node = 0; node < count; node++)
        {
            assert_int_equal(place_on_cpu_of(node), node);
            assert_int_equal(topology::spot_of_thread().home, node);
            assert_true(place_pages(static_cast<Node>(node)));
            assert_int_equal(asked.policy, MPOL_PREFERRED);
            NodeSet it{};
            it.add(node);
            assert_true(asked.nodes == it);
        }
    }
}

void node_numbers_may_be_far_apart(void **)
{
    begin_with(set_of({0, 3, 1000}));
    for (const unsigned node : {0u, 3u, 1000u})
        assert_int_equal(place_on_cpu_of(node), node);
}

void memory_that_is_no_threads_own_is_left_to_first_touch(void **)
{
    begin_with(first_nodes(2));
    assert_true(place_pages(unplaced));
    assert_int_equal(asked.policy, MPOL_DEFAULT);
    assert_int_equal(asked.nodes.count(), 0);
}

void a_node_without_memory_is_served_by_the_nearest_that_has_some(void **)
{
    begin_with(set_of({0, 1, 3}));
    const Folder folder("0-3", {{0, "10 12 20 20"}, {1, "12 10 20 20"}, {2, "20 17 10 14"}, {3, "20 20 12 10"}});
    assert_int_equal(place_on_cpu_of(2), 3);
    for (const unsigned node : {0u, 1u, 3u})
        assert_int_equal(place_on_cpu_of(node), node);
}

// There and back are not equally far: it is the way from the CPU that counts.
void distances_need_not_be_the_same_in_both_directions(void **)
{
    begin_with(set_of({0, 1}));
    const Folder folder("0-2", {{0, "10 20 11"}, {1, "20 10 99"}, {2, "30 15 10"}});
    assert_int_equal(place_on_cpu_of(2), 1);
    assert_int_equal(topology::distance(0, 2), 11);
    assert_int_equal(topology::distance(2, 0), 30);
}

// The kernel lists a distance for each node that is online, and for no other.
void distances_are_those_of_nodes_that_are_online(void **)
{
    begin_with(set_of({0, 8, 100}));
    const Folder folder("0,4,8,100", {{4, "40 10 31 30"}});
    assert_int_equal(place_on_cpu_of(4), 100);
    assert_int_equal(topology::distance(4, 8), 31);
    assert_int_equal(topology::distance(4, 5), 0);
}

void of_equally_near_nodes_the_first_serves(void **)
{
    begin_with(set_of({1, 2, 3}));
    const Folder folder("0-3", {{0, "10 20 20 20"}});
    assert_int_equal(place_on_cpu_of(0), 1);
}

void a_node_without_cpus_is_nobodys_home_but_can_be_named(void **)
{
    begin_with(set_of({0, 1, 3}));
    const Folder folder("0-3", {{2, "20 17 10 14"}});
    Node place = unplaced;
    assert_true(topology::find_place(3, &place));
    assert_int_equal(place, 3);
    assert_true(topology::find_place(2, &place)); // has no memory
    assert_int_equal(place, 3);
    for (const unsigned node : {4u, 1023u, 1024u, ~0u})
        assert_false(topology::find_place(node, &place));
}

void without_distances_the_first_node_with_memory_serves(void **)
{
    const auto serves_first = [] {
        for (const unsigned node : {1u, 2u, 4u, 63u, 65u, 1022u})
            assert_int_equal(place_on_cpu_of(node), 3);
        assert_int_equal(place_on_cpu_of(64), 64);
        assert_int_equal(place_on_cpu_of(1023), 1023);
    };
    begin_with(set_of({3, 64, 1023}));
    machine.folder = nullptr;
    serves_first();
    begin_with(set_of({3, 64, 1023}));
    machine.folder = "/nowhere";
    serves_first();
    begin_with(set_of({3, 64, 1023}));
    const Folder nonsense("three", {{1, "near"}, {2, ""}, {4, "-1 -2"}});
    serves_first();
    begin_with(set_of({3, 64, 1023}));
    const Folder unreadable("0-1023", {});
    std::filesystem::create_directories(unreadable.path() + "/node1/distance"); // a folder where a file should be
    serves_first();
}

void a_node_number_beyond_the_limit_is_as_node_0(void **)
{
    begin_with(set_of({2, 5}));
    assert_int_equal(place_on_cpu_of(node_limit), 2);
    assert_int_equal(place_on_cpu_of(~0u), 2);
}

void memory_that_comes_later_is_found(void **)
{
    begin_with(set_of({0, 1}));
    const Folder folder("0-2", {{2, "20 15 10"}});
    assert_int_equal(place_on_cpu_of(2), 1);
    machine.memory.add(2);
    assert_int_equal(place_on_cpu_of(2), 1);
    topology::forget();
    assert_int_equal(place_on_cpu_of(2), 2);
    machine.memory = set_of({0, 1}); // and what has gone is not asked for any more
    topology::forget();
    assert_int_equal(place_on_cpu_of(2), 1);
}

// ---- the real machine -------------------------------------------------------------------------------------------

void the_real_machine_has_a_place_for_this_thread(void **)
{
    options_load({});
    topology::inject_for_tests(nullptr);
    const auto cpu_count = static_cast<unsigned>(sysconf(_SC_NPROCESSORS_CONF)); // may change errno
    errno = ERANGE;
    const Node place = topology::place_of_thread();
    assert_true(place <= unplaced);
    if (!topology::has_homes())
        assert_int_equal(topology::common_place(), place);
    assert_true(topology::nodes_with_memory().count() >= 1);
    (void)topology::distance(0, 0);
    assert_true(topology::thread_may_run_on(topology::spot_of_thread().cpu));
    cpu_set_t cpus;
    sched_getaffinity(0, sizeof cpus, &cpus);
    for (unsigned cpu = 0; cpu < cpu_count; cpu++)
        assert_int_equal(topology::thread_may_run_on(cpu), CPU_ISSET(cpu, &cpus) != 0);
    assert_int_equal(errno, ERANGE);
}

void the_node_of_a_page_is_known_once_it_was_touched(void **)
{
    topology::inject_for_tests(nullptr);
    auto *const memory = static_cast<char *>(pages::map(chunk_bytes, chunk_bytes));
    const auto address = reinterpret_cast<uintptr_t>(memory);
    errno = ERANGE;
    assert_int_equal(topology::node_of_page(address), -1);
    memory[0] = 1;
    const int node = topology::node_of_page(address);
    assert_true(node == -1 || topology::nodes_with_memory().has(static_cast<unsigned>(node)));
    pages::unmap(memory, chunk_bytes);
    assert_int_equal(topology::node_of_page(address), -1);
    assert_int_equal(errno, ERANGE);
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(on_one_node_everything_is_there_and_nothing_is_asked_for),
        cmocka_unit_test(with_numa_off_nothing_is_asked_for),
        cmocka_unit_test(a_policy_of_the_process_is_left_to_rule),
        cmocka_unit_test(interleaved_memory_comes_from_all_nodes_in_turn),
        cmocka_unit_test(each_thread_is_at_home_where_it_runs),
        cmocka_unit_test(node_numbers_may_be_far_apart),
        cmocka_unit_test(memory_that_is_no_threads_own_is_left_to_first_touch),
        cmocka_unit_test(a_node_without_memory_is_served_by_the_nearest_that_has_some),
        cmocka_unit_test(distances_need_not_be_the_same_in_both_directions),
        cmocka_unit_test(distances_are_those_of_nodes_that_are_online),
        cmocka_unit_test(of_equally_near_nodes_the_first_serves),
        cmocka_unit_test(a_node_without_cpus_is_nobodys_home_but_can_be_named),
        cmocka_unit_test(without_distances_the_first_node_with_memory_serves),
        cmocka_unit_test(a_node_number_beyond_the_limit_is_as_node_0),
        cmocka_unit_test(memory_that_comes_later_is_found),
        cmocka_unit_test(the_real_machine_has_a_place_for_this_thread),
        cmocka_unit_test(the_node_of_a_page_is_known_once_it_was_touched),
    };
    return cmocka_run_group_tests_name("topology", tests, nullptr, back_to_the_real_machine);
}
