// SPDX-License-Identifier: MIT
//
// Claims about heap/chunk_space.h, through the node heap that has it: in what steps memory is committed, which pages it asks
// for, and how much of what is free stays resident. Each test has a process, so a window and a heap, of its own.
#include "heap/limits.h"

#include <algorithm>
#include <vector>

#include "layers.h"

using namespace fastalloc_test;

namespace
{

constexpr uint64_t mib = mebibyte;

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
    const NodeHeap::Run run = heap.take(slices, alignment);
    require(run.slice != no_slice && run.slice % alignment == 0);
    require_sound_chunks();
    return run.slice;
}

void give(SliceIndex slice, unsigned count)
{
    heap.give(slice, count);
    require_sound_chunks();
}

ChunkIndex chunk_of(SliceIndex slice)
{
    return slice / slices_per_chunk;
}

void commits_double_from_one_chunk_to_32(void **)
{
    assert_alone([] {
        std::vector<uint64_t> sizes;
        for (unsigned chunk = 0; chunk < 150; chunk++)
        {
            take(slices_per_chunk);
            const uint64_t chunks = figures_of(heap).committed_bytes / chunk_bytes;
            if (sizes.empty() || sizes.back() != chunks)
                sizes.push_back(chunks);
        }
        const uint64_t small[] = {1, 2, 4, 8, 16, 32, 64, 96, 128, 160};
        require(std::equal(sizes.begin(), sizes.end(), small, small + 10));
    });
}

void a_commit_the_kernel_refuses_is_halved_down_to_one_chunk(void **)
{
    assert_alone([] {
        for (unsigned chunk = 0; chunk < 64; chunk++)
            take(slices_per_chunk);
        const uint64_t spare = (figures_of(heap).committed_bytes - figures_of(heap).open_bytes) / chunk_bytes;
        limit_growth(RLIMIT_DATA, 45 * chunk_bytes);
        uint64_t more = 0;
        while (heap.take(slices_per_chunk).slice != no_slice)
            more++;
        require(more >= spare + 44 && more <= spare + 45);
        require_sound_chunks();
        require(heap.take(1).slice == no_slice);
        give(slices_per_chunk, slices_per_chunk); // the first chunk that was taken
        require(take(1) == slices_per_chunk);
    });
}

void a_commit_the_kernel_refuses_takes_no_other_region(void **)
{
    assert_alone([] {
        take(1);
        const unsigned regions = window.regions();
        limit_growth(RLIMIT_DATA, 16 * mib);
        for (unsigned attempt = 0; attempt < 4; attempt++)
            require(heap.take(16 * slices_per_chunk).slice == no_slice);
        require(window.regions() == regions);
    });
}

void slack_never_stays_above_its_bound(void **)
{
    assert_alone([] {
        use_settings("slack=4M,slack_share=12.5%");
        Random random{5};
        std::vector<Held> held;
        for (unsigned round = 0; round < 3000; round++)
        {
            if (held.empty() || random.below(100) < (round / 300 % 2 == 0 ? 60u : 40u))
            {
                const unsigned count = 1 + static_cast<unsigned>(random.below(300));
                held.push_back({heap.take(count).slice, count});
                heap.handed_out += count * slice_bytes; // what a block of this size is counted as
            }
            else
            {
                std::swap(held.back(), held[random.below(held.size())]);
                heap.handed_out -= held.back().count * slice_bytes;
                heap.give(held.back().slice, held.back().count);
                held.pop_back();
                const NodeHeap::Figures now = figures_of(heap);
                const uint64_t share = heap.live_bytes() / 1000 * 125;
                require(now.slack_bytes <= std::max(4 * mib, share) + now.demand_bytes);
            }
        }
        require_sound_chunks();
        require(figures_of(heap).returned_bytes > 0);
    });
}

void without_slack_everything_free_goes_back_at_once(void **)
{
    assert_alone([] {
        use_settings("slack=0,slack_share=0%");
        const SliceIndex run = take(100);
        memset(reinterpret_cast<void *>(address_of_slice(run)), 1, 100 * slice_bytes);
        give(run, 100);
        require(figures_of(heap).slack_bytes == 0 && figures_of(heap).returned_bytes == 4 * chunk_bytes);
        require(heap.take(100).zeroed);
    });
}

