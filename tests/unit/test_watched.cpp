// SPDX-License-Identifier: MIT
//
// Claims about watch/watched.cpp: with check=on a program that does nothing wrong runs as without it, whichever way its
// blocks come and go, and every one of its blocks is known while it has it. What it says of misuse: test_watched_misuse.
#include "arena/purge.h"
#include "watch/live_blocks.h"

#include <atomic>
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
constexpr size_t mib = mebibyte;

// Of blocks in the window; others are known elsewhere.
bool is_known(const void *block)
{
    return live_blocks.contains(block);
}

// ---- one thread ----------------------------------------------------------------------------------------------------

void a_thread_looks_at_the_watched_arena_from_its_first_call_on(void **)
{
    assert_watched([] {
        void *const first = allocate_block(100);
        require(is_watched() && thread_words.self != nullptr && owner_of(first) == thread_words.self);
        require(is_known(first));
        require(allocate_fast(100) == nullptr && !release_fast(first));
        release_block(first);
        require(!is_known(first));
    });
    assert_alone([] { // and not without the setting
        void *const first = allocate_block(100);
        require(!is_watched() && !is_known(first));
    });
}

void blocks_of_every_size_and_alignment_are_known_while_they_are_live(void **)
{
    assert_watched([] {
        for (size_t size = 0; size <= large_max; size += 1 + size / 3)
            for (const size_t alignment : {default_alignment, size_t{64}, 4 * kib, slice_bytes, chunk_bytes})
            {
                void *const block = allocate_aligned(size, alignment, Call::aligned_alloc);
                require(block != nullptr && reinterpret_cast<uintptr_t>(block) % alignment == 0);
                require(is_known(block) && usable_size(Call::malloc_usable_size, block) >= size);
                release_block(block);
                require(!is_known(block));
            }
        thread_words.self->flush();
        require(handed_out_bytes() == 0);
    });
}

void freed_blocks_are_reused_as_without_it(void **)
{
    assert_watched([] {
        for (const size_t size : {size_t{8}, size_t{64}, 16 * kib, 20 * kib, mib})
        {
            void *const block = allocate_block(size);
            release_block(block);
            require(allocate_block(size) == block);
        }
    });
}

void blocks_outside_the_window_come_and_go(void **)
{
    assert_watched([] {
        void *block = allocate_block(large_max + 1);
        require(block != nullptr && record_of(block) == nullptr);
        block = reallocate(block, 3 * large_max);
        require(block != nullptr && usable_size(Call::malloc_usable_size, block) >= 3 * large_max);
        release_block(block);
        void *const aligned = allocate_aligned(100, 4 * mib, Call::aligned_alloc);
        require(aligned != nullptr && record_of(aligned) == nullptr);
        release_block(aligned);
    });
}

void a_block_stays_known_wherever_realloc_takes_it(void **)
{
    assert_watched([] {
        void *block = allocate_block(8);
        stamp(block, 8, 42);
        const size_t sizes[] = {16,      100,      100 * kib, 90 * kib, 300 * kib, 4 * mib,
                                2 * mib, 40 * mib, 35 * mib,  mib,      20,        8};
        for (const size_t size : sizes)
        {
            void *const before = block;
            block = reallocate(block, size);
            require(block != nullptr && memcmp(block, "*\0\0\0\0\0\0\0", 8) == 0);
            require(record_of(block) == nullptr || is_known(block));
            require(before == block || record_of(before) == nullptr || !is_known(before));
        }
        errno = 0;
        require(reallocate(block, size_max) == nullptr && errno == ENOMEM && is_known(block));
        release_block(block);
        thread_words.self->flush();
        require(handed_out_bytes() == 0);
    });
}

