// SPDX-License-Identifier: MIT
//
// Claims about arena/arena.h and what it does in one thread: blocks of every size, how spans come and go, and what is said
// to a program that frees what it should not.
#include <algorithm>
#include <cerrno>
#include <sys/mman.h>
#include <vector>

#include "layers.h"

using namespace fastalloc_test;

namespace
{

constexpr size_t kib = kibibyte;

void shuffle(std::vector<void *> &blocks, Random &random)
{
    for (size_t number = blocks.size(); number > 1; number--)
        std::swap(blocks[number - 1], blocks[random.below(number)]);
}

// ---- blocks --------------------------------------------------------------------------------------------------------

void freed_block_is_reused_by_same_thread(void **)
{
    assert_alone([] {
        for (SizeClass size_class = 0; size_class < small_class_count; size_class++)
        {
            const size_t size = class_bytes(size_class);
            void *const block = allocate_block(size);
            release_block(block);
            require(allocate_block(size) == block);
            release_block(block);
        }
    });
}

void the_block_freed_last_is_the_first_to_be_reused(void **)
{
    assert_alone([] {
        std::vector<void *> blocks = allocate_blocks(8, 40);
        release_blocks(blocks);
        std::reverse(blocks.begin(), blocks.end());
        require(allocate_blocks(8, 40) == blocks);
    });
}

void blocks_of_all_sizes_are_apart_aligned_and_large_enough(void **)
{
    assert_alone([] {
        struct Block
        {
            char *memory;
            size_t size;
        };
        Random random{1};
        std::vector<Block> blocks;
        for (unsigned round = 0; round < 6000; round++)
        {
            const size_t size = random.size(round % 10 == 0 ? 20 : 14) - 1;
            blocks.push_back({static_cast<char *>(allocate_block(size)), size});
            const Block &block = blocks.back();
            require(block.memory != nullptr);
            require(is_multiple(reinterpret_cast<uintptr_t>(block.memory), size <= 8 ? 8 : 16));
            require(usable_size(Call::malloc_usable_size, block.memory) >= size);
            stamp(block.memory, size, round);
        }
        for (unsigned round = 0; round < blocks.size(); round++)
            require(is_stamped(blocks[round].memory, blocks[round].size, round));
        std::sort(blocks.begin(), blocks.end(), [](const Block &a, const Block &b) { return a.memory < b.memory; });
        for (size_t number = 1; number < blocks.size(); number++)
            require(blocks[number - 1].memory + std::max(blocks[number - 1].size, size_t{8}) <= blocks[number].memory);
        require_whole_heap();
        for (const Block &block : blocks)
            release_block(block.memory);
        require_whole_heap();
    });
}

void every_alignment_is_kept_and_freed_like_any_block(void **)
{
    assert_alone([] {
        std::vector<void *> blocks;
        for (size_t alignment = 8; alignment <= 4 * mebibyte; alignment *= 2)
            for (const size_t size : {size_t{1}, size_t{100}, 5 * kib, 100 * kib, mebibyte})
            {
                void *const block = allocate_aligned(size, alignment, Call::aligned_alloc);
                require(block != nullptr && is_multiple(reinterpret_cast<uintptr_t>(block), alignment));
                stamp(block, size, alignment);
                blocks.push_back(block);
            }
        require_whole_heap();
        release_blocks(blocks);
        thread_words.self->flush();
        require_whole_heap();
        require(node_heap(0).handed_out == 0 && outside.blocks() == 0);
    });
}

void a_size_beyond_the_address_space_is_refused(void **)
{
    assert_alone([] {
        for (const size_t size : {size_max + 1, SIZE_MAX, size_max, size_t{1} << 60})
        {
            errno = 0;
            require(allocate_slow(size) == nullptr && errno == ENOMEM);
            require(allocate_aligned(size, 64, Call::aligned_alloc) == nullptr);
        }
        errno = ERANGE;
        require(allocate_block(100) != nullptr && allocate_block(mebibyte) != nullptr && errno == ERANGE);
    });
}

void memory_that_runs_out_is_an_errno_and_comes_back_with_a_free(void **)
{
    assert_alone([] {
        allocate_block(1);
        Random random{4};
        std::vector<void *> blocks;
        blocks.reserve(100'000);
        limit_growth(RLIMIT_DATA, 16 * mebibyte);
        errno = 0;
        while (void *const block = allocate_block(random.size(13)))
            blocks.push_back(block);
        require(errno == ENOMEM && blocks.size() > 5000);
        require_whole_heap();
        shuffle(blocks, random);
        for (size_t number = 0; number < blocks.size() / 2; number++)
            release_block(blocks[number]);
        thread_words.self->flush();
        for (size_t number = 0; number < blocks.size() / 4; number++)
            require(allocate_block(16) != nullptr);
        require_whole_heap();
    });
}

// ---- spans ---------------------------------------------------------------------------------------------------------

void a_span_that_empties_goes_back_to_nobody(void **)
{
    assert_alone([] {
        Random random{2};
        for (SizeClass size_class = 0; size_class < small_class_count; size_class++)
        {
            std::vector<void *> blocks = allocate_blocks(3u * shape_of(size_class).capacity, class_bytes(size_class));
            require_whole_heap();
            std::vector<Span *> spans;
            for (void *block : blocks)
                spans.push_back(record_of(block));
            shuffle(blocks, random);
            release_blocks(blocks);
            require_whole_heap();
            thread_words.self->flush();
            for (const Span *span : spans)
                require(span->owner.load() == nullptr && span->kind == SpanKind::free);
        }
        require_whole_heap();
        require(node_heap(0).handed_out == 0 &&
                figures_of(node_heap(0)).open_bytes == chunk_bytes); // in which the arena is
    });
}

void a_span_taken_again_serves_all_its_blocks_once(void **)
{
    assert_alone([] {
        // The same class, which finds the blocks linked as they were left; then others, for which that means nothing.
        for (const size_t size : {size_t{48}, size_t{48}, size_t{64}, size_t{16}, 8 * kib, size_t{48}})
        {
            const size_t capacity = shape_of(class_of(size)).capacity;
            std::vector<void *> blocks = allocate_blocks(2 * capacity, size);
            for (size_t number = 0; number < blocks.size(); number++)
                stamp(blocks[number], size, number);
            for (size_t number = 0; number < blocks.size(); number++)
                require(is_stamped(blocks[number], size, number));
            require_whole_heap();
            require(figures_of(node_heap(0)).open_bytes == chunk_bytes);
            release_blocks(blocks);
            thread_words.self->flush();
            require_whole_heap();
        }
    });
}

size_t resident_pages_of(const Span *span)
{
    const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    std::vector<unsigned char> resident(slice_bytes / page);
    require(mincore(reinterpret_cast<void *>(address_of(span)), slice_bytes, resident.data()) == 0);
    return static_cast<size_t>(std::count_if(resident.begin(), resident.end(), [](auto flags) { return flags & 1; }));
}

void fresh_memory_is_touched_a_page_at_a_time(void **)
{
    assert_alone([] {
        require(resident_pages_of(record_of(allocate_block(64))) == 1);
        void *const first = allocate_block(kib);
        require(resident_pages_of(record_of(first)) <= 2); // a block may lie on two
        void *const page = allocate_block(4 * kib);
        require(resident_pages_of(record_of(page)) == 0); // it is not written before it is handed out

        // The same with a bin that would take far more at a time. Spans nobody had before follow those that are there.
        for (unsigned round = 0; round < 20; round++)
            release_blocks(allocate_blocks(3000, 32));
        const Span *record = nullptr;
        for (unsigned begun = 0; begun < 3;)
        {
            const Span *const before = record;
            record = record_of(allocate_block(32));
            begun += record != before && record->zeroed;
        }
        require(thread_words.self->bins[class_of(32)].limit * 32 >= 8 * kib);
        require(resident_pages_of(record) <= 2);
    });
}

void random_use_of_all_classes_keeps_bins_and_spans_sound(void **)
{
    assert_alone([] {
        Random random{6};
        std::vector<std::vector<void *>> kept(class_count);
        for (unsigned round = 0; round < 40'000; round++)
        {
            std::vector<void *> &blocks = kept[random.below(class_count)];
            const auto size_class = static_cast<SizeClass>(&blocks - kept.data());
            if (blocks.empty() || random.below(40) > blocks.size())
                blocks.push_back(allocate_block(class_bytes(size_class)));
            else
            {
                std::swap(blocks.back(), blocks[random.below(blocks.size())]);
                release_block(blocks.back());
                blocks.pop_back();
            }
            if (round % 200 == 0)
            {
                const Guard guard(thread_words.self->lock);
                require_sound(thread_words.self->verify());
                require_sound(thread_words.self->verify_bins());
            }
            if (round % 4000 == 0)
                require_whole_heap();
        }
        for (const std::vector<void *> &blocks : kept)
            release_blocks(blocks);
        thread_words.self->flush();
        require_whole_heap();
        require(node_heap(0).handed_out == 0 && node_heap(0).charged == 0);
    });
}

// ---- misuse --------------------------------------------------------------------------------------------------------

void a_block_freed_twice_in_a_row_dies(void **)
{
    assert_dies("double free of a 48-byte block", [] {
        void *const block = allocate_block(48);
        release_block(block);
        release_block(block);
    });
    assert_dies("not a block of this allocator", [] { // nothing knows any more that it was one
        void *const block = allocate_block(mebibyte);
        release_block(block);
        release_block(block);
    });
}

void a_pointer_that_is_none_of_ours_dies(void **)
{
    assert_dies("free(0x10): not a block of this allocator", [] { release_block(reinterpret_cast<void *>(0x10)); });
    assert_dies("not a block of this allocator", [] {
        allocate_block(1);
        release_block(malloc(100));
    });
    assert_dies("not a block of this allocator", [] { // a slice nobody has
        release_block(reinterpret_cast<void *>(address_of(record_of(allocate_block(1))) + mebibyte));
    });
    assert_dies("not a block of this allocator", [] { // an arena
        allocate_block(1);
        release_block(thread_words.self);
    });
    assert_dies("not a block of this allocator", [] { // behind the first slice of a large block
        release_block(static_cast<char *>(allocate_block(mebibyte)) + slice_bytes);
    });
    assert_dies("points into a 1048576-byte block",
                [] { release_block(static_cast<char *>(allocate_block(mebibyte)) + 16); });
}

void a_freed_block_that_was_written_to_is_noticed_on_its_way_back(void **)
{
    assert_dies("a freed block was written to", [] {
        const std::vector<void *> blocks = allocate_blocks(10, 64);
        release_blocks(blocks);
        memset(blocks[5], 'x', 64);
        thread_words.self->flush();
    });
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(freed_block_is_reused_by_same_thread),
        cmocka_unit_test(the_block_freed_last_is_the_first_to_be_reused),
        cmocka_unit_test(blocks_of_all_sizes_are_apart_aligned_and_large_enough),
        cmocka_unit_test(every_alignment_is_kept_and_freed_like_any_block),
        cmocka_unit_test(a_size_beyond_the_address_space_is_refused),
        cmocka_unit_test(memory_that_runs_out_is_an_errno_and_comes_back_with_a_free),
        cmocka_unit_test(a_span_that_empties_goes_back_to_nobody),
        cmocka_unit_test(a_span_taken_again_serves_all_its_blocks_once),
        cmocka_unit_test(fresh_memory_is_touched_a_page_at_a_time),
        cmocka_unit_test(random_use_of_all_classes_keeps_bins_and_spans_sound),
        cmocka_unit_test(a_block_freed_twice_in_a_row_dies),
        cmocka_unit_test(a_pointer_that_is_none_of_ours_dies),
        cmocka_unit_test(a_freed_block_that_was_written_to_is_noticed_on_its_way_back),
    };
    return cmocka_run_group_tests_name("arena", tests, nullptr, nullptr);
}
