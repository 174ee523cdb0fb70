// SPDX-License-Identifier: MIT
//
// Claims about heap/large.h: runs of slices as blocks, freed once, by anybody, and resized where they lie.
#include "heap/large.h"

#include <atomic>
#include <thread>
#include <vector>

#include "layers.h"

using namespace fastalloc_test;

namespace
{

constexpr size_t kib = kibibyte;
constexpr size_t mib = mebibyte;

void *allocate_large(size_t size, size_t alignment = 16)
{
    const LargeBlock large = large_allocate(node_heap(0), size, alignment);
    require(large.block != nullptr && is_multiple(reinterpret_cast<uintptr_t>(large.block), alignment));
    return large.block;
}

bool release_large(void *block)
{
    return large_release(record_of(block), block);
}

void a_large_block_has_the_slices_that_hold_it_and_no_owner(void **)
{
    assert_alone([] {
        uint64_t whole = 0;
        std::vector<void *> blocks;
        for (const size_t size : {size_t{0}, size_t{1}, 256 * kib + 1, mib, 2 * mib + 1, large_max})
        {
            void *const block = allocate_large(size);
            const Span *const head = record_of(block);
            const size_t usable = size == 0 ? slice_bytes : round_up(size, slice_bytes);
            require(head->kind == SpanKind::large && head->owner.load() == nullptr && head->size_class == no_class);
            require(large_usable(head) == usable);
            stamp(block, usable, 1);
            blocks.push_back(block);
            whole += usable;
            require(node_heap(0).handed_out == whole);
        }
        require_whole_heap();
        for (void *block : blocks)
            require(release_large(block));
        require(node_heap(0).handed_out == 0);
        require_whole_heap();
    });
}

void every_alignment_up_to_a_chunk_is_kept(void **)
{
    assert_alone([] {
        std::vector<void *> blocks;
        for (size_t alignment = 16; alignment <= chunk_bytes; alignment *= 2)
            for (const size_t size : {100 * kib, 700 * kib, 3 * mib})
                blocks.push_back(allocate_large(size, alignment));
        require_whole_heap();
        for (void *block : blocks)
            require(release_large(block));
        require_whole_heap();
    });
}

void a_block_said_to_be_zero_is(void **)
{
    assert_alone([] {
        const std::vector<char> zeros(mib);
        for (unsigned round = 0; round < 8; round++)
        {
            const LargeBlock large = large_allocate(node_heap(0), mib, 16);
            require(!large.zeroed || memcmp(large.block, zeros.data(), mib) == 0);
            require(large.zeroed == (round % 4 == 0));
            memset(large.block, 1, mib);
            require(release_large(large.block));
            if (round % 4 == 3)
                node_heap(0).return_free(0);
        }
    });
}

void only_the_first_byte_of_a_live_block_can_be_released(void **)
{
    assert_alone([] {
        char *const block = static_cast<char *>(allocate_large(mib));
        for (const size_t inside : {size_t{1}, size_t{16}, slice_bytes - 1, slice_bytes, mib - 1})
            require(!release_large(block + inside));
        require(!release_large(block + mib));
        require(release_large(block));
        require(!release_large(block));
        require_whole_heap();
    });
}

void of_two_threads_that_free_a_block_one_is_refused(void **)
{
    assert_alone([] {
        for (unsigned round = 0; round < 300; round++)
        {
            void *const block = allocate_large(300 * kib);
            std::atomic<unsigned> ready{0};
            std::atomic<unsigned> freed{0};
            const auto release = [&] {
                ready++;
                while (ready != 2)
                    sched_yield();
                freed += release_large(block);
            };
            std::thread other(release);
            release();
            other.join();
            require(freed == 1);
        }
        require_whole_heap();
    });
}

void a_block_shrinks_in_place_and_gives_the_rest_back(void **)
{
    assert_alone([] {
        void *const block = allocate_large(5 * mib);
        Span *const head = record_of(block);
        require(large_resize(head, 300 * kib));
        require(large_usable(head) == 5 * slice_bytes && node_heap(0).handed_out == 5 * slice_bytes);
        require_whole_heap();
        require(large_resize(head, 300 * kib + 1)); // the same slices
        require(large_usable(head) == 5 * slice_bytes);
        require(release_large(block));
        require_whole_heap();
    });
}

void a_block_grows_in_place_as_far_as_nobody_is_there(void **)
{
    assert_alone([] {
        void *const block = allocate_large(300 * kib);
        Span *const head = record_of(block);
        require(large_resize(head, mib));
        void *const behind = allocate_large(100 * kib);
        require(behind == static_cast<char *>(block) + mib);
        require(!large_resize(head, mib + 1));
        require(large_usable(head) == mib);
        require_whole_heap();
        require(release_large(behind));
        require(large_resize(head, 2 * mib - 64 * kib));
        require_whole_heap();
        require(release_large(block));
    });
}

void random_blocks_are_resized_and_keep_their_ends(void **)
{
    assert_alone([] {
        Random random{9};
        struct Block
        {
            void *memory;
            size_t size;
        };
        std::vector<Block> blocks;
        for (unsigned round = 0; round < 3000; round++)
        {
            const size_t size = medium_max + 1 + random.below(4 * mib);
            const size_t choice = random.below(3);
            if (blocks.size() < 20 && choice == 0)
            {
                blocks.push_back({allocate_large(size, size_t{16} << random.below(18)), size});
                stamp(blocks.back().memory, size, round);
                memcpy(blocks.back().memory, &round, sizeof(round));
                continue;
            }
            if (blocks.empty())
                continue;
            Block &block = blocks[random.below(blocks.size())];
            unsigned mark = 0;
            memcpy(&mark, block.memory, sizeof(mark));
            require(memcmp(static_cast<char *>(block.memory) + block.size - 8, &mark, sizeof(mark)) == 0);
            if (choice == 1)
            {
                require(release_large(block.memory));
                block = blocks.back();
                blocks.pop_back();
            }
            else if (large_resize(record_of(block.memory), size))
            {
                block.size = size;
                stamp(block.memory, size, mark);
            }
            if (round % 100 == 0)
                require_whole_heap();
        }
        require_whole_heap();
    });
}

// What the heap check and these threads see of each other is consistent at every moment.
void the_heap_is_whole_while_threads_use_large_blocks(void **)
{
    assert_alone([] {
        std::atomic<bool> stop{false};
        std::vector<std::thread> threads;
        for (uint64_t seed = 1; seed <= 2; seed++)
            threads.emplace_back([&stop, seed] {
                Random random{seed};
                while (!stop)
                {
                    void *const block = allocate_block(medium_max + 1 + random.below(2 * mib));
                    large_resize(record_of(block), medium_max + 1 + random.below(2 * mib));
                    release_block(block);
                }
            });
        for (unsigned round = 0; round < 200; round++)
        {
            require_whole_heap();
            sched_yield();
        }
        stop = true;
        for (std::thread &thread : threads)
            thread.join();
        require_whole_heap();
    });
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(a_large_block_has_the_slices_that_hold_it_and_no_owner),
        cmocka_unit_test(every_alignment_up_to_a_chunk_is_kept),
        cmocka_unit_test(a_block_said_to_be_zero_is),
        cmocka_unit_test(only_the_first_byte_of_a_live_block_can_be_released),
        cmocka_unit_test(of_two_threads_that_free_a_block_one_is_refused),
        cmocka_unit_test(a_block_shrinks_in_place_and_gives_the_rest_back),
        cmocka_unit_test(a_block_grows_in_place_as_far_as_nobody_is_there),
        cmocka_unit_test(random_blocks_are_resized_and_keep_their_ends),
        cmocka_unit_test(the_heap_is_whole_while_threads_use_large_blocks),
    };
    return cmocka_run_group_tests_name("large", tests, nullptr, nullptr);
}
