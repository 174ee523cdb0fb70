// SPDX-License-Identifier: MIT
//
// Claims about heap/chunk_space.h, through the node heap that has it: in what steps memory is committed, which pages it asks
// for, and how much of what is free stays resident. Each test has a process, so a window and a heap, of its own.
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
        require(heap.return_slack(3 * chunk_bytes) == 7 * chunk_bytes);
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
        cmocka_unit_test(slack_never_stays_above_its_bound),
        cmocka_unit_test(without_slack_everything_free_goes_back_at_once),
        cmocka_unit_test(memory_wanted_again_at_once_is_kept_the_next_time),
        cmocka_unit_test(what_was_kept_for_demand_goes_back_as_that_decays),
        cmocka_unit_test(huge_pages_are_asked_for_from_64_mib_on_and_only_if_wanted),
    };
    return cmocka_run_group_tests_name("chunk_space", tests, make_heap, nullptr);
}
