// SPDX-License-Identifier: MIT
//
// Claims about arena/registry.h: threads come and go, their arenas are taken over whole or span by span, and who is nearly
// gone is served to the end.
#include "arena/budget.h"

#include <atomic>
#include <climits>
#include <latch>
#include <pthread.h>
#include <sched.h>
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
        require(!first->attached && registry.detached_count() == 1);
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

// What lies in its bins costs the next thread no slow path, and others too little to fetch it.
void a_detached_arena_stays_filled_within_its_budget_until_it_is_tidied(void **)
{
    assert_alone([] {
        Arena *first = nullptr;
        void *freed = nullptr;
        in_thread([&] {
            freed = allocate_block(100);
            release_block(freed);
            first = thread_words.self;
        });
        require(first->warm && figures_of(first).cached_bytes > 0);
        require_whole_heap();
        in_thread([&] {
            allocate_block(2000); // attaches
            require(!first->warm && allocate_fast(100) == freed);
            release_block(freed);
        });
        require(first->warm);
        registry.tidy(0);
        require(!first->warm && figures_of(first).cached_bytes == 0);
        require_whole_heap();
        in_thread([] {
            for (unsigned round = 0; round < 20; round++)
                release_blocks(allocate_blocks(5000, 64));
        });
        // Was more than its budget: on leases.
        require(first->warm && fund.leased() == 0);
        require(figures_of(first).cached_bytes > 0 && figures_of(first).cached_bytes <= options().arena_budget);
        require_whole_heap();
    });
}

// Threads that live at the same time, and end.
void leave_filled_arenas(unsigned count)
{
    std::latch all_here(count);
    std::vector<std::thread> threads;
    for (unsigned number = 0; number < count; number++)
        threads.emplace_back([&] {
            release_block(allocate_block(100));
            all_here.arrive_and_wait();
        });
    for (std::thread &thread : threads)
        thread.join();
}

// ---- a signal in the middle of a thread's end

void *block_for_handler;
std::atomic<bool> handled{false};

// Holds up the thread's end between the hand-over and the registry, and has a handler free a block there. With the bins
// emptied nobody would look into them before a span is adopted.
void what_a_signal_handler_frees_at_a_threads_end_is_not_left_behind(void **)
{
    assert_alone([] {
        allocate_block(1);
        std::latch full(1);
        std::latch go(1);
        Arena *first = nullptr;
        std::thread thread([&] {
            block_for_handler = allocate_block(100);
            release_blocks(allocate_blocks(100, 100));
            first = thread_words.self;
            full.count_down();
            go.wait();
        });
        full.wait();
        leave_filled_arenas(4); // so that this thread's is emptied
        signal(SIGUSR1, [](int) {
            release_block(block_for_handler);
            handled = true;
        });
        {
            const Guard guard(registry.lock);
            go.count_down();
            while (figures_of(first).cached_bytes != 0)
                sched_yield();
            require(first->attached);
            pthread_kill(thread.native_handle(), SIGUSR1);
            while (!handled)
                sched_yield();
        }
        thread.join();
        require(!first->attached && !first->warm && figures_of(first).cached_bytes == 0);
        require_whole_heap();
    });
}

void at_most_4_arenas_stay_filled(void **)
{
    assert_alone([] {
        constexpr unsigned count = 20;
        std::latch all_here(count);
        std::atomic<unsigned> ended{0}; // one after the other
        std::vector<std::thread> threads;
        for (unsigned number = 0; number < count; number++)
            threads.emplace_back([&, number] {
                release_block(allocate_block(100));
                all_here.arrive_and_wait();
                for (unsigned before = ended; before < number; before = ended)
                    ended.wait(before);
            });
        unsigned warm = 0;
        for (std::thread &thread : threads)
        {
            thread.join();
            ended++;
            ended.notify_all();
        }
        for (const Arena *arena = registry.first(); arena != nullptr; arena = arena->next_arena)
            warm += arena->warm;
        require(warm == 4);
        require_whole_heap();
        registry.tidy(0);
        require(handed_out_bytes() == 0);
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

constexpr uintptr_t last_round = PTHREAD_DESTRUCTOR_ITERATIONS - (thread_sanitizer ? 1 : 0); // see arena/registry.cpp

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
        registry.tidy(0);
        require_whole_heap();
        require(node_heap(0).live_bytes() < 16 * kib); // the two blocks of one byte, and what bins may hold
    });
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(a_thread_attaches_at_its_first_call),
        cmocka_unit_test(a_foreign_block_in_front_of_all_others_attaches_nothing),
        cmocka_unit_test(a_detached_arena_is_taken_whole_by_the_next_thread),
        cmocka_unit_test(a_detached_arena_stays_filled_within_its_budget_until_it_is_tidied),
        cmocka_unit_test(what_a_signal_handler_frees_at_a_threads_end_is_not_left_behind),
        cmocka_unit_test(at_most_4_arenas_stay_filled),
        cmocka_unit_test(as_many_arenas_are_made_as_threads_live_at_a_time),
        cmocka_unit_test(a_span_is_adopted_from_a_detached_arena),
        cmocka_unit_test(a_medium_span_is_adopted_with_all_its_slices),
        cmocka_unit_test(nothing_is_adopted_from_an_arena_in_use),
        cmocka_unit_test(a_thread_is_served_after_it_has_detached),
    };
    return cmocka_run_group_tests_name("registry", tests, nullptr, nullptr);
}
