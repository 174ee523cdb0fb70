// SPDX-License-Identifier: MIT
//
// Claims about heap/span_pages.h, held against a span of which each block is looked at.
#include "heap/span_pages.h"

#include "layers.h"

using namespace fastalloc_test;

namespace
{

SizeClass as_class(unsigned index)
{
    return static_cast<SizeClass>(index);
}

void come_back(SpanPages *pages, SizeClass size_class, uint32_t number)
{
    pages->count(size_class, number * static_cast<uint32_t>(class_bytes(size_class)));
}

bool touches(SizeClass size_class, uint32_t number, unsigned page)
{
    const size_t bytes = class_bytes(size_class);
    return number * bytes < (page + 1) * small_page_bytes && (number + 1) * bytes > page * small_page_bytes;
}

// A span whose blocks are fresh, in use, or free again, one by one.
struct SlowSpan
{
    enum State
    {
        fresh,
        in_use,
        free,
    };

    explicit SlowSpan(SizeClass its_class) : size_class(its_class), states(shape_of(its_class).capacity, fresh)
    {
    }

    bool all_are(State state, unsigned page) const
    {
        bool any = false;
        for (uint32_t number = 0; number < states.size(); number++)
            if (touches(size_class, number, page))
            {
                any = true;
                if (states[number] != state)
                    return false;
            }
        return any;
    }

    PageMask idle(bool was_resident) const
    {
        unsigned mask = 0;
        for (unsigned page = 0; page < pages_per_slice; page++)
            if (all_are(free, page) || (was_resident && all_are(fresh, page)))
                mask |= 1u << page;
        return static_cast<PageMask>(mask);
    }

    SizeClass size_class;
    std::vector<State> states;
};

void blocks_on_a_page_are_those_that_touch_it(void **)
{
    for (unsigned index = 0; index < small_class_count; index++)
        for (unsigned page = 0; page < pages_per_slice; page++)
        {
            uint32_t count = 0;
            for (uint32_t number = 0; number < shape_of(as_class(index)).capacity; number++)
                count += touches(as_class(index), number, page);
            assert_int_equal(blocks_on_page(as_class(index), page), count);
        }
}

void touched_pages_are_those_of_the_first_to_the_last_byte(void **)
{
    for (uint32_t begin = 0; begin < slice_bytes; begin += 997)
        for (uint32_t end = begin + 1; end <= slice_bytes; end += 1009)
        {
            unsigned mask = 0;
            for (unsigned page = 0; page < pages_per_slice; page++)
                if (begin < (page + 1) * small_page_bytes && end > page * small_page_bytes)
                    mask |= 1u << page;
            assert_int_equal(pages_touched(begin, end), mask);
        }
}

// Blocks come and go at random, first along the cursor and then in any order.
void idle_pages_are_those_no_block_in_use_touches(void **)
{
    Random random{11};
    for (unsigned index = 0; index < small_class_count; index++)
        for (const bool resident : {false, true})
        {
            const SizeClass size_class = as_class(index);
            const auto bytes = static_cast<uint32_t>(class_bytes(size_class));
            SlowSpan slow(size_class);
            SpanPages pages{};
            pages.begin(size_class, resident);
            uint32_t cursor = 0;
            for (unsigned step = 0; step < 600; step++)
            {
                const auto number = static_cast<uint32_t>(random.below(slow.states.size()));
                SlowSpan::State &state = slow.states[number];
                if (cursor < slow.states.size() && random.below(3) == 0)
                {
                    const auto count = static_cast<uint32_t>(1 + random.below(slow.states.size() - cursor));
                    pages.hand_out_fresh(cursor * bytes, (cursor + count) * bytes);
                    for (uint32_t end = cursor + count; cursor < end; cursor++)
                        slow.states[cursor] = SlowSpan::in_use;
                }
                else if (state == SlowSpan::in_use)
                {
                    come_back(&pages, size_class, number);
                    state = SlowSpan::free;
                }
                else if (state == SlowSpan::free && random.below(4) == 0)
                {
                    pages.hand_out(size_class, number * bytes);
                    state = SlowSpan::in_use;
                }
                else if (random.below(50) == 0)
                {
                    pages.hand_out_all();
                    for (SlowSpan::State &each : slow.states)
                        each = each == SlowSpan::free ? SlowSpan::in_use : each;
                }
                if (pages.idle() != slow.idle(resident))
                    fail_msg("class %u, step %u: %x, not %x", index, step, pages.idle(), slow.idle(resident));
            }
        }
}

// Every set of pages that can be idle: blocks are in use that touch a page outside the set.
void every_pattern_of_idle_pages_can_go_and_come_again(void **)
{
    for (const size_t size : {256u, 640u, 1152u, 4096u, 5120u, 12288u})
    {
        const SizeClass size_class = class_of(size);
        const auto bytes = static_cast<uint32_t>(class_bytes(size_class));
        const uint32_t capacity = shape_of(size_class).capacity;
        for (uint32_t pattern = 0; pattern < 1u << pages_per_slice; pattern++)
        {
            SpanPages pages{};
            uint32_t free = 0;
            for (uint32_t number = 0; number < capacity; number++)
                if ((pages_touched(number * bytes, (number + 1) * bytes) & ~pattern) == 0)
                {
                    come_back(&pages, size_class, number);
                    free++;
                }
            const PageMask idle = pages.idle();
            assert_int_equal(idle & ~pattern, 0);
            assert_int_equal(pages.discard(idle), idle); // all blocks on them had come back
            assert_int_equal(pages.idle(), 0);
            uint32_t unlisted = 0;
            for (uint32_t number = 0; number < capacity; number++)
                unlisted += pages.is_discarded(number * bytes, (number + 1) * bytes);
            assert_int_equal(pages.unlisted(size_class), unlisted);
            assert_true(unlisted <= free);
            for (uint32_t rest = idle; rest != 0; rest &= rest - 1)
                pages.restore(static_cast<unsigned>(lowest_bit(rest)));
            assert_int_equal(pages.idle(), idle);
            assert_int_equal(pages.discarded(), 0);
        }
    }
}

void fresh_pages_that_go_stay_fresh(void **)
{
    SpanPages pages{};
    const SizeClass size_class = class_of(kibibyte);
    pages.begin(size_class, true);
    pages.hand_out_fresh(0, 4 * kibibyte);
    assert_int_equal(pages.idle(), 0xfffe);
    assert_int_equal(pages.discard(0xfffe), 0);
    assert_int_equal(pages.idle(), 0);
    assert_int_equal(pages.discarded(), 0);
}

void a_span_that_begins_anew_knows_nothing_of_before(void **)
{
    const SizeClass before = class_of(96);
    SpanPages pages{};
    for (uint32_t number = 0; number < shape_of(before).capacity; number++)
        come_back(&pages, before, number);
    pages.discard(pages.idle() & 0xff);
    pages.begin(class_of(2048), false);
    assert_int_equal(pages.idle(), 0);
    assert_int_equal(pages.discarded(), 0);
    for (unsigned page = 0; page < pages_per_slice; page++)
        assert_int_equal(pages.free_blocks(page), 0);
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(blocks_on_a_page_are_those_that_touch_it),
        cmocka_unit_test(touched_pages_are_those_of_the_first_to_the_last_byte),
        cmocka_unit_test(idle_pages_are_those_no_block_in_use_touches),
        cmocka_unit_test(every_pattern_of_idle_pages_can_go_and_come_again),
        cmocka_unit_test(fresh_pages_that_go_stay_fresh),
        cmocka_unit_test(a_span_that_begins_anew_knows_nothing_of_before),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
