// SPDX-License-Identifier: MIT
//
// Claims about heap/outside.h: the registry knows its blocks whatever came and went, and blocks keep what is in them.
#include "heap/outside.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <thread>
#include <vector>

#include "layers.h"

using namespace fastalloc_test;

namespace
{

constexpr size_t kib = kibibyte;
constexpr size_t mib = mebibyte;

struct Block
{
    char *memory;
    size_t size; // 0: not there
};

void require_sound_registry(Place where = Place::caller())
{
    const Guard guard(outside.lock);
    require_sound(outside.verify(), where);
}

size_t in_pages(size_t size)
{
    return round_up(size, pages::page_bytes());
}

void a_block_is_zero_aligned_and_as_large_as_its_pages(void **)
{
    assert_alone([] {
        for (size_t alignment = 16; alignment <= 4 * mib; alignment *= 2)
            for (const size_t size : {size_t{1}, size_t{5000}, mib, 33 * mib})
            {
                char *const memory = static_cast<char *>(outside.allocate(size, alignment, 0));
                require(memory != nullptr && is_multiple(reinterpret_cast<uintptr_t>(memory), alignment));
                require(outside.usable(memory) == in_pages(size));
                require(memory[0] == 0 && memory[in_pages(size) - 1] == 0);
                memory[0] = memory[in_pages(size) - 1] = 1;
                require(outside.release(memory));
            }
        require(outside.blocks() == 0 && outside.bytes() == 0);
        require_sound_registry();
    });
}

void what_is_not_the_beginning_of_a_block_is_not_known(void **)
{
    assert_alone([] {
        char *const memory = static_cast<char *>(outside.allocate(mib, 16, 0));
        for (const ptrdiff_t offset : {ptrdiff_t{1}, ptrdiff_t{16}, ptrdiff_t{4096}, ptrdiff_t{-4096}})
        {
            require(outside.usable(memory + offset) == 0);
            require(!outside.release(memory + offset));
            require(outside.reallocate(memory + offset, 2 * mib) == nullptr);
        }
        require(!outside.release(nullptr));
        require(outside.release(memory));
        require(!outside.release(memory) && outside.usable(memory) == 0);
    });
}

void sizes_no_address_space_holds_are_refused(void **)
{
    assert_alone([] {
        errno = ERANGE;
        for (const size_t size : {SIZE_MAX, SIZE_MAX - 4096, size_t{1} << 62})
            require(outside.allocate(size, 16, 0) == nullptr);
        require(outside.allocate(mib, size_t{1} << 62, 0) == nullptr);
        char *const memory = static_cast<char *>(outside.allocate(mib, 16, 0));
        memory[0] = 1;
        require(outside.reallocate(memory, SIZE_MAX) == nullptr);
        require(outside.reallocate(memory, size_t{1} << 62) == nullptr);
        require(outside.usable(memory) == mib && memory[0] == 1);
        require(errno == ERANGE);
        require_sound_registry();
    });
}

// Thousands of blocks, against a plain table of what should be there.
void the_registry_agrees_with_a_plain_table(void **)
{
    for (uint64_t seed = 1; seed <= 2; seed++)
        assert_alone([seed] {
            Random random{seed};
            std::vector<Block> table(4000);
            uint64_t blocks = 0;
            uint64_t bytes = 0;
            for (unsigned round = 0; round < 20'000; round++)
            {
                // Filled, then emptied, so that the registry grows and its chains shrink.
                Block &block = table[random.below(table.size())];
                const bool fill = random.below(10) < (round < 10'000 ? 8u : 2u);
                if (block.size == 0 && fill)
                {
                    block.size = 1 + random.below(4 * 4096);
                    block.memory = static_cast<char *>(outside.allocate(block.size, 16, 0));
                    require(block.memory != nullptr);
                    stamp(block.memory, block.size, round);
                    blocks++;
                    bytes += in_pages(block.size);
                }
                else if (block.size != 0 && !fill)
                {
                    require(outside.usable(block.memory) == in_pages(block.size));
                    require(outside.release(block.memory));
                    require(outside.usable(block.memory) == 0);
                    blocks--;
                    bytes -= in_pages(block.size);
                    block.size = 0;
                }
                require(outside.blocks() == blocks && outside.bytes() == bytes);
                if (round % 500 == 0)
                    require_sound_registry();
            }
            require_sound_registry();
            for (const Block &block : table)
                require(block.size == 0 || outside.release(block.memory));
            require(outside.blocks() == 0 && outside.bytes() == 0);
        });
}

void a_block_that_shrinks_or_grows_keeps_what_it_holds(void **)
{
    assert_alone([] {
        Random random{3};
        std::vector<Block> table(40);
        for (Block &block : table)
        {
            block.size = 64 * kib;
            block.memory = static_cast<char *>(outside.allocate(block.size, 16, 0));
            for (size_t at = 0; at < block.size; at += kib)
                block.memory[at] = static_cast<char>(at >> 10);
        }
        unsigned moved = 0;
        unsigned stayed = 0;
        for (unsigned round = 0; round < 2000; round++)
        {
            Block &block = table[random.below(table.size())];
            const size_t size = 1 + random.below(512 * kib);
            auto *const memory = static_cast<char *>(outside.reallocate(block.memory, size));
            require(memory != nullptr && outside.usable(memory) >= size);
            require(memory == block.memory || outside.usable(block.memory) == 0);
            (memory == block.memory ? stayed : moved)++;
            for (size_t at = 0; at < std::min(size, block.size); at += kib)
                require(memory[at] == static_cast<char>(at >> 10));
            for (size_t at = round_up(block.size, kib); at < size; at += kib)
                memory[at] = static_cast<char>(at >> 10);
            block = {memory, size};
        }
        require(moved > 0 && stayed > 0);
        require(outside.blocks() == table.size());
        require_sound_registry();
    });
}

// Growth by small steps must not move, nor even ask the kernel, at each of them.
void a_block_that_grows_step_by_step_gets_some_ahead(void **)
{
    assert_alone([] {
        void *memory = outside.allocate(64 * mib, 16, 0);
        memory = outside.reallocate(memory, 64 * mib + 1);
        require(outside.usable(memory) == 72 * mib);
        memory = outside.reallocate(memory, 100 * mib);
        require(outside.usable(memory) == 100 * mib);
        require_sound_registry();
    });
}

void memory_that_is_refused_changes_nothing(void **)
{
    assert_alone([] {
        char *const memory = static_cast<char *>(outside.allocate(16 * mib, 16, 0));
        memory[16 * mib - 1] = 1;
        limit_growth(RLIMIT_AS, 40 * mib);
        errno = ERANGE;
        require(outside.allocate(64 * mib, 16, 0) == nullptr);
        require(outside.reallocate(memory, 128 * mib) == nullptr);
        require(errno == ERANGE);
        require(outside.usable(memory) == 16 * mib && memory[16 * mib - 1] == 1 && outside.blocks() == 1);
        require_sound_registry();
    });
}

// realloc takes its block out of the registry for a while. Others may fill the registry up meanwhile, and there may be
// no memory for a larger one.
void a_block_that_cannot_grow_keeps_its_place_in_a_full_registry(void **)
{
    assert_alone([] {
        const size_t full = pages::page_bytes() / 32; // entries of 16 bytes, half of them used
        std::vector<void *> held;
        while (held.size() < full)
            held.push_back(outside.allocate(1, 16, 0));
        void *const asked_to_grow = held[0];
        std::atomic<int> steps{0};
        std::atomic<bool> begin{false};
        std::atomic<bool> stop{false};
        std::latch started(1); // sanitizers map memory for a thread that begins
        std::thread thread([&] {
            started.count_down();
            while (!begin)
                std::this_thread::yield();
            for (; !stop; ++steps)
                require(outside.reallocate(asked_to_grow, size_t{1} << 40) == nullptr);
        });
        started.wait();
        // Room for a block, but not for the next larger registry.
        void *const room = pages::map(pages::page_bytes(), 1);
        limit_growth(RLIMIT_AS, 0);
        while (pages::map(pages::page_bytes(), 1) != nullptr)
        {
        }
        pages::unmap(room, pages::page_bytes());
        begin = true;
        while (steps < 100000)
            if (void *const block = outside.allocate(1, 16, 0); block != nullptr)
                require(outside.release(block));
        stop = true;
        thread.join();
        for (void *const block : held)
            require(outside.release(block));
        require(outside.blocks() == 0 && outside.bytes() == 0);
        require_sound_registry();
    });
}

void a_block_carried_out_of_the_window_leaves_zeros(void **)
{
    assert_alone([] {
        const SliceIndex slice = node_heap(0).take(32).slice;
        const uintptr_t from = address_of_slice(slice);
        auto *const source = reinterpret_cast<char *>(from);
        for (size_t at = 0; at < 2 * mib; at += kib)
            source[at] = static_cast<char>(at >> 10 | 1);
        char *const carried = static_cast<char *>(outside.carry_out(from, 2 * mib, 3 * mib, 0));
        if (carried == nullptr) // kernels before 5.7
            return;
        require(outside.usable(carried) == 3 * mib && outside.blocks() == 1);
        for (size_t at = 0; at < 2 * mib; at += kib)
            require(carried[at] == static_cast<char>(at >> 10 | 1) && source[at] == 0);
        require(carried[2 * mib] == 0);
        source[0] = 1;
        require(outside.release(carried));
        require_sound_registry();
    });
}

void threads_share_the_registry(void **)
{
    assert_alone([] {
        std::vector<std::thread> threads;
        for (uint64_t seed = 1; seed <= 3; seed++)
            threads.emplace_back([seed] {
                Random random{seed};
                std::vector<Block> held;
                for (unsigned round = 0; round < 1500; round++)
                {
                    if (held.size() < 30)
                    {
                        const size_t size = 1 + random.below(64 * kib);
                        held.push_back({static_cast<char *>(outside.allocate(size, 16, 0)), size});
                        stamp(held.back().memory, size, seed);
                        continue;
                    }
                    Block &block = held[random.below(held.size())];
                    require(is_stamped(block.memory, block.size, seed));
                    block.size = 1 + random.below(64 * kib);
                    block.memory = static_cast<char *>(outside.reallocate(block.memory, block.size));
                    stamp(block.memory, block.size, seed);
                    std::swap(block, held.back());
                    require(outside.release(held.back().memory));
                    held.pop_back();
                }
                for (const Block &block : held)
                    require(outside.release(block.memory));
            });
        for (std::thread &thread : threads)
            thread.join();
        require(outside.blocks() == 0 && outside.bytes() == 0);
        require_sound_registry();
    });
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(a_block_is_zero_aligned_and_as_large_as_its_pages),
        cmocka_unit_test(what_is_not_the_beginning_of_a_block_is_not_known),
        cmocka_unit_test(sizes_no_address_space_holds_are_refused),
        cmocka_unit_test(the_registry_agrees_with_a_plain_table),
        cmocka_unit_test(a_block_that_shrinks_or_grows_keeps_what_it_holds),
        cmocka_unit_test(a_block_that_grows_step_by_step_gets_some_ahead),
        cmocka_unit_test(memory_that_is_refused_changes_nothing),
        cmocka_unit_test(a_block_that_cannot_grow_keeps_its_place_in_a_full_registry),
        cmocka_unit_test(a_block_carried_out_of_the_window_leaves_zeros),
        cmocka_unit_test(threads_share_the_registry),
    };
    return cmocka_run_group_tests_name("outside", tests, nullptr, nullptr);
}
