// SPDX-License-Identifier: MIT
//
// Claims about watch/watched.cpp: with check=on each misuse ends the process at the call that is wrong, with its text.
#include "watch/live_blocks.h"

#include <latch>
#include <thread>
#include <utility>
#include <vector>

#include "layers.h"

using namespace fastalloc_test;

namespace
{

constexpr size_t kib = kibibyte;
constexpr size_t mib = mebibyte;

// `right` runs and gives the pointer that `wrong`, a single call, must not survive.
template <typename Right, typename Wrong>
void assert_seen(const char *reason, Right right, Wrong wrong)
{
    assert_dies(reason, [&] {
        use_settings("check=on");
        void *const pointer = right();
        require_whole_heap();
        wrong(pointer);
        require(false);
    });
}

void freed(void *pointer)
{
    release_block(pointer);
}

char *begin_of(size_t size)
{
    return static_cast<char *>(allocate_block(size));
}

// ---- double frees --------------------------------------------------------------------------------------------------

void a_second_free_is_seen_whatever_was_freed_in_between(void **)
{
    const auto freed_among_others = [](size_t size) {
        return [size] {
            const std::vector<void *> blocks = allocate_blocks(8, size);
            release_block(blocks[0]);
            release_block(blocks[1]);
            return blocks[0];
        };
    };
    assert_seen("double free of a 8-byte block", freed_among_others(8), freed);
    assert_seen("double free of a 48-byte block", freed_among_others(48), freed);
    assert_seen("double free of a 16384-byte block", freed_among_others(16 * kib), freed);
    assert_seen("double free of a 20480-byte block", freed_among_others(20 * kib), freed);
    assert_seen("not a block of this allocator, or one freed before", freed_among_others(mib), freed);
    assert_seen("not a block of this allocator, or one freed before", freed_among_others(40 * mib), freed);
}

void a_second_free_is_seen_when_the_block_is_back_in_its_span(void **)
{
    assert_seen(
        "double free of a 64-byte block",
        [] {
        const std::vector<void *> blocks = allocate_blocks(1000, 64);
        release_blocks({blocks.begin() + 1, blocks.end()});
        thread_words.self->flush();
        return blocks[1];
        },
        freed);
    assert_seen( // and its span back in its chunk
        "not a block of this allocator, or one freed before",
        [] {
        void *const block = allocate_block(64);
        release_block(block);
        thread_words.self->flush();
        return block;
        },
        freed);
}

void of_two_threads_that_free_a_block_the_second_is_told(void **)
{
    const auto freed_elsewhere = [](size_t size) {
        return [size] {
            const std::vector<void *> blocks = allocate_blocks(2, size);
            in_thread([&] { release_block(blocks[0]); });
            return blocks[0];
        };
    };
    const auto freed_in_a_thread = [](void *pointer) { in_thread([pointer] { release_block(pointer); }); };
    for (const auto &[reason, size] : {std::pair("double free of a 64-byte block", size_t{64}),
                                       std::pair("double free of a 8192-byte block", 8 * kib),
                                       std::pair("double free of a 20480-byte block", 20 * kib)})
    {
        assert_seen(reason, freed_elsewhere(size), freed);
        assert_seen(reason, freed_elsewhere(size), freed_in_a_thread);
    }
    assert_seen(
        "double free of a 64-byte block",
        [] {
        void *const block = allocate_block(64);
        release_block(block);
        return block;
        },
        freed_in_a_thread);
}

void of_two_threads_that_free_a_block_at_once_one_is_told(void **)
{
    assert_dies("double free of a 64-byte block", [] {
        use_settings("check=on");
        void *const block = allocate_block(64);
        std::latch ready(2);
        const auto body = [&] {
            allocate_block(8);
            ready.arrive_and_wait();
            release_block(block);
        };
        std::thread other(body);
        body();
        other.join();
    });
}

// ---- pointers that are no block's ----------------------------------------------------------------------------------

void a_pointer_into_a_block_is_refused_by_every_call(void **)
{
    const auto inside = [](size_t size, size_t offset) {
        return [size, offset]() -> void * { return begin_of(size) + offset; };
    };
    for (const auto &[reason, size] :
         {std::pair("points into a 64-byte block", size_t{64}), std::pair("points into a 20480-byte block", 20 * kib),
          std::pair("points into a 1048576-byte block", mib)})
        for (const size_t offset : {size_t{1}, size_t{8}, size_t{16}, size_t{63}})
        {
            assert_seen(reason, inside(size, offset), freed);
            assert_seen(reason, inside(size, offset), [](void *pointer) { reallocate(pointer, 1); });
            assert_seen(reason, inside(size, offset),
                        [](void *pointer) { usable_size(Call::malloc_usable_size, pointer); });
        }
    // Behind the first slice of a large block nothing says whose it is; nor behind the last block of a span.
    assert_seen("not a block of this allocator", inside(mib, 2 * slice_bytes), freed);
    assert_seen(
        "points into a 48-byte block",
        []() -> void * { return reinterpret_cast<char *>(address_of(record_of(begin_of(48)))) + 1365 * 48; }, freed);
}

void a_block_that_was_never_handed_out_is_refused(void **)
{
    const auto beyond = [](size_t size) {
        return [size]() -> void * {
            char *const block = begin_of(size);
            Span *const head = head_of(record_of(block));
            require(head->fresh < head->capacity);
            return reinterpret_cast<char *>(address_of(head)) +
                   (head->start + head->fresh) * class_bytes(head->size_class);
        };
    };
    for (const size_t size : {8 * kib, 20 * kib})
    {
        assert_seen("free(", beyond(size), freed);
        assert_seen("not a block of this allocator", beyond(size), freed);
        assert_seen("realloc(", beyond(size), [](void *pointer) { reallocate(pointer, 1); });
    }
}

void pointers_from_elsewhere_are_refused(void **)
{
    static char variable[64];
    assert_seen(
        "not a block of this allocator", []() -> void * { return allocate_block(1), variable; }, freed);
    assert_seen( // the library's own
        "not a block of this allocator", []() -> void * { return allocate_block(1), thread_words.self; }, freed);
    assert_seen(
        "not a block of this allocator",
        []() -> void * { return allocate_block(1), reinterpret_cast<void *>(window_bounds.base); }, freed);
}

// ---- freed blocks that are used ------------------------------------------------------------------------------------

void calls_that_look_at_a_freed_block_are_refused(void **)
{
    const auto freed_block = [](size_t size) {
        return [size] {
            const std::vector<void *> blocks = allocate_blocks(3, size);
            release_block(blocks[0]);
            release_block(blocks[1]);
            return blocks[0];
        };
    };
    for (const auto &[reason, size] : {std::pair("): a 64-byte block that was freed before", size_t{64}),
                                       std::pair("): a 20480-byte block that was freed before", 20 * kib),
                                       std::pair("): not a block of this allocator, or one freed before", mib)})
    {
        assert_seen(reason, freed_block(size), [](void *pointer) { reallocate(pointer, 1); });
        assert_seen(reason, freed_block(size), [](void *pointer) { reallocate(pointer, 40 * mib); });
        assert_seen(reason, freed_block(size), [](void *pointer) { usable_size(Call::malloc_usable_size, pointer); });
        assert_seen(reason, freed_block(size), [](void *pointer) { shape_of_block(Call::free_sized, pointer); });
    }
    assert_seen("realloc(", freed_block(64), [](void *pointer) { reallocate(pointer, 64); }); // fits, stays
    assert_seen("free_sized(", freed_block(64), [](void *pointer) { shape_of_block(Call::free_sized, pointer); });
}

void a_freed_block_that_was_written_to_is_named_when_it_is_handed_out(void **)
{
    for (const size_t size : {size_t{8}, size_t{64}, 16 * kib, 20 * kib})
        for (const int byte : {0, 0x41, 0xff})
            assert_dies("was written to while it was free", [=] {
                use_settings("check=on");
                for (unsigned round = 0; round < 300; round++) // limits that keep a few
                    release_blocks(allocate_blocks(8, size));
                const std::vector<void *> blocks = allocate_blocks(3, size);
                release_blocks(blocks);
                memset(blocks[2], byte, 8);
                allocate_block(size);
            });
}

void a_link_to_a_live_block_is_not_followed(void **)
{
    assert_dies("was written to while it was free", [] {
        use_settings("check=on");
        const std::vector<void *> blocks = allocate_blocks(4, 64);
        release_block(blocks[0]);
        release_block(blocks[1]);
        set_next(blocks[1], blocks[2]);
        require(allocate_block(64) == nullptr);
    });
    assert_dies("is in use: a free block that led to it was written to", [] { // where a bin has room for one
        use_settings("check=on");
        const std::vector<void *> blocks = allocate_blocks(4, 4 * kib);
        release_blocks({blocks.begin() + 1, blocks.end()});
        thread_words.self->flush();
        Span *const span = record_of(blocks[0]);
        set_next(blocks[0], blocks[1]); // what the program has written looks like a link
        set_next(span->free_list, blocks[0]);
        allocate_blocks(3, 4 * kib);
    });
}

// Also where it is not handed out next: whoever walks past it, in its span's list or in a bin, does not follow it.
void a_freed_block_that_was_written_to_ends_with_a_line_wherever_it_lies(void **)
{
    for (const size_t written : {size_t{1}, size_t{300}, size_t{800}})
        assert_dies("written to", [=] { // in its span
            use_settings("check=on");
            const std::vector<void *> blocks = allocate_blocks(900, 64);
            release_blocks({blocks.begin() + 1, blocks.end()});
            thread_words.self->flush();
            memset(blocks[written], 0x41, 8);
            allocate_blocks(1000, 64);
        });
    assert_dies("a freed block was written to", [] { // in a bin that has to give blocks back
        use_settings("check=on");
        for (unsigned round = 0; round < 20; round++)
            release_blocks(allocate_blocks(500, 64));
        const std::vector<void *> blocks = allocate_blocks(500, 64);
        release_blocks(blocks);
        memset(blocks[490], 0x41, 8);
        for (unsigned round = 0; round < 1500; round++) // slow paths: bins that are not used lose half
            allocate_block(20 * kib);
    });
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(a_second_free_is_seen_whatever_was_freed_in_between),
        cmocka_unit_test(a_second_free_is_seen_when_the_block_is_back_in_its_span),
        cmocka_unit_test(of_two_threads_that_free_a_block_the_second_is_told),
        cmocka_unit_test(of_two_threads_that_free_a_block_at_once_one_is_told),
        cmocka_unit_test(a_pointer_into_a_block_is_refused_by_every_call),
        cmocka_unit_test(a_block_that_was_never_handed_out_is_refused),
        cmocka_unit_test(pointers_from_elsewhere_are_refused),
        cmocka_unit_test(calls_that_look_at_a_freed_block_are_refused),
        cmocka_unit_test(a_freed_block_that_was_written_to_is_named_when_it_is_handed_out),
        cmocka_unit_test(a_link_to_a_live_block_is_not_followed),
        cmocka_unit_test(a_freed_block_that_was_written_to_ends_with_a_line_wherever_it_lies),
    };
    return cmocka_run_group_tests_name("watched_misuse", tests, nullptr, nullptr);
}
