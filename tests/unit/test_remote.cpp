// SPDX-License-Identifier: MIT
//
// Claims about arena/remote.cpp: blocks that another thread frees find their way home, soon enough and whoever sleeps.
#include <atomic>
#include <latch>
#include <thread>
#include <vector>

#include "layers.h"

using namespace fastalloc_test;

namespace
{

constexpr size_t kib = kibibyte;

void a_block_freed_by_another_thread_comes_back_to_its_owner(void **)
{
    assert_alone([] {
        const std::vector<void *> blocks = allocate_blocks(30, 2 * kib);
        Arena *const mine = thread_words.self;
        in_thread([&] { release_blocks(blocks); }); // which sends what it still has when it ends
        require(figures_of(mine).inbox_bytes == 60 * kib);
        require_whole_heap();
        allocate_blocks(10, 3 * kib); // a slow path sorts it in
        require(figures_of(mine).inbox_bytes == 0);
        require_whole_heap();
        std::vector<void *> again = allocate_blocks(30, 2 * kib);
        for (void *block : blocks)
            require(record_of(block)->owner.load() == mine);
        require_whole_heap();
    });
}

void a_thread_holds_back_at_most_4_kib(void **)
{
    assert_alone([] {
        const std::vector<void *> blocks = allocate_blocks(2000, 48);
        in_thread([&] {
            for (void *block : blocks)
            {
                release_block(block);
                if (Arena *const self = thread_words.self)
                    require(figures_of(self).cached_bytes <= outbox_bytes);
            }
            require(figures_of(thread_words.self).remote_batches >= 2000 * 48 / outbox_bytes - 1);
        });
        thread_words.self->flush();
        require(handed_out_bytes() == 0);
        require_whole_heap();
    });
}

void a_block_too_large_to_be_held_back_is_a_batch(void **)
{
    assert_alone([] {
        const std::vector<void *> blocks = allocate_blocks(10, outbox_bytes);
        in_thread([&] {
            for (void *block : blocks)
                release_block(block);
            require(figures_of(thread_words.self).remote_batches == 10);
        });
    });
}

void blocks_for_many_owners_are_held_back_apart(void **)
{
    assert_alone([] {
        constexpr unsigned count = 11; // more than there are slots
        std::vector<void *> blocks[count];
        std::latch ready(count);
        std::latch done(1);
        std::vector<std::thread> owners;
        for (std::vector<void *> &mine : blocks)
            owners.emplace_back([&] {
                mine = allocate_blocks(100, 80);
                ready.count_down();
                done.wait();
            });
        ready.wait();
        for (unsigned number = 0; number < 100; number++)
            for (const std::vector<void *> &theirs : blocks)
                release_block(theirs[number]);
        require(figures_of(thread_words.self).cached_bytes <= outbox_bytes);
        thread_words.self->flush();
        registry.tidy(0);
        require_whole_heap();
        done.count_down();
        for (std::thread &owner : owners)
            owner.join();
        registry.tidy(0);
        require(handed_out_bytes() == 0);
        require_whole_heap();
    });
}

void the_memory_of_a_sleeping_owner_is_sorted_in_by_who_frees_it(void **)
{
    for (const size_t size : {size_t{100}, 1 * kib, 6 * kib, 24 * kib, 200 * kib})
        assert_alone([size] {
            std::vector<void *> blocks;
            std::latch ready(1);
            std::latch done(1);
            Arena *owner = nullptr;
            std::thread sleeper([&] {
                blocks = allocate_blocks(4 * mebibyte / size, size);
                owner = thread_words.self;
                ready.count_down();
                done.wait();
            });
            ready.wait();
            require(handed_out_bytes() >= 4 * mebibyte - size);
            release_blocks(blocks);
            require(figures_of(owner).inbox_bytes <= static_cast<uint64_t>(inbox_bound));
            // What is left: the inbox, my outbox, and what its own bins took when they were filled.
            require(handed_out_bytes() <= static_cast<uint64_t>(inbox_bound) + outbox_bytes + 32 * kib);
            require_whole_heap();
            done.count_down();
            sleeper.join();
            thread_words.self->flush();
            registry.tidy(0);
            require(handed_out_bytes() == 0);
            require_whole_heap();
        });
}

void a_block_whose_span_has_a_new_owner_is_sent_on(void **)
{
    assert_alone([] {
        const std::vector<void *> blocks = release_for_an_owner_that_ends([](const std::vector<void *> &all) {
            release_block(all[0]);
            release_block(all[1]);
        });
        require_whole_heap();
        registry.tidy(0);
        require_whole_heap();
        release_blocks({blocks.begin() + 2, blocks.end()});
        thread_words.self->flush();
        require(handed_out_bytes() == 8);
        require_whole_heap();
    });
}

void blocks_that_go_round_in_a_ring_stay_whole(void **)
{
    assert_alone([] {
        constexpr unsigned count = 3;
        std::atomic<void *> passed[count] = {};
        std::latch ended(count);
        std::vector<std::thread> threads;
        for (unsigned number = 0; number < count; number++)
            threads.emplace_back([&, number] {
                Random random{number + 1};
                for (unsigned round = 0; round < 20'000; round++)
                {
                    const size_t size = 16 + random.below(2000);
                    void *const block = allocate_block(size);
                    stamp(block, 16, reinterpret_cast<uintptr_t>(block));
                    void *const taken = passed[(number + 1) % count].exchange(block);
                    if (taken != nullptr)
                    {
                        require(is_stamped(taken, 16, reinterpret_cast<uintptr_t>(taken)));
                        release_block(taken);
                    }
                }
                ended.arrive_and_wait();
            });
        for (std::thread &thread : threads)
            thread.join();
        for (std::atomic<void *> &block : passed)
            release_block(block);
        thread_words.self->flush();
        registry.tidy(0);
        require(handed_out_bytes() == 0);
        require_whole_heap();
    });
}

void a_block_freed_twice_by_another_thread_dies(void **)
{
    assert_dies("double free of a 48-byte block", [] {
        void *const block = allocate_block(48);
        in_thread([block] {
            release_block(block);
            release_block(block);
        });
    });
    assert_dies("a double free", [] { // once by each
        const std::vector<void *> blocks = allocate_blocks(2, 8 * kib);
        release_block(blocks[0]);
        thread_words.self->flush();
        in_thread([&] { release_block(blocks[0]); });
        in_thread([&] { release_block(blocks[1]); });
        thread_words.self->flush();
    });
}

// As long as less than a block is left there, a stride alone would take it for one.
void what_is_left_behind_the_last_block_is_refused(void **)
{
    assert_dies("points into a 48-byte block", [] {
        void *const block = allocate_block(48);
        const Span *const span = record_of(block);
        const uintptr_t behind = address_of(span) + span->capacity * class_bytes(span->size_class);
        require(behind < address_of(span) + slice_bytes && span->begins_block(reinterpret_cast<void *>(behind)));
        in_thread([behind] { release_block(reinterpret_cast<void *>(behind)); });
    });
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(a_block_freed_by_another_thread_comes_back_to_its_owner),
        cmocka_unit_test(a_thread_holds_back_at_most_4_kib),
        cmocka_unit_test(a_block_too_large_to_be_held_back_is_a_batch),
        cmocka_unit_test(blocks_for_many_owners_are_held_back_apart),
        cmocka_unit_test(the_memory_of_a_sleeping_owner_is_sorted_in_by_who_frees_it),
        cmocka_unit_test(a_block_whose_span_has_a_new_owner_is_sent_on),
        cmocka_unit_test(blocks_that_go_round_in_a_ring_stay_whole),
        cmocka_unit_test(a_block_freed_twice_by_another_thread_dies),
        cmocka_unit_test(what_is_left_behind_the_last_block_is_refused),
    };
    return cmocka_run_group_tests_name("remote", tests, nullptr, nullptr);
}
