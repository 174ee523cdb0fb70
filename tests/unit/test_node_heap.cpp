// SPDX-License-Identifier: MIT
//
// Claims about heap/node_heap.h and the chunks below it: runs of slices are packed, come back, and what is kept of the
// memory they leave is bounded. Each test has a process, so a window and a heap, of its own.
#include <algorithm>
#include <vector>

#include "layers.h"

using namespace fastalloc_test;

namespace
{

using Run = NodeHeap::Run;

NodeHeap &heap = node_heaps[0];

int make_heap(void **)
{
    node_heap(0);
    return 0;
}

struct Held
{
    SliceIndex slice;
    unsigned count;
};

SliceIndex take(unsigned slices, unsigned alignment = 1)
{
    const Run run = heap.take(slices, alignment);
    require(run.slice != no_slice && run.slice % alignment == 0);
    require_sound_chunks();
    return run.slice;
}

void give(SliceIndex slice, unsigned count)
{
    heap.give(slice, count);
    require_sound_chunks();
}

bool take_exactly(SliceIndex slice, unsigned count)
{
    const Guard guard(heap.lock);
    return heap.take_exactly(slice, count);
}

ChunkIndex chunk_of(SliceIndex slice)
{
    return slice / slices_per_chunk;
}

char *memory_of(SliceIndex slice)
{
    return reinterpret_cast<char *>(address_of_slice(slice));
}

bool is_zero(SliceIndex slice, unsigned count)
{
    const char *const memory = memory_of(slice);
    return memory[0] == 0 && memcmp(memory, memory + 1, count * slice_bytes - 1) == 0;
}

void write_each(SliceIndex slice, unsigned count)
{
    for (unsigned offset = 0; offset < count; offset++)
        memset(memory_of(slice + offset), 1, 64);
}

// ---- taking and giving ---------------------------------------------------------------------------------------------

// What a heap does, seen from outside: which slices are taken, and which of the free ones have been written.
struct Model
{
    std::vector<bool> taken = std::vector<bool>(4 * slices_per_region);
    std::vector<bool> written = std::vector<bool>(4 * slices_per_region);
    std::vector<Held> held{};
    Random random{1};

    void mark(SliceIndex slice, unsigned count)
    {
        require(node_heap_of(slice).place() == 0 &&
                slice / slices_per_region == (slice + count - 1) / slices_per_region);
        for (unsigned offset = 0; offset < count; offset++)
        {
            require(!taken[slice + offset]);
            taken[slice + offset] = true;
        }
    }

    void take_some()
    {
        const unsigned count = 1 + static_cast<unsigned>(random.below(random.below(4) == 0 ? 200 : 20));
        const unsigned alignment = 1u << random.below(6);
        const Run run = heap.take(count, alignment);
        require(run.slice != no_slice && run.slice % alignment == 0);
        mark(run.slice, count);
        bool fresh = true;
        for (unsigned offset = 0; offset < count; offset++)
        {
            fresh = fresh && !written[run.slice + offset];
            written[run.slice + offset] = true;
        }
        require(!run.zeroed || memory_of(run.slice)[0] == 0);
        require(run.zeroed || !fresh); // never said of memory that nobody had
        write_each(run.slice, count);
        held.push_back({run.slice, count});
    }

    // From the end of the run or all of it.
    void give_some(bool whole)
    {
        const size_t index = random.below(held.size());
        Held &run = held[index];
        const unsigned count = whole ? run.count : 1 + static_cast<unsigned>(random.below(run.count));
        const SliceIndex first = run.slice + run.count - count;
        for (unsigned offset = 0; offset < count; offset++)
            taken[first + offset] = false;
        heap.give(first, count);
        run.count -= count;
        if (run.count == 0)
        {
            run = held.back();
            held.pop_back();
        }
    }