void a_random_walk_through_all_sizes_ends_with_nothing_live(void **)
{
    assert_watched([] {
        Random random{7};
        std::vector<void *> blocks(500);
        std::vector<size_t> sizes(blocks.size());
        for (unsigned step = 0; step < 30'000; step++)
        {
            const size_t place = random.below(blocks.size());
            if (blocks[place] != nullptr)
                require(is_stamped(blocks[place], sizes[place], place));
            const size_t size = random.size(19);
            if (blocks[place] != nullptr && random.below(4) == 0)
                blocks[place] = reallocate(blocks[place], size);
            else
            {
                release_slow(blocks[place]);
                blocks[place] = allocate_block(size);
            }
            require(blocks[place] != nullptr && is_known(blocks[place]));
            sizes[place] = size;
            stamp(blocks[place], size, place);
        }
        require_whole_heap();
        release_blocks(blocks);
        for (const void *block : blocks)
            require(!is_known(block));
        thread_words.self->flush();
        require(handed_out_bytes() == 0);
    });
}

// ---- memory runs out -----------------------------------------------------------------------------------------------

void malloc_fails_where_a_blocks_bit_finds_no_memory_and_keeps_nothing(void **)
{
    assert_watched([] {
        use_settings("check=off");
        void *const first = allocate_block(8); // the window is there, the bits are not
        use_settings("check=on");
        rlimit before;
        require(getrlimit(RLIMIT_AS, &before) == 0);
        const rlimit tight = {counted_bytes(RLIMIT_AS) + 4 * kib, before.rlim_max};
        require(setrlimit(RLIMIT_AS, &tight) == 0);
        registry.flush_and_restore(thread_words.self);
        require(is_watched());
        for (const size_t size : {size_t{8}, 16 * kib, 20 * kib, 300 * kib})
        {
            errno = 0;
            require(allocate_block(size) == nullptr && errno == ENOMEM);
        }
        require(setrlimit(RLIMIT_AS, &before) == 0);
        thread_words.self->flush();
        require(handed_out_bytes() == 8);
        void *const second = allocate_block(8);
        require(second != nullptr && second != first && is_known(second));
    });
}

// ---- many threads --------------------------------------------------------------------------------------------------

void blocks_freed_by_other_threads_come_back_to_their_owner(void **)
{
    assert_watched([] {
        std::vector<void *> blocks;
        for (const size_t size : {size_t{8}, size_t{48}, 8 * kib, 20 * kib, 300 * kib, 40 * mib})
        {
            const std::vector<void *> some = allocate_blocks(10, size);
            blocks.insert(blocks.end(), some.begin(), some.end());
        }
        in_thread([&] { release_blocks(blocks); });
        for (const void *block : blocks)
            require(record_of(block) == nullptr || !is_known(block));
        thread_words.self->flush();
        require(handed_out_bytes() == 0);
    });
}

void threads_come_and_go_and_leave_blocks_to_each_other(void **)
{
    assert_watched([] {
        std::vector<void *> left = allocate_blocks(300, 100);
        for (unsigned round = 0; round < 20; round++)
            in_thread([&] {
                std::vector<void *> mine = allocate_blocks(300, 100 + round * 50);
                require(is_watched());
                release_blocks(left);
                left = mine;
            });
        release_blocks(left);
        thread_words.self->flush();
        registry.tidy(0);
        require(handed_out_bytes() == 0);
    });
}

void threads_that_pass_blocks_around_at_once_meet_no_false_alarm(void **)
{
    assert_watched([] {
        constexpr unsigned count = 3;
        std::atomic<void *> shared[64] = {};
        std::latch ended(count); // nobody adopts a span on the way home
        std::vector<std::thread> threads;
        for (uint64_t seed = 1; seed <= count; seed++)
            threads.emplace_back([&, seed] {
                Random random{seed};
                for (unsigned round = 0; round < 10'000; round++)
                {
                    void *const block = allocate_block(random.size(15));
                    require(block != nullptr && is_known(block));
                    release_slow(shared[random.below(64)].exchange(block));
                }
                ended.arrive_and_wait();
            });
        for (std::thread &thread : threads)
            thread.join();
        for (std::atomic<void *> &block : shared)
            release_slow(block);
        thread_words.self->flush();
        registry.tidy(0);
        require(handed_out_bytes() == 0);
    });
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(a_thread_looks_at_the_watched_arena_from_its_first_call_on),
        cmocka_unit_test(blocks_of_every_size_and_alignment_are_known_while_they_are_live),
        cmocka_unit_test(freed_blocks_are_reused_as_without_it),
        cmocka_unit_test(blocks_outside_the_window_come_and_go),
        cmocka_unit_test(a_block_stays_known_wherever_realloc_takes_it),
        cmocka_unit_test(a_random_walk_through_all_sizes_ends_with_nothing_live),
        cmocka_unit_test(malloc_fails_where_a_blocks_bit_finds_no_memory_and_keeps_nothing),
        cmocka_unit_test(blocks_freed_by_other_threads_come_back_to_their_owner),
        cmocka_unit_test(threads_come_and_go_and_leave_blocks_to_each_other),
        cmocka_unit_test(threads_that_pass_blocks_around_at_once_meet_no_false_alarm),
    };
    return cmocka_run_group_tests_name("watched", tests, nullptr, nullptr);
}
