// SPDX-License-Identifier: MIT
//
// Claims about heap/link.h: what a free block's first word names, and to whom.
#include "heap/link.h"

#include "layers.h"

using namespace fastalloc_test;

namespace
{

constexpr uint64_t secret = 0x0123456789abcdef;

alignas(4096) char area[3 * 4096];

uint64_t word_at(const void *block)
{
    uint64_t word = 0;
    memcpy(&word, block, sizeof(word));
    return word;
}

void a_link_is_read_back_as_it_was_set(void **)
{
    Random random{1};
    for (unsigned round = 0; round < 1000; round++)
    {
        void *const block = area + random.below(sizeof(area) / 8) * 8;
        void *const next = reinterpret_cast<void *>(random.next());
        set_next(block, next, secret);
        assert_ptr_equal(next_of(block, secret), next);
    }
    set_next(area, nullptr, secret);
    assert_null(next_of(area, secret));
}

void what_is_stored_is_neither_the_link_nor_zero(void **)
{
    set_next(area, area + 64, secret);
    assert_true(word_at(area) != reinterpret_cast<uintptr_t>(area + 64));
    set_next(area, nullptr, secret);
    assert_true(word_at(area) != 0);
}

void the_same_link_differs_from_process_to_process(void **)
{
    set_next(area, area + 64, secret);
    set_next(area + 8, area + 64, secret * 3);
    assert_true(word_at(area) != word_at(area + 8));
}

void a_written_link_leads_elsewhere(void **)
{
    set_next(area, area + 64, secret);
    const auto chosen = reinterpret_cast<uintptr_t>(area + 128);
    memcpy(area, &chosen, sizeof(chosen));
    assert_ptr_not_equal(next_of(area, secret), area + 128);
    assert_ptr_not_equal(next_of(area, secret + 1), next_of(area, secret));
}

void the_windows_secret_is_used_where_none_is_given(void **)
{
    assert_alone([] {
        window.give_region(0);
        set_next(area, area + 64);
        require(next_of(area, window_bounds.link_secret) == area + 64 && next_of(area) == area + 64);
        require(next_of(area, secret) != area + 64);
    });
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(a_link_is_read_back_as_it_was_set),
        cmocka_unit_test(what_is_stored_is_neither_the_link_nor_zero),
        cmocka_unit_test(the_same_link_differs_from_process_to_process),
        cmocka_unit_test(a_written_link_leads_elsewhere),
        cmocka_unit_test(the_windows_secret_is_used_where_none_is_given),
    };
    return cmocka_run_group_tests_name("link", tests, nullptr, nullptr);
}
