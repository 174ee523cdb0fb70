// SPDX-License-Identifier: MIT
//
// Claims about arena/medium.cpp: blocks of 10 to 256 KiB come from spans of their own and go back to them, from any
// thread, and whoever frees one twice or in the middle is told so.
#include <algorithm>
#include <atomic>
#include <latch>
#include <thread>
#include <vector>

#include "layers.h"

using namespace fastalloc_test;

namespace
{

constexpr size_t size = 20 * kibibyte; // medium, and three to a span

// A whole span's worth of blocks.
std::vector<void *> fill_span(size_t bytes)
{
    std::vector<void *> blocks;
    for (unsigned number = 0; number < shape_of(class_of(bytes)).capacity; number++)
        blocks.push_back(allocate_block(bytes));
    return blocks;
}

void every_medium_class_fills_its_span_to_the_last_block(void **)
{
    assert_alone([] {
        for (unsigned index = small_class_count; index < class_count; index++)
        {
            const ClassShape &shape = shape_of(static_cast<SizeClass>(index));
            std::vector<void *> blocks = fill_span(shape.bytes);
            std::sort(blocks.begin(), blocks.end());
            const Span *const head = head_of(record_of(blocks.front()));
            for (unsigned number = 0; number < shape.capacity; number++)
            {
                require(blocks[number] == static_cast<char *>(blocks.front()) + number * shape.bytes);
                require(head_of(record_of(blocks[number])) == head);
                require(usable_size(Call::malloc_usable_size, blocks[number]) == shape.bytes);
            }
            require_whole_heap();
            for (void *block : blocks)
                release_block(block);
            require_whole_heap();
            thread_words.self->flush();
            require(head->owner.load() == nullptr && head->kind == SpanKind::free);
        }
        require(node_heap(0).handed_out == 0);
    });
}

void a_block_said_to_be_zero_is(void **)
{
    assert_alone([] {
        const std::vector<char> zeros(medium_max);
        Random random{1};
        unsigned said = 0;
        std::vector<void *> kept;
        for (unsigned round = 0; round < 400; round++)
        {
            const size_t any_size = small_max + 1 + random.below(medium_max - small_max);
            const Allocation allocation = allocate(any_size, default_alignment, Call::malloc);
            said += allocation.zeroed;
            require(!allocation.zeroed || memcmp(allocation.block, zeros.data(), any_size) == 0);
            memset(allocation.block, 0x77, any_size);
            kept.push_back(allocation.block);
            std::swap(kept.back(), kept[random.below(kept.size())]);
            if (kept.size() > 20)
            {
                release_block(kept.back());
                kept.pop_back();
            }
            if (round % 100 == 99)
                node_heap(0).return_free(0); // what comes again is zero again
        }
        require(said > 20);
        require_whole_heap();
    });
}

void a_second_free_dies_wherever_the_block_went(void **)
{
    const char *const reason = "double free of a 20480-byte block";
    assert_dies(reason, [] { // in the bin, on top
        void *const block = fill_span(size).front();
        release_block(block);
        release_block(block);
    });
    assert_dies(reason, [] { // in the bin, below others
        const std::vector<void *> blocks = fill_span(size);
        release_block(blocks[0]);
        release_block(blocks[1]);
        release_block(blocks[0]);
    });
    assert_dies(reason, [] { // in its span
        const std::vector<void *> blocks = fill_span(size);
        release_block(blocks[0]);
        thread_words.self->flush();
        release_block(blocks[0]);
    });
    assert_dies(reason, [] { // in an inbox once and then in its span
        const std::vector<void *> blocks = fill_span(size);
        in_thread([&] { release_block(blocks[0]); });
        release_block(blocks[0]);
        thread_words.self->flush();
    });
}

void a_free_of_a_pointer_inside_a_block_dies(void **)
{
    assert_dies("points into a 20480-byte block", [] {
        char *const block = static_cast<char *>(fill_span(size)[1]);
        release_block(block + 64);
    });
    assert_dies("points into a 20480-byte block", [] { // from another thread
        char *const block = static_cast<char *>(fill_span(size)[1]);
        in_thread([=] { release_block(block + 64); });
        thread_words.self->flush();
    });
}

// The owner pushes and pops blocks of spans of which the other thread frees some: enough at a time to fill the inbox
// above its bound, so that the other one sorts them in.
void frees_by_two_threads_at_once_lose_no_block(void **)
{
    assert_alone([] {
        constexpr unsigned burst = inbox_bound / size + 2;
        void *passed[burst];
        std::atomic<unsigned> full{0}; // 2: no more
        std::thread other([&] {
            for (unsigned state = 0; state != 2; state = full.load(std::memory_order_acquire))
            {
                for (unsigned number = 0; state == 1 && number < burst; number++)
                {
                    require(is_stamped(passed[number], size, 7));
                    release_block(passed[number]);
                }
                if (state == 1)
                    full.store(0, std::memory_order_release);
                else
                    sched_yield();
            }
        });
        Random random{1};
        std::vector<void *> kept;
        const auto take = [&kept] {
            kept.push_back(allocate_block(size));
            stamp(kept.back(), size, 7);
        };
        for (unsigned round = 0; round < 200'000; round++)
        {
            take();
            std::swap(kept.back(), kept[random.below(kept.size())]);
            if (kept.size() > 4)
            {
                release_block(kept.back());
                kept.pop_back();
            }
            if (full.load(std::memory_order_acquire) == 0)
            {
                while (kept.size() < burst)
                    take();
                std::copy_n(kept.begin(), burst, passed);
                kept.erase(kept.begin(), kept.begin() + burst);
                full.store(1, std::memory_order_release);
            }
        }
        while (full.load(std::memory_order_acquire) == 1)
            sched_yield();
        full = 2;
        other.join();
        for (void *block : kept)
            release_block(block);
        thread_words.self->flush();
        require_whole_heap();
        require(node_heap(0).handed_out == 0);
    });
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(every_medium_class_fills_its_span_to_the_last_block),
        cmocka_unit_test(a_block_said_to_be_zero_is),
        cmocka_unit_test(a_second_free_dies_wherever_the_block_went),
        cmocka_unit_test(a_free_of_a_pointer_inside_a_block_dies),
        cmocka_unit_test(frees_by_two_threads_at_once_lose_no_block),
    };
    return cmocka_run_group_tests_name("medium", tests, nullptr, nullptr);
}
