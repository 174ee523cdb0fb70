// SPDX-License-Identifier: MIT
//
// Claims about arena/idle.cpp: pages of spans in use that no block in use touches go back, nothing else does, and what
// was on them is handed out again.
#include <algorithm>
#include <random>
#include <set>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "layers.h"

using namespace fastalloc_test;

namespace
{

size_t usable(const void *block)
{
    return class_bytes(record_of(block)->size_class);
}

bool is_resident(uintptr_t page)
{
    return pages::resident_pages(page, small_page_bytes) == 1;
}

void discard_all()
{
    thread_words.self->flush();
    const ArenaGuard guard(thread_words.self);
    thread_words.self->discard_idle(0);
}

// A whole span of a class, each block written whole.
std::vector<void *> whole_span(size_t size)
{
    const size_t bytes = class_bytes(class_of(size));
    std::vector<void *> blocks = allocate_blocks(1, size);
    const Span *const span = head_of(record_of(blocks[0]));
    while (blocks.size() < span->capacity)
        blocks.push_back(allocate_block(size));
    for (void *block : blocks)
    {
        require(head_of(record_of(block)) == span);
        memset(block, 0x5a, bytes);
    }
    return blocks;
}

// The pages of a span that no block of `used` touches are gone; all of those that one touches are there.
void require_gone_but(const std::vector<void *> &used, uintptr_t begin, size_t slices, bool gone)
{
    std::set<uintptr_t> touched;
    for (void *block : used)
    {
        const auto address = reinterpret_cast<uintptr_t>(block);
        for (uintptr_t page = round_down(address, small_page_bytes); page < address + usable(block);
             page += small_page_bytes)
            touched.insert(page);
    }
    const size_t blocks_end = head_of(span_of(begin))->capacity * class_bytes(head_of(span_of(begin))->size_class);
    for (uintptr_t page = begin; page < begin + slices * slice_bytes; page += small_page_bytes)
    {
        if (touched.contains(page))
            require(is_resident(page));
        else if (gone && page + small_page_bytes <= begin + blocks_end)
            require(!is_resident(page));
    }
}

// Of a span of each class some blocks stay, the others are freed and their pages given back; then the span is filled
// again.
void pages_without_a_block_go_and_blocks_come_again(void **)
{
    assert_alone([] {
        use_settings("slack=1G,huge=never");
        Random random{3};
        for (unsigned index = 0; index < class_count; index++)
            for (const unsigned stays_of : {2u, 20u, 300u})
            {
                const size_t size = class_bytes(static_cast<SizeClass>(index));
                std::vector<void *> blocks = whole_span(size);
                const Span *const span = head_of(record_of(blocks[0]));
                const uintptr_t begin = address_of(span);
                std::vector<void *> stay;
                std::vector<void *> go;
                for (void *block : blocks)
                    (stay.empty() || random.below(stays_of) == 0 ? stay : go).push_back(block);
                std::shuffle(go.begin(), go.end(), std::minstd_rand(index));
                release_blocks(go);
                discard_all();
                require_whole_heap();
                require_gone_but(stay, begin, span->slices, true);
                for (void *block : stay)
                    require(is_stamped(block, size, 0x5a5a5a5a5a5a5a5a));
                std::set<void *> again(stay.begin(), stay.end());
                while (again.size() < blocks.size())
                {
                    void *const block = allocate_block(size);
                    if (head_of(record_of(block)) != span) // one it had before
                        continue;
                    require(again.insert(block).second);
                    memset(block, 0x5a, size);
                }
                require_whole_heap();
                for (void *block : again)
                    release_block(block);
                discard_all();
            }
        require_whole_heap();
    });
}

// Of 16 blocks of a page each every subset stays.
void every_pattern_of_pages_of_a_span(void **)
{
    assert_alone([] {
        use_settings("slack=1G,huge=never");
        std::vector<void *> blocks = whole_span(4 * kibibyte);
        const Span *const span = record_of(blocks[0]);
        std::sort(blocks.begin(), blocks.end());
        for (uint32_t pattern = 1; pattern < 1u << pages_per_slice; pattern++)
        {
            for (unsigned page = 0; page < pages_per_slice; page++)
                if (!(pattern >> page & 1))
                    release_block(blocks[page]);
            discard_all();
            for (unsigned page = 0; page < pages_per_slice; page++)
                require(is_resident(reinterpret_cast<uintptr_t>(blocks[page])) == (pattern >> page & 1));
            require(span_pages_at(slice_of(span))->discarded() == static_cast<PageMask>(~pattern));
            if (pattern % 4096 == 1)
                require_whole_heap();
            std::vector<void *> now;
            for (unsigned page = 0; page < pages_per_slice; page++)
                if (pattern >> page & 1)
                    now.push_back(blocks[page]);
            while (now.size() < blocks.size())
            {
                now.push_back(allocate_block(4 * kibibyte));
                memset(now.back(), 1, 4 * kibibyte);
            }
            std::sort(now.begin(), now.end());
            require(now == blocks);
        }
    });
}

// What is idle never stays above the bound by more than a MiB, whatever the program does.
void idle_memory_stays_below_its_bound(void **)
{
    assert_alone([] {
        Random random{8};
        std::vector<void *> blocks;
        uint64_t most = 0;
        for (unsigned round = 0; round < 60; round++)
        {
            const size_t target = random.below(60'000);
            const unsigned max_shift = 6 + static_cast<unsigned>(random.below(12));
            while (blocks.size() != target)
            {
                if (blocks.size() < target)
                {
                    const size_t size = random.size(max_shift);
                    blocks.push_back(allocate_block(size));
                    stamp(blocks.back(), size, 1);
                }
                else
                {
                    std::swap(blocks.back(), blocks[random.below(blocks.size())]);
                    release_block(blocks.back());
                    blocks.pop_back();
                }
                const uint64_t idle = node_heap(0).idle_bytes();
                const uint64_t bound = node_heap(0).bound();
                require(idle <= bound + mebibyte);
                most = std::max(most, idle);
            }
            require_whole_heap();
        }
        require(most > 4 * mebibyte && figures_of(node_heap(0)).returned_bytes > 16 * mebibyte);
    });
}

// The same of what other threads free.
void a_sleeping_threads_idle_pages_go_back_as_others_free(void **)
{
    assert_alone([] {
        use_settings("huge=never");
        std::vector<void *> blocks;
        std::latch allocated(1), freed(1);
        std::thread owner([&] {
            blocks = allocate_blocks(100'000, 500);
            for (void *block : blocks)
                memset(block, 1, 500);
            allocated.count_down();
            freed.wait();
        });
        allocated.wait();
        for (size_t number = 0; number < blocks.size(); number++)
            if (number % 50 != 0)
                release_block(blocks[number]);
        require(node_heap(0).idle_bytes() <= node_heap(0).bound() + mebibyte);
        require(figures_of(node_heap(0)).returned_bytes > 20 * mebibyte);
        require_whole_heap();
        for (size_t number = 0; number < blocks.size(); number += 50)
            require(is_stamped(blocks[number], 500, 0x0101010101010101));
        freed.count_down();
        owner.join();
    });
}

// Pages that are wanted again at once raise what may stay.
void pages_wanted_again_are_kept_the_next_time(void **)
{
    assert_alone([] {
        use_settings("slack=0,slack_share=0%,huge=never,demand_half_life=3600s");
        std::vector<void *> blocks = allocate_blocks(40'000, 500);
        uint64_t returned[4];
        for (uint64_t &each : returned)
        {
            const uint64_t before = figures_of(node_heap(0)).returned_bytes;
            for (size_t number = 0; number < blocks.size(); number++)
                if (number % 64 != 0)
                    release_block(blocks[number]);
            each = figures_of(node_heap(0)).returned_bytes - before;
            for (size_t number = 0; number < blocks.size(); number++)
                if (number % 64 != 0)
                    blocks[number] = allocate_block(500);
        }
        require(returned[0] > 8 * mebibyte && returned[3] < returned[0] / 4);
        require(figures_of(node_heap(0)).demand_bytes > 8 * mebibyte);
        require_whole_heap();
    });
}

// Pages that cannot be given back stay as they are, and nobody takes them for zero.
void locked_memory_stays(void **)
{
    assert_alone([] {
        use_settings("huge=never");
        rlimit lockable{};
        require(getrlimit(RLIMIT_MEMLOCK, &lockable) == 0);
        for (const size_t size : {size_t{500}, 40 * kibibyte})
        {
            // So many that their slices may be locked, as a rule 8 MiB by who is not root.
            const size_t count = lockable.rlim_cur / 2 / size < 200 ? lockable.rlim_cur / 2 / size : 200;
            std::vector<void *> blocks = allocate_blocks(count, size);
            for (void *block : blocks)
            {
                memset(block, 7, size);
                const uintptr_t first = round_down(reinterpret_cast<uintptr_t>(block), slice_bytes);
                require(syscall(SYS_mlock, first, 2 * slice_bytes) == 0); // sanitizers replace mlock
            }
            for (size_t number = 0; number < blocks.size(); number++)
                if (number % 100 != 0)
                    release_block(blocks[number]);
            discard_all();
            require(is_resident(round_down(reinterpret_cast<uintptr_t>(blocks[50]), small_page_bytes)));
            require_whole_heap();
            for (unsigned number = 0; number < 400; number++)
            {
                const Allocation again = allocate(size, default_alignment, Call::malloc);
                require(!again.zeroed || is_stamped(again.block, size, 0));
                memset(again.block, 1, size);
            }
            require_whole_heap();
        }
    });
}

// Of a run of pages the kernel gives back those in front of a locked one before it refuses.
void a_run_that_goes_back_in_part_is_not_taken_for_whole(void **)
{
    assert_alone([] {
        use_settings("huge=never");
        std::vector<void *> blocks = allocate_blocks(80'000, 500);
        for (uintptr_t slice = round_down(reinterpret_cast<uintptr_t>(blocks[0]), slice_bytes);
             slice < reinterpret_cast<uintptr_t>(blocks[79'000]); slice += 8 * slice_bytes)
            require(syscall(SYS_mlock, slice + 8 * small_page_bytes, small_page_bytes) == 0);
        release_blocks(blocks);
        discard_all();
        require_whole_heap();
        for (unsigned number = 0; number < 80'000; number++)
            memset(allocate_block(500), 1, 500);
        require_whole_heap();
    });
}

// A block freed again, after another one of its span, makes the span's list a circle.
void a_circle_in_a_spans_list_ends_the_process(void **)
{
    assert_dies("1024-byte blocks were freed into the span", [] {
        use_settings("slack=1G,huge=never");
        const std::vector<void *> blocks = whole_span(kibibyte);
        const auto release_and_flush = [](void *block) {
            release_block(block);
            thread_words.self->flush();
        };
        for (size_t number = 0; number < 40; number++)
            release_and_flush(blocks[number]);
        release_and_flush(blocks[41]);
        release_and_flush(blocks[42]);
        release_and_flush(blocks[41]);
        discard_all();
    });
}

// A chunk that waits with huge pages serves larger blocks as others do, while these are not known to be filled.
void larger_blocks_share_a_chunk_that_had_huge_pages(void **)
{
    assert_alone([] {
        use_settings("slack=1G");
        std::vector<void *> blocks = allocate_blocks(200 * mebibyte / 4000, 4000);
        while (blocks.size() > 100 * mebibyte / 4000)
        {
            release_block(blocks.back());
            blocks.pop_back();
        }
        thread_words.self->flush();
        const NodeHeap::Figures before = figures_of(node_heap(0));
        require(before.slack_bytes > 64 * mebibyte);
        allocate_blocks(1000, 8 * kibibyte);
        require(figures_of(node_heap(0)).open_bytes <= before.open_bytes + 10 * mebibyte);
        require_whole_heap();
    });
}

void a_child_of_fork_goes_on_with_discarded_pages(void **)
{
    assert_alone([] {
        hook_fork();
        std::vector<void *> blocks = allocate_blocks(5000, 500);
        for (size_t number = 0; number < blocks.size(); number++)
            if (number % 30 != 0)
                release_block(blocks[number]);
        discard_all();
        const auto use_again = [&] {
            for (unsigned number = 0; number < 5000; number++)
                memset(allocate_block(500), 2, 500);
            require_whole_heap();
        };
        require(status_of_child(use_again) == 0);
        use_again();
    });
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(pages_without_a_block_go_and_blocks_come_again),
        cmocka_unit_test(every_pattern_of_pages_of_a_span),
        cmocka_unit_test(idle_memory_stays_below_its_bound),
        cmocka_unit_test(a_sleeping_threads_idle_pages_go_back_as_others_free),
        cmocka_unit_test(pages_wanted_again_are_kept_the_next_time),
        cmocka_unit_test(locked_memory_stays),
        cmocka_unit_test(a_run_that_goes_back_in_part_is_not_taken_for_whole),
        cmocka_unit_test(a_circle_in_a_spans_list_ends_the_process),
        cmocka_unit_test(larger_blocks_share_a_chunk_that_had_huge_pages),
        cmocka_unit_test(a_child_of_fork_goes_on_with_discarded_pages),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
