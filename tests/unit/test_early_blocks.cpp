// SPDX-License-Identifier: MIT
//
// Claims about watch/early_blocks.cpp.
#include "watch/early_blocks.h"

#include "layers.h"

using namespace fastalloc_test;

namespace
{

void before_they_are_noted_there_are_none(void **)
{
    assert_alone([] {
        require(!early_blocks.contains(allocate_block(8)));
        require(!early_blocks.contains(nullptr));
    });
}

void blocks_that_were_live_then_are_known_and_no_others(void **)
{
    assert_alone([] {
        std::vector<void *> early = allocate_blocks(1000, 24);
        early.push_back(allocate_block(100 * kibibyte));
        early.push_back(allocate_block(mebibyte));
        early.push_back(allocate_block(40 * mebibyte));
        const std::vector<void *> freed = allocate_blocks(3, 24);
        release_blocks(freed);
        early_blocks.note();
        const std::vector<void *> late = allocate_blocks(1000, 24);
        for (void *block : early)
            require(early_blocks.contains(block));
        for (void *block : late)
            require(!early_blocks.contains(block));
        require(!early_blocks.contains(static_cast<char *>(early[0]) + 8));
    });
}

void in_an_empty_heap_there_is_nothing_to_note(void **)
{
    assert_alone([] {
        early_blocks.note();
        require(!early_blocks.contains(allocate_block(8)));
    });
}

void without_memory_there_are_none(void **)
{
    assert_alone([] {
        void *const block = allocate_block(8);
        limit_growth(RLIMIT_AS, 0);
        early_blocks.note();
        require(!early_blocks.contains(block));
    });
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(before_they_are_noted_there_are_none),
        cmocka_unit_test(blocks_that_were_live_then_are_known_and_no_others),
        cmocka_unit_test(in_an_empty_heap_there_is_nothing_to_note),
        cmocka_unit_test(without_memory_there_are_none),
    };
    return cmocka_run_group_tests_name("early_blocks", tests, nullptr, nullptr);
}
