// SPDX-License-Identifier: MIT
//
// Claims about several memory nodes, on machines that are made up: each has regions, spans and arenas of its own.
#include <atomic>
#include <thread>
#include <vector>

#include "layers.h"

using namespace fastalloc_test;

namespace
{

constexpr size_t kib = kibibyte;

thread_local unsigned my_node = 3;

void each_node_has_regions_and_arenas_of_its_own(void **)
{
    assert_alone([] {
        topology::Injected machine{};
        const Node nodes[] = {0, 3, 1000};
        for (const Node node : nodes)
            machine.memory[node / 64] |= uint64_t{1} << (node % 64);
        machine.node_of_thread = [] { return my_node; };
        topology::inject_for_tests(&machine);
        load_options_once();

        void *blocks[3][3];
        for (unsigned number = 0; number < 3; number++)
            in_thread([&, number] {
                my_node = nodes[number];
                const size_t sizes[] = {64, 64 * kib, 640 * kib};
                for (unsigned kind = 0; kind < 3; kind++)
                {
                    void *const block = blocks[number][kind] = allocate_block(sizes[kind]);
                    require(&node_heap_of(slice_of(record_of(block))) == &node_heap(nodes[number]));
                }
                require(thread_words.self->node == nodes[number]);
            });
        const Guard guard(registry.lock);
        require(registry.figures().arenas == 3 && window.regions() == 3);
    });
}

void an_arena_is_taken_over_only_by_threads_of_its_node(void **)
{
    assert_alone([] {
        topology::Injected machine{};
        machine.memory[0] = 0b11;
        machine.node_of_thread = [] { return my_node; };
        topology::inject_for_tests(&machine);
        load_options_once();

        void *left = nullptr;
        in_thread([&left] {
            my_node = 0;
            left = allocate_block(kib);
        });
        Arena *const first = owner_of(left);
        in_thread([=] {
            my_node = 1;
            void *const block = allocate_block(kib); // neither the arena nor its span
            require(owner_of(block) != first && record_of(block) != record_of(left));
            release_block(left); // a free may come from any node
        });
        in_thread([=] {
            my_node = 0;
            require(owner_of(allocate_block(kib)) == first);
        });
        require_whole_heap();
    });
}

void a_common_arena_is_made_once_for_each_node(void **)
{
    assert_alone([] {
        topology::Injected machine{};
        machine.memory[0] = 0b11;
        machine.node_of_thread = [] { return my_node; };
        topology::inject_for_tests(&machine);
        load_options_once();

        Arena *found[2][4] = {};
        std::vector<std::thread> threads;
        for (const int of_thread : {0, 1, 2, 3})
            threads.emplace_back([&found, of_thread] {
                for (const Node node : {Node{0}, Node{1}})
                    found[node][of_thread] = registry.common_arena(node);
            });
        for (std::thread &thread : threads)
            thread.join();
        for (const Node node : {Node{0}, Node{1}})
            for (Arena *const arena : found[node])
                require(arena == found[node][0] && arena->is_common && arena->attached && arena->node == node);
        require(found[0][0] != found[1][0]);
        const Allocation allocation = found[1][0]->allocate_locked(class_of(100));
        require(owner_of(allocation.block) == found[1][0] && figures_of(found[1][0]).cached_bytes == 0);
        release_block(allocation.block);
        thread_words.self->flush(); // into its inbox
        registry.tidy(0);
        require(handed_out_bytes() == 0);
        require_whole_heap();
    });
}

void threads_that_move_between_nodes_leave_a_whole_heap(void **)
{
    assert_alone([] {
        topology::Injected machine{};
        machine.memory[0] = 0b111;
        machine.node_of_thread = [] { return my_node; };
        topology::inject_for_tests(&machine);
        load_options_once();

        std::atomic<void *> passed[8] = {};
        std::vector<std::thread> threads;
        for (uint64_t seed = 1; seed <= 3; seed++)
            threads.emplace_back([&passed, seed] {
                Random random{seed};
                for (unsigned round = 0; round < 8000; round++)
                {
                    my_node = static_cast<unsigned>(random.below(3));
                    void *const block = passed[random.below(8)].exchange(allocate_block(random.size(19)));
                    if (block != nullptr)
                        release_block(block);
                }
            });
        for (std::thread &thread : threads)
            thread.join();
        require_whole_heap();
        for (std::atomic<void *> &block : passed)
            release_block(block);
        thread_words.self->flush();
        registry.tidy(0);
        require(handed_out_bytes() == 0);
        require_whole_heap();
    });
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(each_node_has_regions_and_arenas_of_its_own),
        cmocka_unit_test(an_arena_is_taken_over_only_by_threads_of_its_node),
        cmocka_unit_test(a_common_arena_is_made_once_for_each_node),
        cmocka_unit_test(threads_that_move_between_nodes_leave_a_whole_heap),
    };
    return cmocka_run_group_tests_name("nodes", tests, nullptr, nullptr);
}
