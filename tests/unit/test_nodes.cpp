// SPDX-License-Identifier: MIT
//
// Claims about several memory nodes, on machines that are made up: each has regions, spans and arenas of its own.
#include <atomic>
#include <thread>
#include <vector>

#include "heap/large.h"

#include "made_up_nodes.h"

using namespace fastalloc_test;

namespace
{

void each_node_has_regions_and_arenas_of_its_own(void **)
{
    assert_alone([] {
        topology::Injected machine{};
        const Node nodes[] = {0, 3, 1000};
        for (const Node node : nodes)
            machine.memory.add(node);
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
                require(thread_words.self->place == nodes[number]);
            });
        const Guard guard(registry.lock);
        require(registry.figures().arenas == 3 && window.regions() == 3);
    });
}

void an_arena_is_taken_over_only_by_threads_of_its_node(void **)
{
    assert_alone([] {
        run_on(2);

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
        run_on(2);

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
                require(arena == found[node][0] && arena->is_common && arena->attached && arena->place == node);
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
        run_on(3);

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

void whole_chunks_are_asked_from_nowhere_unless_somebody_names_a_node(void **)
{
    assert_alone([] {
        run_on(2);
        my_node = 1;
        void *const small = allocate_block(chunk_bytes - 1);
        void *const whole = allocate_block(chunk_bytes);
        void *const named = allocate_on(0, chunk_bytes).block;
        void *const beyond = allocate_block(large_max + 1);
        void *const beyond_named = allocate_on(0, large_max + 1).block;
        require(place_of(small) == 1 && place_of(whole) == unplaced && place_of(named) == 0);
        require(outside.place_of(beyond) == unplaced && outside.place_of(beyond_named) == 0);
        for (void *const block : {small, whole, named, beyond, beyond_named})
            release_block(block);
        require_whole_heap();
    });
}

// Under a limit the heap of a thread's home may have no chunk more, and another one room in those it has.
void what_a_threads_own_node_refuses_another_may_have(void **)
{
    assert_alone([] {
        run_on(2);
        options_load({.variable = "hard_limit=8M"});
        in_thread([] {
            my_node = 1;
            (void)allocate_block(kib); // and does not give it back: a chunk is open there
        });
        my_node = 0;
        bool elsewhere = false;
        void *block = allocate_block(16 * kib);
        for (; block != nullptr && !elsewhere; block = allocate_block(16 * kib))
            elsewhere = place_of(block) == 1;
        require(elsewhere);
        require_whole_heap();
    });
}

void blocks_of_every_size_come_from_the_node_that_is_named(void **)
{
    assert_alone([] {
        run_on(3);
        my_node = 1;
        Random random{1};
        std::vector<void *> blocks;
        for (unsigned number = 0; number < 2000; number++)
        {
            const Node node = static_cast<Node>(random.below(3));
            const size_t size = random.size(22);
            blocks.push_back(allocate_on(node, size).block);
            require(place_of(blocks.back()) == node && usable_size(Call::malloc_usable_size, blocks.back()) >= size);
        }
        for (void *const block : blocks)
            release_block(block);
        require_whole_heap();
    });
}

// A block that was its thread's own grows to whole chunks: what is new of it is no thread's own.
void what_a_block_grows_by_is_asked_from_nowhere_unless_it_was_put_there(void **)
{
    assert_alone([] {
        run_on(2);
        my_node = 1;
        void *own = allocate_block(mebibyte);
        require(place_of(own) == 1);
        own = reallocate(own, 3 * mebibyte);
        require(record_of(own) != nullptr ? place_of(own) == unplaced : outside.place_of(own) == unplaced);
        void *put = allocate_on(0, 4 * mebibyte).block;
        void *const behind = allocate_on(0, chunk_bytes).block; // so that it cannot grow where it lies
        put = reallocate(put, 40 * mebibyte);
        require(outside.place_of(put) == 0);
        put = reallocate(put, 80 * mebibyte);
        require(outside.place_of(put) == 0);
        for (void *const block : {own, put, behind})
            release_block(block);
        require_whole_heap();
    });
}

// They are counted there, but a batch that leads in a circle is left to who sorts it in.
void a_batch_of_another_nodes_blocks_that_is_a_circle_is_named(void **)
{
    assert_dies("than it gave: a double free", [] {
        run_on(2);
        my_node = 0;
        std::vector<void *> blocks;
        for (unsigned number = 0; number < 3; number++)
            blocks.push_back(allocate_block(64));
        in_thread([&] {
            my_node = 1;
            for (const unsigned number : {2u, 0u, 1u, 0u})
                release_block(blocks[number]);
        });
        thread_words.self->flush();
    });
}

// As a signal handler does that interrupted the holder of the first heap's lock: the holder of the second one's may be
// waiting for the first in a handler of his own.
void who_has_a_heaps_lock_waits_for_no_other(void **)
{
    assert_alone([] {
        run_on(2);
        std::latch taken(1);
        std::latch tried(1);
        std::thread other([&] {
            const Guard guard(node_heap(1).lock);
            taken.count_down();
            tried.wait();
        });
        taken.wait();
        {
            const Guard guard(node_heap(0).lock);
            require(node_heap(1).take(1).slice == no_slice);
            require(large_allocate(node_heap(1), mebibyte, 16).block == nullptr);
        }
        tried.count_down();
        other.join();
        require(node_heap(1).take(1).slice != no_slice);
    });
}

void frees_by_threads_of_other_nodes_are_counted(void **)
{
    assert_alone([] {
        run_on(2);
        my_node = 0;
        std::vector<void *> blocks;
        for (unsigned number = 0; number < 1000; number++)
            blocks.push_back(allocate_block(64));
        for (const unsigned node : {0u, 1u})
            in_thread([&] {
                my_node = node;
                for (unsigned number = 0; number < 500; number++)
                {
                    release_block(blocks.back());
                    blocks.pop_back();
                }
            });
        require(registry.lock_all());
        const NodeHeap::Figures first = node_heap(0).figures();
        const NodeHeap::Figures second = node_heap(1).figures();
        registry.unlock_all();
        require(first.freed_by_others == 500 && first.freed_for_others == 0);
        require(second.freed_by_others == 0 && second.freed_for_others == 500);
        require(first.spans_of_locals != 0 && first.spans_of_movers == 0);
        require_whole_heap();
    });
}

void a_refusal_to_be_asked_is_counted_and_nothing_else(void **)
{
    assert_alone([] {
        run_on(2).bind = [](uintptr_t, size_t, int, const NodeSet &) { return false; };
        my_node = 1;
        release_block(allocate_block(kib));
        release_block(allocate_on(0, 40 * mebibyte).block);
        const auto refusals_of = [](Node place) {
            const Guard guard(node_heap(place).lock);
            return node_heap(place).figures().refusals;
        };
        require(refusals_of(1) == 1 && refusals_of(0) == 1);
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
        cmocka_unit_test(whole_chunks_are_asked_from_nowhere_unless_somebody_names_a_node),
        cmocka_unit_test(what_a_threads_own_node_refuses_another_may_have),
        cmocka_unit_test(blocks_of_every_size_come_from_the_node_that_is_named),
        cmocka_unit_test(what_a_block_grows_by_is_asked_from_nowhere_unless_it_was_put_there),
        cmocka_unit_test(a_batch_of_another_nodes_blocks_that_is_a_circle_is_named),
        cmocka_unit_test(who_has_a_heaps_lock_waits_for_no_other),
        cmocka_unit_test(frees_by_threads_of_other_nodes_are_counted),
        cmocka_unit_test(a_refusal_to_be_asked_is_counted_and_nothing_else),
    };
    return cmocka_run_group_tests_name("nodes", tests, nullptr, nullptr);
}