void memory_wanted_again_at_once_is_kept_the_next_time(void **)
{
    assert_alone([] {
        use_settings("slack=0,slack_share=0%,demand_half_life=3600s");
        for (unsigned wave = 0; wave < 3; wave++)
        {
            const SliceIndex run = take(320);
            heap.handed_out += 320 * slice_bytes;
            require(figures_of(heap).demand_bytes == (wave == 0 ? 0 : 10 * chunk_bytes));
            heap.handed_out -= 320 * slice_bytes;
            give(run, 320);
            require(figures_of(heap).returned_bytes == 10 * chunk_bytes); // by the first wave only
        }
        require(figures_of(heap).slack_bytes == 10 * chunk_bytes);
        require(heap.return_free(3 * chunk_bytes) == 7 * chunk_bytes);
        require(figures_of(heap).slack_bytes == 3 * chunk_bytes);
    });
}

// Called by slow paths now and then; no free is needed.
void what_was_kept_for_demand_goes_back_as_that_decays(void **)
{
    assert_alone([] {
        use_settings("slack=0,slack_share=0%,demand_half_life=10ms");
        uint64_t kept = 0;
        for (unsigned wave = 0; wave < 20 && kept == 0; wave++) // one that is not interrupted for long
        {
            const SliceIndex run = take(320);
            give(run, 320);
            kept = figures_of(heap).slack_bytes;
        }
        require(kept > 0);
        for (unsigned look = 0; look < 200 && figures_of(heap).slack_bytes != 0; look++)
        {
            usleep(10'000);
            heap.tick();
        }
        require(figures_of(heap).slack_bytes == 0);
        require_sound_chunks();
    });
}

// One chunk of those that ask for huge pages: half of it goes back, then the rest.
void a_chunk_that_goes_back_in_part_uses_small_pages_until_it_goes_as_a_whole(void **)
{
    assert_alone([] {
        use_settings("slack=0,slack_share=0%");
        SliceIndex last = 0;
        for (unsigned chunk = 0; chunk < 40; chunk++)
        {
            last = take(slices_per_chunk);
            memset(reinterpret_cast<void *>(address_of_slice(last)), 1, chunk_bytes);
        }
        const uint64_t huge = figures_of(heap).huge_chunks;
        require(huge > 0 && chunk_at(chunk_of(last))->pages == PageKind::huge);
        give(last + 4, 16);
        require(chunk_at(chunk_of(last))->pages == PageKind::small);
        NodeHeap::Figures now = figures_of(heap);
        require(now.idle_bytes == 0 && now.returned_bytes == 16 * slice_bytes);
        require(now.broken_chunks == 1 && now.huge_chunks == huge - 1 && now.charged_bytes == 16 * slice_bytes);
        heap.split_broken();
        require(figures_of(heap).charged_bytes == 0 && figures_of(heap).broken_chunks == 1);
        require(*reinterpret_cast<char *>(address_of_slice(last)) == 1);
        give(last, 4);
        give(last + 20, 12);
        now = figures_of(heap);
        require(now.slack_bytes == 0 && now.broken_chunks == 0 && now.charged_bytes == 0);
        require(chunk_at(chunk_of(last))->pages == PageKind::huge);
        take(slices_per_chunk); // the chunk opened last was not full, so of small pages
        require(take(slices_per_chunk) == last && figures_of(heap).huge_chunks == huge);
        require_sound_chunks();
    });
}

void near_a_limit_the_system_has_at_once_what_goes_back_in_part(void **)
{
    assert_alone([] {
        use_settings("slack=0,slack_share=0%");
        SliceIndex last = 0;
        for (unsigned chunk = 0; chunk < 40; chunk++)
            last = take(slices_per_chunk);
        require(chunk_at(chunk_of(last))->pages == PageKind::huge);
        give(last + 4, 8);
        require(figures_of(heap).charged_bytes == 8 * slice_bytes);
        limits.set_group_limit(limits.held() + chunk_bytes);
        give(last + 16, 8);
        require(figures_of(heap).charged_bytes == 0 && figures_of(heap).broken_chunks == 1);
        require_sound_chunks();
    });
}

// Of 20 chunks of small pages all but the first are filled.
void full_chunks_that_are_filled_become_huge_at_the_second_look(void **)
{
    assert_alone([] {
        use_settings("slack=0,slack_share=0%,demand_half_life=200ms");
        SliceIndex chunks[20];
        for (SliceIndex &chunk : chunks)
        {
            chunk = take(slices_per_chunk);
            memset(reinterpret_cast<void *>(address_of_slice(chunk)), 1, chunk_bytes);
            for (unsigned slice = &chunk == chunks; slice < slices_per_chunk; slice++)
                NodeHeap::slice_is_filled(chunk + slice);
        }
        const auto look_at_all = [] {
            while (heap.promote())
                continue;
            usleep(220'000); // the clock's steps are of up to 10 ms
        };
        look_at_all();
        require(figures_of(heap).promoted_chunks == 0);
        give(chunks[1], 4); // not full any more, and what was seen of it is forgotten
        require(take(4) == chunks[1]);
        for (unsigned slice = 0; slice < 4; slice++)
            NodeHeap::slice_is_filled(chunks[1] + slice);
        look_at_all();
        if (pages::huge_pages_are_forbidden())
        {
            require(figures_of(heap).promoted_chunks == 0);
            return;
        }
        require(figures_of(heap).promoted_chunks == 18 && figures_of(heap).huge_chunks == 18);
        require(chunk_at(chunk_of(chunks[0]))->pages == PageKind::small);
        require(chunk_at(chunk_of(chunks[1]))->pages == PageKind::small);
        require_sound_chunks();
        look_at_all();
        require(figures_of(heap).promoted_chunks == 19);

        give(chunks[5] + 8, 8); // in part: broken; filled again and looked at twice: huge
        require(chunk_at(chunk_of(chunks[5]))->broken && figures_of(heap).huge_chunks == 18);
        require_sound_chunks();
        require(take(8) == chunks[5] + 8);
        look_at_all();
        look_at_all();
        require(chunk_at(chunk_of(chunks[5]))->broken); // what went back has not been filled
        for (unsigned slice = 8; slice < 16; slice++)
            NodeHeap::slice_is_filled(chunks[5] + slice);
        look_at_all();
        look_at_all();
        require(!chunk_at(chunk_of(chunks[5]))->broken && figures_of(heap).huge_chunks == 19);
        require(figures_of(heap).broken_chunks == 0 && figures_of(heap).charged_bytes == 0);

        give(chunks[6], slices_per_chunk); // as a whole: of small pages again
        require(chunk_at(chunk_of(chunks[6]))->pages == PageKind::small && figures_of(heap).huge_chunks == 18);
        require_sound_chunks();
    });
}

void idle_slices_go_back_longest_idle_first(void **)
{
    assert_alone([] {
        use_settings("slack=1G");
        SliceIndex runs[3];
        for (SliceIndex &run : runs)
            run = take(slices_per_chunk);
        for (const SliceIndex run : {runs[1], runs[0], runs[2]})
            give(run, 8);
        require(heap.return_free(16 * slice_bytes) == 8 * slice_bytes);
        require((chunk_at(chunk_of(runs[1]))->written & 0xff) == 0);
        require((chunk_at(chunk_of(runs[0]))->written & 0xff) == 0xff);
        require(heap.return_free(0) == 16 * slice_bytes && figures_of(heap).idle_bytes == 0);
        require_sound_chunks();
    });
}

void huge_pages_are_asked_for_from_64_mib_on_and_only_if_wanted(void **)
{
    for (const char *setting : {"huge=auto", "huge=never"})
        assert_alone([setting] {
            use_settings(setting);
            std::vector<SliceIndex> chunks;
            for (unsigned chunk = 0; chunk < 40; chunk++)
                chunks.push_back(take(slices_per_chunk));
            const bool wanted = options().huge == Huge::automatic;
            require(figures_of(heap).huge_chunks == (wanted ? 40u - 31 : 0));
            // Huge ones come from the other end of the region.
            require((chunk_of(chunks.back()) > chunks_per_region / 2) == wanted);
            for (const SliceIndex chunk : chunks)
                give(chunk, slices_per_chunk);
            require(figures_of(heap).huge_chunks == 0);
        });
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(commits_double_from_one_chunk_to_32),
        cmocka_unit_test(a_commit_the_kernel_refuses_is_halved_down_to_one_chunk),
        cmocka_unit_test(a_commit_the_kernel_refuses_takes_no_other_region),
        cmocka_unit_test(slack_never_stays_above_its_bound),
        cmocka_unit_test(without_slack_everything_free_goes_back_at_once),
        cmocka_unit_test(memory_wanted_again_at_once_is_kept_the_next_time),
        cmocka_unit_test(what_was_kept_for_demand_goes_back_as_that_decays),
        cmocka_unit_test(a_chunk_that_goes_back_in_part_uses_small_pages_until_it_goes_as_a_whole),
        cmocka_unit_test(near_a_limit_the_system_has_at_once_what_goes_back_in_part),
        cmocka_unit_test(full_chunks_that_are_filled_become_huge_at_the_second_look),
        cmocka_unit_test(idle_slices_go_back_longest_idle_first),
        cmocka_unit_test(huge_pages_are_asked_for_from_64_mib_on_and_only_if_wanted),
    };
    return cmocka_run_group_tests_name("chunk_space", tests, make_heap, nullptr);
}
