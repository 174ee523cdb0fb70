// SPDX-License-Identifier: MIT
//
// Claims about arena/registry.h: threads come and go, their arenas are taken over, a purge reaches them, a fork leaves
// their arenas to the child, and each node has arenas of its own.
#include <cerrno>
#include <latch>
#include <pthread.h>
#include <thread>
#include <vector>

#include "layers.h"

using namespace fastalloc_test;

namespace
{

constexpr size_t kib = kibibyte;

// What the library's constructor does.
void hook_fork()
{
    pthread_atfork([] { registry.fork_prepare(); }, [] { registry.fork_parent(); }, [] { registry.fork_child(); });
}

std::vector<void *> allocate_blocks(size_t count, size_t size)
{
    std::vector<void *> blocks;
    for (size_t number = 0; number < count; number++)
    {
        blocks.push_back(allocate_block(size));
        require(blocks.back() != nullptr);
    }
    return blocks;
}

void release_blocks(const std::vector<void *> &blocks)
{
    for (void *block : blocks)
        release_block(block);
}

template <typename Body>
void in_thread(Body body)
{
    std::thread(body).join();
}

uint64_t private_bytes_of(Arena *arena)
{
    const Guard guard(arena->lock);
    return arena->figures().cached_bytes;
}

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
        release_block(malloc(100));
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
        require(!first->attached && registry.detached_count() == 1 && private_bytes_of(first) == 0);
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
        require(private_bytes_of(other) == 0);
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
            pthread_setspecific(late_key, reinterpret_cast<void *>(uintptr_t{PTHREAD_DESTRUCTOR_ITERATIONS}));
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
            require(private_bytes_of(arena) < 64 * 64); // what one refill brings
            require(thread_words.malloc_arena.load(std::memory_order_relaxed) == arena);
            flushed.count_down();
            done.wait();
            release_block(large); // by nobody's arena, asked again meanwhile
            release_block(block);
            require(private_bytes_of(arena) == 64);
        });
        filled.wait();
        require(private_bytes_of(arena) >= 64 * 64);
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
        require(mine->figures().inbox_bytes == 8 * 512);
        registry.tidy();
        require(mine->figures().inbox_bytes == 0);
        require_whole_heap();
    });
}

// ---- signals and fork ----------------------------------------------------------------------------------------------

// A signal handler that interrupted a call finds this thread's own locks taken.
void a_call_that_meets_its_own_locks_fails_or_defers(void **)
{
    assert_alone([] {
        const std::vector<void *> blocks = allocate_blocks(1000, 32);
        void *const medium = allocate_block(20 * kib);
        require(registry.lock_all());
        errno = 0;
        require(allocate_slow(900) == nullptr && errno == ENOMEM);
        require(allocate_slow(20 * kib) == nullptr && allocate_slow(300 * kib) == nullptr);
        release_blocks(blocks);
        release_block(medium);
        char bytes[100];
        Text report(bytes, sizeof(bytes));
        Arena *const mine = thread_words.self;
        require(mine->lock.held_by_me() && mine->figures().inbox_bytes >= 20 * kib);
        require(!registry.lock_all()); // what check_heap calls busy
        registry.unlock_all();
        registry.tidy();
        require(mine->figures().inbox_bytes == 0);
        require_whole_heap();
    });
}

void the_child_of_a_fork_goes_on_with_the_arenas_of_both(void **)
{
    assert_alone([] {
        hook_fork();
        std::latch filled(1), done(1);
        const std::vector<void *> mine = allocate_blocks(50, 64);
        std::vector<void *> others;
        std::thread thread([&] {
            others = allocate_blocks(1000, 64);
            release_blocks(allocate_blocks(200, 640)); // some stay in its bins
            release_block(mine.front());               // and one in its outbox
            filled.count_down();
            done.wait();
            release_blocks(others);
        });
        filled.wait();
        const int status = status_of_child([&] {
            require_whole_heap();
            require(registry.detached_count() == 1 && thread_words.self->attached);
            release_blocks(others);
            registry.tidy();
            require(registry.detached_count() == 1);
            require_whole_heap();
            release_blocks(allocate_blocks(1000, 640));
            thread_words.self->flush();
            registry.tidy();
            require_whole_heap();
            require(node_heap(0).handed_out == (mine.size() - 1) * 64);
        });
        require(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        require_whole_heap();
        done.count_down();
        thread.join();
        require_whole_heap();
    });
}

// Its bins still have blocks of its spans: a span that changed hands before these are back would meet them later.
void spans_of_a_thread_lost_in_a_fork_are_adopted_safely(void **)
{
    assert_alone([] {
        hook_fork();
        allocate_block(8);
        std::latch filled(1), done(1);
        std::thread thread([&] {
            std::vector<void *> blocks = allocate_blocks(20, kib);
            release_block(blocks.back());
            filled.count_down();
            done.wait();
        });
        filled.wait();
        const int status = status_of_child([] {
            const std::vector<void *> blocks = allocate_blocks(60, kib);
            registry.tidy();
            require_whole_heap();
            release_blocks(blocks);
            registry.tidy();
            require_whole_heap();
        });
        done.count_down();
        thread.join();
        require(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    });
}

// Whatever the threads are at when the child is made, it finds a whole heap.
void forks_in_the_middle_of_everything_leave_whole_heaps(void **)
{
    assert_alone([] {
        hook_fork();
        std::atomic<bool> stop{false};
        std::atomic<void *> shared{nullptr};
        std::vector<std::thread> threads;
        for (uint64_t seed = 1; seed <= 2; seed++)
            threads.emplace_back([&, seed] {
                Random random{seed};
                while (!stop.load(std::memory_order_relaxed))
                {
                    std::vector<void *> blocks = allocate_blocks(random.below(30) + 1, random.size(14));
                    void *const swapped = shared.exchange(blocks.back());
                    blocks.pop_back();
                    if (swapped != nullptr)
                        blocks.push_back(swapped);
                    release_blocks(blocks);
                }
            });
        for (unsigned round = 0; round < 30; round++)
        {
            const int status = status_of_child([] {
                const std::vector<void *> blocks = allocate_blocks(100, 50);
                registry.tidy();
                require_whole_heap();
                release_blocks(blocks);
            });
            require(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        }
        stop = true;
        for (std::thread &thread : threads)
            thread.join();
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
        cmocka_unit_test(a_call_that_meets_its_own_locks_fails_or_defers),
        cmocka_unit_test(the_child_of_a_fork_goes_on_with_the_arenas_of_both),
        cmocka_unit_test(spans_of_a_thread_lost_in_a_fork_are_adopted_safely),
        cmocka_unit_test(forks_in_the_middle_of_everything_leave_whole_heaps),
        cmocka_unit_test(each_node_has_regions_and_arenas_of_its_own),
        cmocka_unit_test(an_arena_is_taken_over_only_by_threads_of_its_node),
    };
    return cmocka_run_group_tests_name("registry", tests, nullptr, nullptr);
}
