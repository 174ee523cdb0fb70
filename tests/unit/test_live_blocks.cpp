// SPDX-License-Identifier: MIT
//
// Claims about watch/live_blocks.h: a bit per 8 bytes says which blocks are live, and of many who change one exactly one
// is told that it was he. Nothing is read or written behind an address, so any address from the window's base on will do.
#include "watch/live_blocks.h"

#include <atomic>
#include <latch>
#include <thread>
#include <vector>

#include "layers.h"

using namespace fastalloc_test;

namespace
{

using Added = LiveBlocks::Added;

const void *at(uintptr_t offset)
{
    return reinterpret_cast<const void *>(window_bounds.base + offset);
}

// Soft, so that it can be taken back.
void limit_addresses(rlim_t bytes)
{
    rlimit limits;
    require(getrlimit(RLIMIT_AS, &limits) == 0);
    limits.rlim_cur = bytes < limits.rlim_max ? bytes : limits.rlim_max;
    require(setrlimit(RLIMIT_AS, &limits) == 0);
}

// ---- one thread ----------------------------------------------------------------------------------------------------

void a_block_is_live_from_add_to_remove(void **)
{
    static LiveBlocks blocks;
    for (const uintptr_t offset : {uintptr_t{0}, uintptr_t{8}, uintptr_t{512}, chunk_bytes, region_bytes - 8})
    {
        assert_false(blocks.contains(at(offset)));
        assert_false(blocks.remove(at(offset)));
        assert_true(blocks.add(at(offset)) == Added::yes);
        assert_true(blocks.contains(at(offset)));
        assert_true(blocks.remove(at(offset)));
        assert_false(blocks.contains(at(offset)));
        assert_false(blocks.remove(at(offset)));
        assert_true(blocks.add(at(offset)) == Added::yes); // and again
    }
}

void a_block_that_is_live_already_is_told_from_a_new_one(void **)
{
    static LiveBlocks blocks;
    assert_true(blocks.add(at(64)) == Added::yes);
    assert_true(blocks.add(at(64)) == Added::was_live);
    assert_true(blocks.contains(at(64)));
    assert_true(blocks.remove(at(64)));
    assert_false(blocks.remove(at(64)));
}

// All blocks of 8 bytes in two slices, every third of them live: a bit has no influence on any other.
void each_8_bytes_have_a_bit_of_their_own(void **)
{
    static LiveBlocks blocks;
    const auto is_meant = [](uintptr_t offset) { return offset / 8 % 3 == 0; };
    for (uintptr_t offset = 0; offset < 2 * slice_bytes; offset += 8)
        if (is_meant(offset))
            assert_true(blocks.add(at(offset)) == Added::yes);
    for (uintptr_t offset = 0; offset < 2 * slice_bytes; offset += 8)
        assert_int_equal(blocks.contains(at(offset)), is_meant(offset));
    for (uintptr_t offset = 0; offset < 2 * slice_bytes; offset += 8)
        assert_int_equal(blocks.remove(at(offset)), is_meant(offset));
    for (uintptr_t offset = 0; offset < 2 * slice_bytes; offset += 8)
        assert_false(blocks.contains(at(offset)));
}

void no_block_lies_between_multiples_of_8(void **)
{
    static LiveBlocks blocks;
    assert_true(blocks.add(at(128)) == Added::yes);
    for (uintptr_t offset = 121; offset < 136; offset++)
    {
        if (offset == 128)
            continue;
        assert_false(blocks.contains(at(offset)));
        assert_false(blocks.remove(at(offset)));
    }
    assert_true(blocks.remove(at(128)));
}

// ---- regions -------------------------------------------------------------------------------------------------------

void a_region_without_blocks_has_no_bits_and_none_live(void **)
{
    static LiveBlocks blocks;
    const uint64_t before = counted_bytes(RLIMIT_AS);
    for (uintptr_t region = 0; region < window_max_bytes / region_bytes; region++)
    {
        assert_false(blocks.contains(at(region * region_bytes)));
        assert_false(blocks.remove(at(region * region_bytes + 4096)));
    }
    assert_int_equal(counted_bytes(RLIMIT_AS), before);
}

void the_same_place_in_two_regions_is_two_blocks(void **)
{
    static LiveBlocks blocks;
    const uintptr_t last = window_max_bytes - region_bytes;
    assert_true(blocks.add(at(4096)) == Added::yes);
    assert_true(blocks.add(at(last + 4096)) == Added::yes);
    assert_false(blocks.contains(at(region_bytes + 4096)));
    assert_true(blocks.remove(at(4096)));
    assert_true(blocks.contains(at(last + 4096)));
    assert_false(blocks.contains(at(4096)));
}

void bits_take_a_64th_of_what_they_describe(void **)
{
    static LiveBlocks blocks;
    const uint64_t before = counted_bytes(RLIMIT_AS);
    assert_true(blocks.add(at(0)) == Added::yes);
    assert_int_equal(counted_bytes(RLIMIT_AS) - before, region_bytes / 64);
    assert_true(blocks.add(at(region_bytes - 8)) == Added::yes);
    assert_int_equal(counted_bytes(RLIMIT_AS) - before, region_bytes / 64);
}

void a_region_whose_bits_find_no_memory_can_have_them_later(void **)
{
    assert_alone([] {
        static LiveBlocks blocks;
        require(blocks.add(at(0)) == Added::yes);
        limit_addresses(counted_bytes(RLIMIT_AS) + mebibyte);
        require(blocks.add(at(region_bytes)) == Added::no_memory);
        require(!blocks.contains(at(region_bytes)) && !blocks.remove(at(region_bytes)));
        require(blocks.add(at(8)) == Added::yes); // where there are bits already
        limit_addresses(RLIM_INFINITY);
        require(blocks.add(at(region_bytes)) == Added::yes && blocks.contains(at(region_bytes)));
    });
}

// ---- many threads --------------------------------------------------------------------------------------------------

constexpr unsigned thread_count = 4;
constexpr size_t block_count = 20'000;

// Runs `body` in all threads at once.
template <typename Body>
void at_once(Body body)
{
    std::latch ready(thread_count);
    std::vector<std::thread> threads;
    for (unsigned number = 0; number < thread_count; number++)
        threads.emplace_back([&] {
            ready.arrive_and_wait();
            body();
        });
    for (std::thread &thread : threads)
        thread.join();
}

void of_many_who_free_a_block_exactly_one_is_told_that_it_was_live(void **)
{
    static LiveBlocks blocks;
    for (size_t number = 0; number < block_count; number++)
        assert_true(blocks.add(at(number * 16)) == Added::yes);
    std::atomic<size_t> removed{0};
    at_once([&] {
        size_t mine = 0;
        for (size_t number = 0; number < block_count; number++)
            mine += blocks.remove(at(number * 16));
        removed += mine;
    });
    assert_int_equal(removed, block_count);
}

// The first of them also maps the bits: nobody's are lost with a mapping that came second.
void of_many_who_are_given_a_block_exactly_one_is_the_first(void **)
{
    static LiveBlocks blocks;
    for (unsigned region = 0; region < 8; region++)
    {
        const uintptr_t begin = region * region_bytes;
        std::atomic<size_t> added{0};
        at_once([&] {
            size_t mine = 0;
            for (size_t number = 0; number < 200; number++)
                mine += blocks.add(at(begin + number * 8)) == Added::yes;
            added += mine;
        });
        assert_int_equal(added, 200);
        for (size_t number = 0; number < 200; number++)
            assert_true(blocks.contains(at(begin + number * 8)));
    }
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(a_block_is_live_from_add_to_remove),
        cmocka_unit_test(a_block_that_is_live_already_is_told_from_a_new_one),
        cmocka_unit_test(each_8_bytes_have_a_bit_of_their_own),
        cmocka_unit_test(no_block_lies_between_multiples_of_8),
        cmocka_unit_test(a_region_without_blocks_has_no_bits_and_none_live),
        cmocka_unit_test(the_same_place_in_two_regions_is_two_blocks),
        cmocka_unit_test(bits_take_a_64th_of_what_they_describe),
        cmocka_unit_test(a_region_whose_bits_find_no_memory_can_have_them_later),
        cmocka_unit_test(of_many_who_free_a_block_exactly_one_is_told_that_it_was_live),
        cmocka_unit_test(of_many_who_are_given_a_block_exactly_one_is_the_first),
    };
    return cmocka_run_group_tests_name("live_blocks", tests, nullptr, nullptr);
}
