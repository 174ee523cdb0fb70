// SPDX-License-Identifier: MIT
//
// Claims about watch/operator_blocks.h: an address is known by its origin from when it is added until it is taken, and no
// other is.
#include "watch/operator_blocks.h"

#include <thread>
#include <vector>

#include "layers.h"

using namespace fastalloc_test;

namespace
{

using Origin = OperatorBlocks::Origin;

const void *at(uintptr_t address)
{
    return reinterpret_cast<const void *>(address);
}

void a_block_is_of_its_origin_until_it_is_taken(void **)
{
    OperatorBlocks blocks;
    assert_true(blocks.take(at(0x1000)) == Origin::other);
    blocks.add(at(0x1000), Origin::new_single);
    blocks.add(at(0x7fffffff0000), Origin::new_array);
    assert_true(blocks.take(at(0x1000)) == Origin::new_single);
    assert_true(blocks.take(at(0x1000)) == Origin::other);
    assert_true(blocks.take(at(0x7fffffff0000)) == Origin::new_array);
    assert_true(blocks.take(at(0x7fffffff0000)) == Origin::other);
}

void a_block_that_went_back_unseen_is_forgotten(void **)
{
    OperatorBlocks blocks;
    blocks.add(at(0x1000), Origin::new_single);
    blocks.add(at(0x1000), Origin::new_array);
    assert_true(blocks.take(at(0x1000)) == Origin::new_array);
    assert_true(blocks.take(at(0x1000)) == Origin::other);
}

void neighbours_do_not_know_of_each_other(void **)
{
    OperatorBlocks blocks;
    constexpr uintptr_t begin = (uintptr_t{5} << 26) - 64 * 16; // on both sides of a leaf's edge
    for (uintptr_t number = 0; number < 128; number++)
        if (number % 3 != 0)
            blocks.add(at(begin + number * 16), number % 3 == 1 ? Origin::new_single : Origin::new_array);
    for (uintptr_t number = 0; number < 128; number++)
    {
        const Origin expected = number % 3 == 0   ? Origin::other
                                : number % 3 == 1 ? Origin::new_single
                                                  : Origin::new_array;
        assert_true(blocks.take(at(begin + number * 16)) == expected);
    }
}

void no_block_begins_between_grains_or_beyond_all_addresses(void **)
{
    OperatorBlocks blocks;
    blocks.add(at(0x1000), Origin::new_single);
    assert_true(blocks.take(at(0x1008)) == Origin::other);
    assert_true(blocks.take(at(uintptr_t{1} << 48 | 0x1000)) == Origin::other);
    assert_true(blocks.take(at(~uintptr_t{15})) == Origin::other);
    assert_true(blocks.take(at(0x1000)) == Origin::new_single);
}

void threads_may_add_and_take_in_one_word(void **)
{
    OperatorBlocks blocks;
    std::vector<std::thread> threads;
    std::atomic<unsigned> wrong{0};
    for (uintptr_t number = 0; number < 4; number++)
        threads.emplace_back([&, number] {
            for (unsigned round = 0; round < 20000; round++)
            {
                blocks.add(at(0x2000 + number * 16), Origin::new_array);
                wrong += blocks.take(at(0x2000 + number * 16)) != Origin::new_array;
            }
        });
    for (std::thread &thread : threads)
        thread.join();
    assert_int_equal(wrong, 0);
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(a_block_is_of_its_origin_until_it_is_taken),
        cmocka_unit_test(a_block_that_went_back_unseen_is_forgotten),
        cmocka_unit_test(neighbours_do_not_know_of_each_other),
        cmocka_unit_test(no_block_begins_between_grains_or_beyond_all_addresses),
        cmocka_unit_test(threads_may_add_and_take_in_one_word),
    };
    return cmocka_run_group_tests_name("operator_blocks", tests, nullptr, nullptr);
}
