// SPDX-License-Identifier: MIT
//
// Claims about watch/survey.h: every byte of committed chunks is for one thing, on each place for itself.
#include "watch/survey.h"

#include "arena/purge.h"

#include "made_up_nodes.h"

using namespace fastalloc_test;

namespace
{

uint64_t sum_of(const Survey &survey)
{
    uint64_t bytes = survey.large_bytes + survey.free_in_spans_bytes + survey.tail_bytes + survey.free_slice_bytes +
                     survey.slack_bytes + survey.unbacked_bytes + survey.lost_bytes + survey.arena_bytes;
    for (unsigned index = 0; index < class_count; ++index)
        bytes += survey.classes[index].handed_out * class_bytes(static_cast<SizeClass>(index));
    return bytes;
}

// Of a place, or every_place.
Survey look(Node place)
{
    require(registry.lock_all());
    const Survey survey(place);
    uint64_t committed = 0;
    for_each_node_heap([&](const NodeHeap &heap) {
        if (place == every_place || heap.place() == place)
            committed += heap.figures().committed_bytes;
    });
    registry.unlock_all();
    require(sum_of(survey) == committed);
    return survey;
}

void each_kind_of_block_is_found(void **)
{
    assert_alone([] {
        const std::vector<void *> smalls = allocate_blocks(100, 1000);
        const std::vector<void *> mediums = allocate_blocks(3, 100 * kib);
        const std::vector<void *> larges = allocate_blocks(2, 3 * mebibyte);
        const Survey held = look(every_place);
        require(held.large_blocks == 2 && held.large_bytes == 6 * mebibyte);
        const Survey::Class &small = held.classes[class_of(1000)];
        require(small.handed_out >= 100 && small.spans == 2 &&
                small.handed_out + small.free == small.spans * shape_of(class_of(1000)).capacity);
        require(held.classes[class_of(100 * kib)].handed_out >= 3);
        require(held.arena_bytes == slice_bytes && held.arena_resident_bytes > 0 &&
                held.arena_resident_bytes < slice_bytes);
        require(held.tail_bytes >= small.spans * tail_of(class_of(1000)));
        for (const auto &blocks : {smalls, mediums, larges})
            release_blocks(blocks);
        thread_words.self->flush();
        const Survey after = look(every_place);
        require(after.large_blocks == 0 && after.classes[class_of(1000)].handed_out == 0 && after.pinned_bytes == 0);
    });
}

void chunks_that_gave_back_their_memory_are_unbacked(void **)
{
    assert_alone([] {
        const std::vector<void *> larges = allocate_blocks(4, 2 * mebibyte);
        for (void *block : larges)
            memset(block, 1, 2 * mebibyte);
        const Survey held = look(every_place);
        require(held.resident_bytes >= 8 * mebibyte);
        release_block(larges[0]);
        const Survey one_free = look(every_place);
        require(one_free.slack_bytes == held.slack_bytes + 2 * mebibyte);
        release_blocks({larges.begin() + 1, larges.end()});
        purge(0);
        const Survey purged = look(every_place);
        require(purged.slack_bytes == 0 && purged.unbacked_bytes >= held.unbacked_bytes + 8 * mebibyte);
        require(purged.resident_bytes <= mebibyte);
    });
}

void blocks_between_others_pin_their_pages(void **)
{
    assert_alone([] {
        const std::vector<void *> blocks = allocate_blocks(1000, 64);
        for (size_t number = 0; number < blocks.size(); number++)
            if (number % 8 != 0)
                release_block(blocks[number]);
        purge(0);
        const Survey survey = look(every_place);
        const Survey::Class &small = survey.classes[class_of(64)];
        require(small.handed_out == 125 && small.pinned_bytes == survey.pinned_bytes);
        require(survey.pinned_bytes >= 800 * 64 && survey.pinned_bytes <= survey.free_in_spans_bytes);
    });
}

void slices_lost_to_a_handler_are_named(void **)
{
    assert_alone([] {
        allocate_block(8);
        const NodeHeap::Run run = thread_words.self->heap().take(3);
        const Guard interrupted(thread_words.self->heap().lock);
        thread_words.self->heap().give(run.slice, 3);
        const Survey survey(every_place);
        require(survey.lost_bytes == 3 * slice_bytes);
    });
}

void each_place_is_surveyed_for_itself(void **)
{
    assert_alone([] {
        run_on(2);
        for (unsigned node = 0; node < 2; node++)
            in_thread([=] {
                my_node = node;
                allocate_blocks(50 * (node + 1), 1000);
                allocate_block(mebibyte);
            });
        const Survey all = look(every_place);
        const Survey first = look(0);
        const Survey second = look(1);
        require(first.classes[class_of(1000)].handed_out + second.classes[class_of(1000)].handed_out ==
                all.classes[class_of(1000)].handed_out);
        require(first.large_blocks == 1 && second.large_blocks == 1 && all.large_blocks == 2);
        require(first.arena_bytes == slice_bytes && second.arena_bytes == slice_bytes);
        require(sum_of(first) + sum_of(second) == sum_of(all));
    });
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_of_block_is_found),
        cmocka_unit_test(chunks_that_gave_back_their_memory_are_unbacked),
        cmocka_unit_test(blocks_between_others_pin_their_pages),
        cmocka_unit_test(slices_lost_to_a_handler_are_named),
        cmocka_unit_test(each_place_is_surveyed_for_itself),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
