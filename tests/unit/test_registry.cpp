// SPDX-License-Identifier: MIT
//
// Claims about arena/registry.h: threads come and go, their arenas are taken over, a purge reaches them, and each node has
// arenas of its own.
#include <latch>
#include <pthread.h>
#include <thread>
#include <vector>

#include "layers.h"

// libc's malloc also where a sanitizer has its own.
extern "C" void *__libc_malloc(size_t size);

using namespace fastalloc_test;

namespace
{

constexpr size_t kib = kibibyte;

// ---- attach and detach ---------------------------------------------------------------------------------------------

void a_thread_attaches_at_its_first_call(void **)
{
    assert_alone([] {
        require(thread_words.self == nullptr && registry.first() == nullptr);
        void *const block = allocate_block(1);
        Arena *const mine = thread_words.self;
        require(mine != nullptr && mine == registry.first() && mine->attached && mine->words == &thread_words);
        require(owner_of(block) == mine);
        in_thread([mine] {
            require(thread_words.self == nullptr);
            allocate_block(1);
            require(thread_words.self != nullptr && thread_words.self != mine);
        });
        require_whole_heap();
    });
}

// Before the first block there is none of ours to free.
void a_foreign_block_in_front_of_all_others_attaches_nothing(void **)
{
    assert_alone([] {
        use_settings("foreign=libc");
        release_block(__libc_malloc(100));
        release_block(nullptr);
        require(thread_words.self == nullptr && registry.first() == nullptr);
    });
}

void a_detached_arena_is_taken_whole_by_the_next_thread(void **)
{
    assert_alone([] {
        Arena *first = nullptr;
        std::vector<void *> left;
        in_thread([&] {
            left = allocate_blocks(100, 100);
            first = thread_words.self;
        });
        require(!first->attached && registry.detached_count() == 1 && figures_of(first).cached_bytes == 0);
        require_whole_heap();
        in_thread([&] {
            void *const block = allocate_block(100);
            require(thread_words.self == first && owner_of(block) == first);
            release_blocks(left);
            require(registry.detached_count() == 0);
        });
        require_whole_heap();
    });
}

void as_many_arenas_are_made_as_threads_live_at_a_time(void **)
{
    assert_alone([] {
        for (unsigned round = 0; round < 10; round++)
        {
            std::latch all_here(4);
            std::vector<std::thread> threads;
            for (unsigned number = 0; number < 4; number++)
                threads.emplace_back([&all_here] {
                    void *const block = allocate_block(200);
                    all_here.arrive_and_wait();
                    release_block(block);
                });
            for (std::thread &thread : threads)
                thread.join();
        }
        const Guard guard(registry.lock);
        require(registry.figures().arenas == 4 && registry.figures().attached == 0);
    });
}

void a_span_is_adopted_from_a_detached_arena(void **)
{
    assert_alone([] {
        allocate_block(8);
        void *left = nullptr;
        in_thread([&left] { left = allocate_block(kib); });
        Arena *const other = owner_of(left);
        require(other != thread_words.self);
        void *const block = allocate_block(kib);
        require(record_of(block) == record_of(left)); // from the same span, not from a new one
        require(owner_of(left) == thread_words.self);
        release_block(left); // it is my own now
        require(figures_of(other).cached_bytes == 0);
        require_whole_heap();
    });
}

void a_medium_span_is_adopted_with_all_its_slices(void **)
{
    assert_alone([] {
        allocate_block(8);
        std::vector<void *> left;
        in_thread([&left] {
            left = allocate_blocks(shape_of(class_of(40 * kib)).capacity, 40 * kib);
            release_block(left.front());
        });
        void *const block = allocate_block(40 * kib);
        require(block == left.front());
        for (void *each : left)
            require(owner_of(each) == thread_words.self);
        require_whole_heap();
        release_blocks(left);
        require_whole_heap();
    });
}

void nothing_is_adopted_from_an_arena_in_use(void **)
{
    assert_alone([] {
        allocate_block(8);
        std::latch ready(1);
        std::latch done(1);
        void *left = nullptr;
        std::thread owner([&] {
            left = allocate_block(kib);
            ready.count_down();
            done.wait();
        });
        ready.wait();
        require(record_of(allocate_block(kib)) != record_of(left));
        done.count_down();
        owner.join();
        require_whole_heap();
    });
}

// ---- the last calls of a thread ------------------------------------------------------------------------------------

#if defined(__SANITIZE_THREAD__)
constexpr uintptr_t last_round = PTHREAD_DESTRUCTOR_ITERATIONS - 1; // as arena/registry.cpp has it
#else
constexpr uintptr_t last_round = PTHREAD_DESTRUCTOR_ITERATIONS;
#endif

pthread_key_t late_key;
void *late_blocks[3];

// Comes again until the last round, in which the library's own destructor, for an earlier key, has run before.
void allocate_late(void *rounds)
{
    const auto left = reinterpret_cast<uintptr_t>(rounds);
    if (left > 1)
    {
        pthread_setspecific(late_key, reinterpret_cast<void *>(left - 1));
        return;
    }
    require(thread_words.self == nullptr);
    require(thread_words.malloc_arena.load(std::memory_order_relaxed) == &ending_arena);
    const size_t sizes[] = {50, 50 * kib, 500 * kib};
    for (unsigned number = 0; number < 3; number++)
    {
        late_blocks[number] = allocate_block(sizes[number]);
        void *const freed = allocate_block(sizes[number]);
        require(late_blocks[number] != nullptr && freed != nullptr);
        memset(late_blocks[number], 1, sizes[number]);
        release_block(freed);
    }
    require(thread_words.self == nullptr);
}

void a_thread_is_served_after_it_has_detached(void **)
{
    assert_alone([] {
        allocate_block(1);
        pthread_key_create(&late_key, allocate_late);
        in_thread([] {
            allocate_block(1);
            pthread_setspecific(late_key, reinterpret_cast<void *>(last_round));
        });
        require(owner_of(late_blocks[0])->is_common && owner_of(late_blocks[1])->is_common);
        require_whole_heap();
        for (void *block : late_blocks)
            release_block(block);
        thread_words.self->flush();
        registry.tidy();
        require_whole_heap();
        require(node_heap(0).live_bytes() < 16 * kib); // the two blocks of one byte, and what bins may hold
    });
}

// ---- purge ---------------------------------------------------------------------------------------------------------

void a_thread_that_is_asked_flushes_at_its_next_call(void **)
{
    assert_alone([] {
        std::latch filled(1), asked(1), flushed(1), done(1);
        Arena *arena = nullptr;
        std::thread thread([&] {
            release_blocks(allocate_blocks(100, 64));
            void *const large = allocate_block(medium_max + 1);
            arena = thread_words.self;
            filled.count_down();
            asked.wait();
            void *const block = allocate_block(64);
            require(figures_of(arena).cached_bytes < 64 * 64); // what one refill brings
            require(thread_words.malloc_arena.load(std::memory_order_relaxed) == arena);
            flushed.count_down();
            done.wait();
            release_block(large); // by nobody's arena, asked again meanwhile
            release_block(block);
            require(figures_of(arena).cached_bytes == 64);
        });
        filled.wait();
        require(figures_of(arena).cached_bytes >= 64 * 64);
        registry.ask_all_to_flush();
        require(arena->purge_wanted && arena->words->free_arena.load(std::memory_order_relaxed) == &empty_arena);
        asked.count_down();
        flushed.wait();
        require(!arena->purge_wanted);
        registry.ask_all_to_flush();
        done.count_down();
        thread.join();
        require_whole_heap();
    });
}

void tidying_flushes_detached_arenas_and_drains_the_others(void **)
{
    assert_alone([] {
        const std::vector<void *> blocks = allocate_blocks(8, 500);
        in_thread([&] { release_blocks(blocks); }); // into my inbox, when it ends
        Arena *const mine = thread_words.self;
        require(figures_of(mine).inbox_bytes == 8 * 512);
        registry.tidy();
        require(figures_of(mine).inbox_bytes == 0);
        require_whole_heap();
    });
}

// ---- nodes ---------------------------------------------------------------------------------------------------------

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

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(a_thread_attaches_at_its_first_call),
        cmocka_unit_test(a_foreign_block_in_front_of_all_others_attaches_nothing),
        cmocka_unit_test(a_detached_arena_is_taken_whole_by_the_next_thread),
        cmocka_unit_test(as_many_arenas_are_made_as_threads_live_at_a_time),
        cmocka_unit_test(a_span_is_adopted_from_a_detached_arena),
        cmocka_unit_test(a_medium_span_is_adopted_with_all_its_slices),
        cmocka_unit_test(nothing_is_adopted_from_an_arena_in_use),
        cmocka_unit_test(a_thread_is_served_after_it_has_detached),
        cmocka_unit_test(a_thread_that_is_asked_flushes_at_its_next_call),
        cmocka_unit_test(tidying_flushes_detached_arenas_and_drains_the_others),
        cmocka_unit_test(each_node_has_regions_and_arenas_of_its_own),
        cmocka_unit_test(an_arena_is_taken_over_only_by_threads_of_its_node),
    };
    return cmocka_run_group_tests_name("registry", tests, nullptr, nullptr);
}
