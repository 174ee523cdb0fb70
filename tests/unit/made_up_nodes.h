// SPDX-License-Identifier: MIT
//
// made_up_nodes.h - a machine of several memory nodes for tests of the layers above os/topology.h. Include it instead of
// layers.h.
#pragma once

#include "layers.h"

namespace fastalloc_test
{

constexpr size_t kib = kibibyte;

// The node the thread runs on.
inline thread_local unsigned my_node = 3;

// A machine of nodes 0 to count - 1, on which threads run where my_node says.
inline topology::Injected &run_on(unsigned count)
{
    static topology::Injected machine;
    machine = {};
    for (unsigned node = 0; node < count; node++)
        machine.memory.add(node);
    machine.node_of_thread = [] { return my_node; };
    topology::inject_for_tests(&machine);
    load_options_once();
    return machine;
}

inline Node place_of(const void *block)
{
    return node_heap_of(slice_of(record_of(block))).place();
}

} // namespace fastalloc_test
