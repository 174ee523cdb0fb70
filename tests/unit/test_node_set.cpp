// SPDX-License-Identifier: MIT
//
// Claims about os/node_set.h: sets of nodes, and the kernel's way to write them.
#include "os/node_set.h"

#include <initializer_list>

#include "layers.h"

using namespace fastalloc_test;

namespace
{

NodeSet set_of(std::initializer_list<unsigned> nodes)
{
    NodeSet set{};
    for (const unsigned node : nodes)
        set.add(node);
    return set;
}

bool parses(const char *text, NodeSet *nodes, char separator = ',')
{
    return parse_nodes(text, strlen(text), separator, nodes);
}

void a_set_has_what_was_added(void **)
{
    const NodeSet set = set_of({0, 63, 64, 1023});
    unsigned found = 0;
    for (unsigned node = 0; node <= node_limit + 1; node++)
        found += set.has(node);
    assert_int_equal(found, 4);
    assert_int_equal(set.count(), 4);
    assert_true(set.has(0) && set.has(63) && set.has(64) && set.has(1023));
    assert_int_equal((set & set_of({63, 65, 1023})).count(), 2);
}

void the_next_node_is_found_over_any_gap(void **)
{
    const NodeSet set = set_of({3, 64, 1000});
    assert_int_equal(set.next(0), 3);
    assert_int_equal(set.next(3), 3);
    assert_int_equal(set.next(4), 64);
    assert_int_equal(set.next(65), 1000);
    assert_int_equal(set.next(1001), node_limit);
    assert_int_equal(NodeSet{}.next(0), node_limit);
}

void lists_are_read_as_the_kernel_writes_them(void **)
{
    NodeSet nodes;
    assert_true(parses("0", &nodes) && nodes == set_of({0}));
    assert_true(parses("0-1,3", &nodes) && nodes == set_of({0, 1, 3}));
    assert_true(parses("7,64-66,1023", &nodes) && nodes == set_of({7, 64, 65, 66, 1023}));
    assert_true(parses("0-1023", &nodes) && nodes.count() == node_limit);
    assert_true(parses("2+4", &nodes, '+') && nodes == set_of({2, 4}));
}

void what_is_no_list_is_refused(void **)
{
    NodeSet nodes;
    for (const char *text : {"", ",", "0,", ",0", "-", "0-", "-1", "3-2", "1024", "0-1024", "99999999999999999999",
                             "0 1", "0,1\n", "x", "0x1", "0--1", "0-1-2"})
        assert_false(parses(text, &nodes));
}

void what_is_written_is_read_back(void **)
{
    Random random{1};
    for (unsigned round = 0; round < 1000; round++)
    {
        NodeSet set{};
        for (uint64_t more = random.below(8) + 1; more != 0; more--)
            set.add(static_cast<unsigned>(random.below(round % 2 == 0 ? 12 : node_limit)));
        char bytes[256];
        Text text(bytes, sizeof bytes);
        format_nodes(text, set, ',');
        NodeSet read;
        assert_true(parses(bytes, &read) && read == set);
    }
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(a_set_has_what_was_added),
        cmocka_unit_test(the_next_node_is_found_over_any_gap),
        cmocka_unit_test(lists_are_read_as_the_kernel_writes_them),
        cmocka_unit_test(what_is_no_list_is_refused),
        cmocka_unit_test(what_is_written_is_read_back),
    };
    return cmocka_run_group_tests_name("node_set", tests, nullptr, nullptr);
}
