// SPDX-License-Identifier: MIT
//
// Claims about os/topology.h on machines that are made up: which node a thread counts to.
#include "os/topology.h"

#include <cerrno>
#include <initializer_list>

#include "layers.h"

using namespace fastalloc_test;

namespace
{

unsigned node_of_cpu = 0;
topology::Injected machine;

void put_memory_on(std::initializer_list<unsigned> nodes)
{
    machine = {};
    for (const unsigned node : nodes)
        machine.memory[node / 64] |= uint64_t{1} << (node % 64);
    machine.node_of_thread = [] { return node_of_cpu; };
    topology::inject_for_tests(&machine);
}

Node current_node_on_cpu_of(unsigned node)
{
    node_of_cpu = node;
    return topology::current_node();
}

int back_to_the_real_machine(void **)
{
    topology::inject_for_tests(nullptr);
    return 0;
}

void on_one_node_every_cpu_counts_to_it(void **)
{
    put_memory_on({0});
    assert_false(topology::has_several_nodes());
    assert_int_equal(current_node_on_cpu_of(0), 0);
    assert_int_equal(current_node_on_cpu_of(5), 0);
    put_memory_on({7});
    assert_false(topology::has_several_nodes());
    assert_int_equal(current_node_on_cpu_of(0), 7);
}

void node_numbers_may_be_far_apart(void **)
{
    put_memory_on({0, 3, 1000});
    assert_true(topology::has_several_nodes());
    assert_int_equal(current_node_on_cpu_of(0), 0);
    assert_int_equal(current_node_on_cpu_of(3), 3);
    assert_int_equal(current_node_on_cpu_of(1000), 1000);
}

void a_node_without_memory_is_served_by_the_first_that_has_some(void **)
{
    put_memory_on({3, 64, 1023});
    for (const unsigned node : {0u, 1u, 2u, 4u, 63u, 65u, 1022u})
        assert_int_equal(current_node_on_cpu_of(node), 3);
    assert_int_equal(current_node_on_cpu_of(64), 64);
    assert_int_equal(current_node_on_cpu_of(1023), 1023);
}

void a_node_number_beyond_the_limit_is_as_one_without_memory(void **)
{
    put_memory_on({2, 5});
    assert_int_equal(current_node_on_cpu_of(node_limit), 2);
    assert_int_equal(current_node_on_cpu_of(~0u), 2);
}

void the_real_machine_has_a_node_for_this_thread(void **)
{
    topology::inject_for_tests(nullptr);
    errno = ERANGE;
    const Node node = topology::current_node();
    assert_true(node < node_limit);
    if (!topology::has_several_nodes())
        assert_int_equal(topology::current_node(), node);
    assert_int_equal(errno, ERANGE);
}

// What the kernel refuses stays where it is first touched.
void preferring_a_node_that_is_not_there_does_no_harm(void **)
{
    auto *const memory = static_cast<char *>(pages::map(chunk_bytes, chunk_bytes));
    errno = ERANGE;
    topology::prefer_node(reinterpret_cast<uintptr_t>(memory), chunk_bytes, node_limit - 1);
    assert_int_equal(errno, ERANGE);
    memory[0] = 1;
    pages::unmap(memory, chunk_bytes);
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(on_one_node_every_cpu_counts_to_it),
        cmocka_unit_test(node_numbers_may_be_far_apart),
        cmocka_unit_test(a_node_without_memory_is_served_by_the_first_that_has_some),
        cmocka_unit_test(a_node_number_beyond_the_limit_is_as_one_without_memory),
        cmocka_unit_test(the_real_machine_has_a_node_for_this_thread),
        cmocka_unit_test(preferring_a_node_that_is_not_there_does_no_harm),
    };
    return cmocka_run_group_tests_name("topology", tests, nullptr, back_to_the_real_machine);
}
