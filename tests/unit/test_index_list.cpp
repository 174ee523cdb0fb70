// SPDX-License-Identifier: MIT
//
// Claims about base/index_list.h: whatever enters and leaves, in whatever order, the list read forwards is what it should
// be, the one that entered last in front, and read backwards the same.
#include "base/index_list.h"

#include <algorithm>
#include <vector>

#include "layers.h"

using namespace fastalloc_test;

namespace
{

constexpr uint32_t count = 6;

struct Record
{
    uint32_t next;
    uint32_t previous;
};

struct List
{
    Record records[count] = {};
    uint32_t first_plus_one = 0;

    void enter(uint32_t number)
    {
        enter_list(&first_plus_one, number, [this](uint32_t index) { return &records[index]; });
    }

    void leave(uint32_t number)
    {
        leave_list(&first_plus_one, number, [this](uint32_t index) { return &records[index]; });
    }
};

void assert_is(const List &list, const std::vector<uint32_t> &wanted)
{
    uint32_t before = no_index;
    uint32_t number = list.first_plus_one - 1;
    for (const uint32_t each : wanted)
    {
        assert_int_equal(number, each);
        assert_int_equal(list.records[number].previous, before);
        before = number;
        number = list.records[number].next;
    }
    assert_int_equal(number, no_index);
}

void zeroed_memory_is_an_empty_list(void **)
{
    assert_is(List{}, {});
}

void records_enter_and_leave_in_any_order(void **)
{
    List list;
    std::vector<uint32_t> wanted;
    Random random{1};
    for (unsigned step = 0; step < 10'000; step++)
    {
        const auto number = static_cast<uint32_t>(random.below(count));
        const auto place = std::find(wanted.begin(), wanted.end(), number);
        if (place == wanted.end())
        {
            list.enter(number);
            wanted.insert(wanted.begin(), number);
        }
        else
        {
            list.leave(number);
            wanted.erase(place);
        }
        assert_is(list, wanted);
    }
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(zeroed_memory_is_an_empty_list),
        cmocka_unit_test(records_enter_and_leave_in_any_order),
    };
    return cmocka_run_group_tests_name("index_list", tests, nullptr, nullptr);
}
