// SPDX-License-Identifier: MIT
//
// What os/topology.h knows of this machine is what libnuma does: nodes with memory, those that are allowed, the node of
// each CPU, distances, and who is the nearest. On any machine, and in guests of several nodes.
#include "os/topology.h"

#include <initializer_list>
#include <numa.h>
#include <numaif.h>
#include <sched.h>

#include "../unit/layers.h"

using namespace fastalloc_test;

namespace
{

int last_node()
{
    return numa_available() < 0 ? 0 : numa_max_node();
}

bool is_allowed(int node)
{
    if (numa_available() < 0)
        return node == 0;
    bitmask *const allowed = numa_get_mems_allowed();
    const bool is = numa_bitmask_isbitset(allowed, static_cast<unsigned>(node)) != 0;
    numa_bitmask_free(allowed);
    return is;
}

void nodes_with_memory_are_those_of_libnuma(void **)
{
    const NodeSet nodes = topology::nodes_with_memory();
    for (int node = 0; node < static_cast<int>(node_limit); node++)
    {
        const bool has_memory = node <= last_node() && is_allowed(node) && numa_node_size64(node, nullptr) > 0;
        assert_int_equal(nodes.has(static_cast<unsigned>(node)), has_memory);
    }
}

void distances_are_those_of_libnuma(void **)
{
    for (int from = 0; from <= last_node(); from++)
        for (int to = 0; to <= last_node(); to++)
            assert_int_equal(topology::distance(static_cast<unsigned>(from), static_cast<unsigned>(to)),
                             numa_distance(from, to));
    assert_int_equal(topology::distance(0, static_cast<unsigned>(last_node()) + 1), 0);
}

void each_cpu_is_on_the_node_that_libnuma_says(void **)
{
    cpu_set_t before;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    for (int cpu = 0; cpu < numa_num_configured_cpus(); cpu++)
    {
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(static_cast<size_t>(cpu), &one);
        if (sched_setaffinity(0, sizeof one, &one) != 0)
            continue; // not for us
        const int node = numa_node_of_cpu(cpu);
        int nearest = -1;
        for (int other = 0; other <= last_node(); other++)
            if (topology::nodes_with_memory().has(static_cast<unsigned>(other)) &&
                (nearest < 0 || numa_distance(node, other) < numa_distance(node, nearest)))
                nearest = other;
        for (int again = 0; again < 3; again++) // from the kernel, then from the table
        {
            assert_int_equal(topology::spot_of_thread().cpu, cpu);
            assert_int_equal(topology::spot_of_thread().home, nearest);
        }
        assert_int_equal(topology::place_of_thread(), nearest);
        assert_true(topology::thread_may_run_on(static_cast<unsigned>(cpu)));
    }
    sched_setaffinity(0, sizeof before, &before);
}

void nodes_that_can_be_named_are_those_of_libnuma(void **)
{
    for (int node = 0; node < static_cast<int>(node_limit) + 2; node++)
    {
        Node place = unplaced;
        const bool is = topology::find_place(static_cast<unsigned>(node), &place);
        // libnuma counts nodes with memory; those with CPUs alone exist too.
        bool exists = node <= last_node() && numa_bitmask_isbitset(numa_nodes_ptr, static_cast<unsigned>(node)) != 0;
        for (int cpu = 0; cpu < numa_num_configured_cpus(); cpu++)
            exists |= numa_node_of_cpu(cpu) == node;
        assert_int_equal(is, exists);
    }
}

void whether_there_are_homes_follows_from_the_nodes(void **)
{
    assert_int_equal(topology::has_homes(), topology::nodes_with_memory().count() > 1);
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(nodes_with_memory_are_those_of_libnuma),
        cmocka_unit_test(distances_are_those_of_libnuma),
        cmocka_unit_test(each_cpu_is_on_the_node_that_libnuma_says),
        cmocka_unit_test(nodes_that_can_be_named_are_those_of_libnuma),
        cmocka_unit_test(whether_there_are_homes_follows_from_the_nodes),
    };
    return cmocka_run_group_tests_name("topology_of_libnuma", tests, nullptr, nullptr);
}
