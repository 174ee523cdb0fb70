// SPDX-License-Identifier: MIT
//
// Claims about a visit of a heap that the program has written to where it must not: the walk ends, says so, and every
// block in use is visited all the same.
#include "visited_blocks.h"

using namespace fastalloc_test;

namespace
{

// A visit says that the heap is broken, and finds what is in use.
void require_broken_with(std::vector<void *> used, const char *reason, Place where = Place::caller())
{
    HeapSnapshot snapshot;
    require(take_snapshot(&snapshot) == SnapshotState::taken, where);
    require(snapshot.broken() != nullptr && strstr(snapshot.broken(), reason) != nullptr, where);
    const std::vector<void *> found = sorted_addresses(blocks_in(snapshot));
    std::sort(used.begin(), used.end());
    require(std::includes(found.begin(), found.end(), used.begin(), used.end()), where);
}

std::vector<void *> all_but(std::vector<void *> blocks, size_t freed)
{
    blocks.erase(blocks.begin(), blocks.begin() + static_cast<long>(freed));
    return blocks;
}

// Words that a program may leave in a block after it was freed.
const uint64_t written_words[] = {0, 1, 0x4141414141414141, ~uint64_t{0}};

void a_write_to_a_block_in_a_bin_is_told(void **)
{
    for (const uint64_t word : written_words)
        assert_alone([word] {
            const std::vector<void *> blocks = allocate_blocks(20, 64);
            release_blocks({blocks.begin(), blocks.begin() + 5});
            *static_cast<uint64_t *>(blocks[2]) = word;
            require_broken_with(all_but(blocks, 5), "bin");
        });
}

// A link that leads to a block of another class, to one in use of another thread, or between two blocks.
void a_link_that_leads_to_another_block_is_told(void **)
{
    assert_alone([] {
        const std::vector<void *> blocks = allocate_blocks(20, 64);
        void *const larger = allocate_block(1000);
        void *foreign = nullptr;
        in_thread([&] { foreign = allocate_block(64); });
        for (void *target : {larger, foreign, static_cast<void *>(static_cast<char *>(blocks[10]) + 16)})
        {
            const int status = status_of_child([&] {
                release_blocks({blocks.begin(), blocks.begin() + 5});
                set_next(blocks[2], target);
                std::vector<void *> used = all_but(blocks, 5);
                used.push_back(larger);
                used.push_back(foreign);
                require_broken_with(used, "bin");
            });
            require(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        }
    });
}

void a_block_freed_twice_into_a_bin_is_told(void **)
{
    assert_alone([] {
        const std::vector<void *> blocks = allocate_blocks(20, 64);
        release_blocks({blocks[0], blocks[1], blocks[2], blocks[0]});
        require_broken_with(all_but(blocks, 3), "freed twice");
    });
}

void a_write_to_a_block_in_the_list_of_its_span_is_told(void **)
{
    assert_alone([] {
        const std::vector<void *> blocks = allocate_blocks(300, 64);
        release_blocks({blocks.begin(), blocks.begin() + 200});
        thread_words.self->flush();
        require(thread_words.self->first_in(Arena::FreeList::active, class_of(64)) == nullptr);
        *static_cast<uint64_t *>(blocks[7]) = 0x4141414141414141;
        require_broken_with(all_but(blocks, 200), "list of free blocks");
    });
}

// Frees some blocks of a thread that sleeps, and writes to one of them.
std::vector<void *> written_on_the_way(unsigned count, std::latch *done, std::thread *owner)
{
    std::vector<void *> blocks;
    std::latch allocated(1);
    *owner = std::thread([&blocks, &allocated, done] {
        blocks = allocate_blocks(300, 64);
        allocated.count_down();
        done->wait();
    });
    allocated.wait();
    release_blocks({blocks.begin(), blocks.begin() + count});
    *static_cast<uint64_t *>(blocks[3]) = 0x4141414141414141;
    return all_but(blocks, count);
}

void a_write_to_a_block_in_an_outbox_is_told(void **)
{
    assert_alone([] {
        std::latch done(1);
        std::thread owner;
        const std::vector<void *> used = written_on_the_way(5, &done, &owner);
        require_broken_with(used, "on its way");
        _exit(0); // it would be found when it is handed over
    });
}

void a_write_to_a_block_in_an_inbox_is_told(void **)
{
    assert_alone([] {
        std::latch done(1);
        std::thread owner;
        const std::vector<void *> used = written_on_the_way(100, &done, &owner);
        require_broken_with(used, "on its way");
        _exit(0); // it would be found when it is sorted in
    });
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(a_write_to_a_block_in_a_bin_is_told),
        cmocka_unit_test(a_link_that_leads_to_another_block_is_told),
        cmocka_unit_test(a_block_freed_twice_into_a_bin_is_told),
        cmocka_unit_test(a_write_to_a_block_in_the_list_of_its_span_is_told),
        cmocka_unit_test(a_write_to_a_block_in_an_outbox_is_told),
        cmocka_unit_test(a_write_to_a_block_in_an_inbox_is_told),
    };
    return cmocka_run_group_tests_name("heap_visit_broken", tests, nullptr, nullptr);
}
