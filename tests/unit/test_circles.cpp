// SPDX-License-Identifier: MIT
//
// Claims about walks over freed blocks: A, B and A again, freed without check=on, make a circle of links. Whoever walks
// along it comes to an end and, where more blocks come back than were given, says so. In each test a child that ran in
// circles would be ended by its alarm.
#include <atomic>
#include <latch>
#include <pthread.h>
#include <thread>
#include <vector>

#include "layers.h"

using namespace fastalloc_test;

namespace
{

constexpr size_t kib = kibibyte;
const char *const too_many = "than it gave: a double free";
const char *const late = "FASTALLOC_CONF=check=on finds the call"; // which of the late lines depends on the bin

// One in front, for a batch's last block is given its link when the batch is sent.
void release_in_a_circle(const std::vector<void *> &blocks)
{
    release_block(blocks[2]);
    release_block(blocks[0]);
    release_block(blocks[1]);
    release_block(blocks[0]);
}

// ---- blocks of another thread --------------------------------------------------------------------------------------

void a_batch_that_is_a_circle_is_named_by_its_owner(void **)
{
    for (const size_t size : {size_t{8}, size_t{64}, kib, 8 * kib, 16 * kib})
        for (const size_t count : {size_t{3}, 5 * slice_bytes / size})
            assert_dies(too_many, [=] {
                const std::vector<void *> blocks = allocate_blocks(count, size);
                in_thread([&] { release_in_a_circle(blocks); });
                thread_words.self->flush();
            });
}

void a_circle_in_a_full_inbox_is_named_by_who_filled_it(void **)
{
    assert_dies(too_many, [] {
        const std::vector<void *> blocks = allocate_blocks(2000, 64);
        in_thread([&] {
            release_in_a_circle(blocks);
            release_blocks({blocks.begin() + 3, blocks.end()});
        });
    });
}

void a_circle_of_medium_blocks_is_named_by_its_owner(void **)
{
    assert_dies("double free of a 20480-byte block", [] {
        const std::vector<void *> blocks = allocate_blocks(3, 20 * kib);
        in_thread([&] { release_in_a_circle(blocks); });
        thread_words.self->flush();
    });
}

// Neither span gets more than it gave, and sorting in takes the circle apart: what is left is for a heap check.
void a_circle_through_two_spans_ends(void **)
{
    assert_dies("in its span's list of free blocks twice", [] {
        const size_t size = 512; // all frees fit into one batch
        const std::vector<void *> blocks = allocate_blocks(2 * (slice_bytes / size), size);
        require(record_of(blocks.front()) != record_of(blocks.back()));
        in_thread([&] { release_in_a_circle({blocks.front(), blocks.back(), blocks[1]}); });
        thread_words.self->drain();
        char bytes[200];
        Text report(bytes, sizeof(bytes));
        require(check_heap(&report) == HeapState::broken);
        fprintf(stderr, "%s\n", report.string());
        abort();
    });
}

// The owner of the spans is another one by then, so each block is sent on.
void a_circle_that_is_sent_on_is_named_by_the_new_owner(void **)
{
    assert_dies(too_many, [] {
        release_for_an_owner_that_ends([](const std::vector<void *> &blocks) { release_in_a_circle(blocks); });
        registry.tidy(0);
        thread_words.self->flush();
    });
}

// ---- blocks of one's own -------------------------------------------------------------------------------------------

void a_circle_in_a_bin_is_named_when_it_goes_back(void **)
{
    assert_dies(late, [] {
        const std::vector<void *> blocks = allocate_blocks(3, kib);
        release_in_a_circle(blocks);
        thread_words.self->flush();
    });
}

// It never ends, so nothing goes back; but the bin counts what it has given.
void a_circle_that_gives_more_than_it_was_given_is_named(void **)
{
    assert_dies(too_many, [] {
        release_in_a_circle(allocate_blocks(20, 64)); // so many that the stack has room
        allocate_blocks(10'000, 64);
        allocate_blocks(10'000, kib); // the scans for unused bins come with slow paths
    });
}

void a_circle_that_a_thread_left_is_named_by_who_tidies_up(void **)
{
    assert_dies(late, [] {
        in_thread([] {
            const std::vector<void *> blocks = allocate_blocks(3, kib);
            release_in_a_circle(blocks);
        });
        registry.tidy(0);
    });
}

// ---- in the child of a fork ----------------------------------------------------------------------------------------

// `child` runs in the child of a fork, while the thread that ran `thread` still waits in the parent.
template <typename Thread, typename Child>
void fork_beside(Thread thread, Child child)
{
    hook_fork();
    std::latch freed(1), done(1);
    std::thread other([&] {
        thread();
        freed.count_down();
        done.wait();
        _exit(0);
    });
    freed.wait();
    const int status = status_of_child(child);
    if (WIFSIGNALED(status))
        raise(WTERMSIG(status));
    done.count_down();
    other.join();
}

void a_circle_in_a_bin_that_a_fork_cut_off_is_named(void **)
{
    for (const size_t size : {size_t{64}, kib})
        assert_dies(too_many, [size] {
            fork_beside(
                [size] {
                for (unsigned round = 0; round < 20; round++)
                    release_blocks(allocate_blocks(500, size)); // limits that keep all of it in one stack
                release_in_a_circle(allocate_blocks(500, size));
                },
                [] { registry.tidy(0); });
        });
}

void a_circle_in_an_outbox_that_a_fork_cut_off_is_named(void **)
{
    for (const size_t size : {size_t{64}, kib})
        assert_dies(too_many, [size] {
            const std::vector<void *> blocks = allocate_blocks(4, size);
            fork_beside([&] { release_in_a_circle(blocks); },
                        [] {
                registry.tidy(0);
                thread_words.self->flush();
            });
        });
}

// Not circles, but the same walks: through a bin, and through an outbox.
void a_written_block_that_a_fork_cut_off_is_named(void **)
{
    const auto free_and_write = [](const std::vector<void *> &blocks) {
        release_blocks(blocks);
        memset(blocks[5], 0x41, 8);
    };
    assert_dies("a freed block was written to",
                [&] { fork_beside([&] { free_and_write(allocate_blocks(10, 64)); }, [] { registry.tidy(0); }); });
    assert_dies("a freed block was written to", [&] {
        const std::vector<void *> blocks = allocate_blocks(10, 64);
        fork_beside([&] { free_and_write(blocks); }, [] { registry.tidy(0); });
    });
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_that_is_a_circle_is_named_by_its_owner),
        cmocka_unit_test(a_circle_in_a_full_inbox_is_named_by_who_filled_it),
        cmocka_unit_test(a_circle_of_medium_blocks_is_named_by_its_owner),
        cmocka_unit_test(a_circle_through_two_spans_ends),
        cmocka_unit_test(a_circle_that_is_sent_on_is_named_by_the_new_owner),
        cmocka_unit_test(a_circle_in_a_bin_is_named_when_it_goes_back),
        cmocka_unit_test(a_circle_that_gives_more_than_it_was_given_is_named),
        cmocka_unit_test(a_circle_that_a_thread_left_is_named_by_who_tidies_up),
        cmocka_unit_test(a_circle_in_a_bin_that_a_fork_cut_off_is_named),
        cmocka_unit_test(a_written_block_that_a_fork_cut_off_is_named),
        cmocka_unit_test(a_circle_in_an_outbox_that_a_fork_cut_off_is_named),
    };
    return cmocka_run_group_tests_name("circles", tests, nullptr, nullptr);
}