    void grow_some()
    {
        Held &run = held[random.below(held.size())];
        const unsigned count = 1 + static_cast<unsigned>(random.below(40));
        const SliceIndex first = run.slice + run.count;
        bool free = first / slices_per_region == run.slice / slices_per_region;
        for (unsigned offset = 0; offset < count; offset++)
            free = free && !taken[first + offset];
        if (!take_exactly(first, count))
            return;
        require(free); // it may refuse what is not committed, but never take what is not free
        mark(first, count);
        for (unsigned offset = 0; offset < count; offset++)
            written[first + offset] = true;
        write_each(first, count);
        run.count += count;
    }
};

void random_runs_never_overlap_and_leave_a_sound_heap(void **)
{
    for (uint64_t seed = 1; seed <= 3; seed++)
        assert_alone([seed] {
            use_settings(seed == 2 ? "slack=0,slack_share=0%" : "");
            Model model;
            model.random.state = seed;
            for (unsigned round = 0; round < 1500; round++)
            {
                const size_t choice = model.random.below(10);
                if (model.held.empty() || choice < 4)
                    model.take_some();
                else if (choice < 6)
                    model.grow_some();
                else
                    model.give_some(choice < 9);
                require_sound_chunks();
                if (round % 500 == 499)
                    heap.return_free(0);
            }
            while (!model.held.empty())
                model.give_some(true);
            require_sound_chunks();
            require(figures_of(heap).open_bytes == 0);
        });
}

void the_fullest_chunk_with_room_serves_first(void **)
{
    assert_alone([] {
        const SliceIndex a = take(31);
        const SliceIndex b = take(31);
        const SliceIndex c = take(31);
        give(a + 11, 20); // 21 free in a row
        give(b + 22, 9);  // 10
        give(c + 27, 4);  // 5
        require(chunk_of(take(5)) == chunk_of(c));
        require(chunk_of(take(5)) == chunk_of(b));
        require(chunk_of(take(6)) == chunk_of(a));
        require(chunk_of(take(5)) == chunk_of(b));
        require(chunk_of(take(15)) == chunk_of(a));
        require(chunk_of(take(1)) == chunk_of(c) + 1);
    });
}

void an_emptied_chunk_is_free_again_and_taken_before_a_new_one(void **)
{
    assert_alone([] {
        const SliceIndex a = take(20);
        const SliceIndex b = take(20);
        const uint64_t committed = figures_of(heap).committed_bytes;
        require(figures_of(heap).open_bytes == 2 * chunk_bytes && figures_of(heap).slack_bytes == 0);
        give(a, 20);
        require(figures_of(heap).open_bytes == chunk_bytes && figures_of(heap).slack_bytes == chunk_bytes);
        require(chunk_of(take(32)) == chunk_of(a));
        require(figures_of(heap).committed_bytes == committed && figures_of(heap).slack_bytes == 0);
        give(b, 20);
    });
}

void what_a_long_run_leaves_of_its_last_chunk_is_packed(void **)
{
    assert_alone([] {
        const SliceIndex run = take(70); // two chunks and 6 slices
        require(run % slices_per_chunk == 0);
        require(take(26) == run + 70);
        require(chunk_of(take(1)) != chunk_of(run + 70));
    });
}

void a_run_grows_in_place_over_what_is_free(void **)
{
    assert_alone([] {
        const SliceIndex a = take(40);
        const SliceIndex behind = take(20); // of the chunk in which `a` ends
        require(behind == a + 40);
        require(!take_exactly(a + 40, 1));
        give(behind, 20);
        require(take_exactly(a + 40, 20));
        require_sound_chunks();
        give(a + 32, 28); // the second chunk is free as a whole
        require(take_exactly(a + 32, 28));
        require_sound_chunks();
        give(a, 60);
        require(figures_of(heap).open_bytes == 0);
    });
}

void a_run_does_not_grow_beyond_its_region_or_what_is_committed(void **)
{
    assert_alone([] {
        use_settings("huge=never"); // all from the low end
        require(!take_exactly(take(32) + 32, slices_per_region));
        const SliceIndex last = take(slices_per_region - 64);
        require(last == 64);
        const SliceIndex next = take(32);
        require(next == slices_per_region);
        give(next, 32);
        require(!take_exactly(slices_per_region, 1)); // a run of one region does not reach into the other
    });
}

// ---- what memory holds ---------------------------------------------------------------------------------------------

void slices_are_zero_until_written_and_after_they_were_given_back(void **)
{
    assert_alone([] {
        const Run fresh = heap.take(40);
        require(fresh.zeroed && is_zero(fresh.slice, 40));
        write_each(fresh.slice, 40);
        heap.give(fresh.slice, 40);
        const Run again = heap.take(40);
        require(again.slice == fresh.slice && !again.zeroed);
        heap.give(again.slice + 1, 39); // of the first chunk one slice stays
        require(heap.return_free(0) == (31 + slices_per_chunk) * slice_bytes);
        const Run last = heap.take(39);
        require(last.zeroed && is_zero(last.slice, 39));
        require_sound_chunks();
    });
}

void an_intact_span_is_told_once_and_only_if_untouched(void **)
{
    assert_alone([] {
        using Contents = NodeHeap::Contents;
        const SliceIndex slice = take(1);
        require(!heap.take(1).intact);
        heap.give(slice, 1, Contents::intact_span);
        require(heap.take(1).intact);
        heap.give(slice, 1, Contents::unknown);
        require(!heap.take(1).intact);
        heap.give(slice, 1, Contents::intact_span); // then part of a longer run
        const SliceIndex second = take(1);
        require(second == slice);
        heap.give(slice, 1, Contents::intact_span);
        heap.return_free(0);
        const Run run = heap.take(1);
        require(run.slice == slice && run.zeroed && !run.intact);
        require_sound_chunks();
    });
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(random_runs_never_overlap_and_leave_a_sound_heap),
        cmocka_unit_test(the_fullest_chunk_with_room_serves_first),
        cmocka_unit_test(an_emptied_chunk_is_free_again_and_taken_before_a_new_one),
        cmocka_unit_test(what_a_long_run_leaves_of_its_last_chunk_is_packed),
        cmocka_unit_test(a_run_grows_in_place_over_what_is_free),
        cmocka_unit_test(a_run_does_not_grow_beyond_its_region_or_what_is_committed),
        cmocka_unit_test(slices_are_zero_until_written_and_after_they_were_given_back),
        cmocka_unit_test(an_intact_span_is_told_once_and_only_if_untouched),
    };
    return cmocka_run_group_tests_name("node_heap", tests, make_heap, nullptr);
}
