// SPDX-License-Identifier: MIT
//
// Claims about watch/heap_visit.cpp and watch/heap_snapshot.cpp: a visit finds exactly the blocks that are in use,
// wherever free ones may wait. test_heap_visit_storm.cpp has threads that run, test_heap_visit_broken.cpp heaps that a
// program has written to.
#include "arena/purge.h"
#include "heap/chunk_space.h"

#include "visited_blocks.h"

using namespace fastalloc_test;

namespace
{

void each_kind_of_block_is_visited_with_size_and_class(void **)
{
    assert_alone([] {
        std::vector<void *> blocks;
        const auto require_last = [&](size_t usable, size_t bytes_of_class) {
            const std::vector<fastalloc_block> found = visited();
            require(found.size() == blocks.size());
            for (const fastalloc_block &block : found)
                if (block.address == blocks.back())
                {
                    require(block.size == sizeof block && block.usable == usable);
                    require(block.class_bytes == bytes_of_class);
                    const Node place = record_of(block.address) != nullptr
                                           ? node_heap_of(slice_of(record_of(block.address))).place()
                                           : static_cast<Node>(outside.place_of(block.address));
                    require(block.node == (place == unplaced ? -1 : static_cast<int>(place)));
                    return;
                }
            require(false);
        };
        for (unsigned index = 0; index < class_count; index++)
        {
            const size_t bytes = class_bytes(static_cast<SizeClass>(index));
            blocks.push_back(allocate_block(bytes));
            require_last(bytes, bytes);
        }
        for (const size_t bytes : {medium_max + slice_bytes, 3 * mebibyte, large_max, 40 * mebibyte})
        {
            blocks.push_back(allocate_block(bytes));
            require_last(bytes, 0);
        }
        release_blocks(blocks);
        require(visited().empty());
    });
}

void nothing_is_visited_before_the_first_block(void **)
{
    assert_alone([] { require(visited().empty()); });
}

// What a thread has in its bins: active and spare stacks, blocks of new spans and of those that came back.
void blocks_in_bins_are_not_visited(void **)
{
    assert_alone([] {
        Random random{1};
        std::vector<void *> ledger;
        bool spare_seen = false;
        for (unsigned round = 0; round < 60; round++)
        {
            for (unsigned step = 0; step < 2000; step++)
            {
                const size_t held = ledger.size();
                if (held != 0 && random.below(round % 2 == 0 ? 3 : 2) != 0)
                {
                    std::swap(ledger[random.below(held)], ledger.back());
                    release_block(ledger.back());
                    ledger.pop_back();
                }
                else
                    ledger.push_back(allocate_block(random.size(random.below(20) == 0 ? 17 : 11)));
            }
            for (unsigned index = 0; index < class_count; index++)
                spare_seen |= thread_words.self->first_in(Arena::FreeList::spare, index) != nullptr;
            require_visited(ledger);
        }
        require(spare_seen);
    });
}

void blocks_on_discarded_pages_are_not_visited(void **)
{
    assert_alone([] {
        Random random{2};
        std::vector<void *> blocks = allocate_blocks(40000, 200);
        for (size_t left = blocks.size(); left > 1; left--)
            std::swap(blocks[left - 1], blocks[random.below(left)]);
        std::vector<void *> ledger(blocks.begin(), blocks.begin() + 1500);
        release_blocks({blocks.begin() + 1500, blocks.end()});
        purge(0);
        const auto discarded = [&] {
            unsigned pages = 0;
            for (void *block : ledger)
                pages += span_pages_at(slice_of(record_of(block)))->discarded() != 0;
            return pages;
        };
        require(discarded() > 1000);
        require_visited(ledger);
        // Some are handed out again.
        for (void *block : allocate_blocks(3000, 200))
            ledger.push_back(block);
        require(discarded() > 100);
        require_visited(ledger);
    });
}

void blocks_between_two_threads_are_not_visited(void **)
{
    assert_alone([] {
        std::vector<void *> ledger;
        std::vector<void *> small;
        std::vector<void *> medium;
        std::latch allocated(1), done(1);
        Arena *owner = nullptr;
        std::thread sleeper([&] {
            small = allocate_blocks(3000, 64);
            medium = allocate_blocks(9, 40 * kibibyte);
            owner = thread_words.self;
            allocated.count_down();
            done.wait();
        });
        allocated.wait();
        ledger = small;
        ledger.insert(ledger.end(), medium.begin(), medium.end());
        require_visited(ledger);
        bool outbox_seen = false;
        bool inbox_seen = false;
        for (unsigned step = 0; step < 150; step++)
        {
            release_block(ledger.front());
            ledger.erase(ledger.begin());
            for (unsigned slot = 0; slot < outbox_slots; slot++)
                outbox_seen |= thread_words.self->first_in(Arena::FreeList::outbox, slot) != nullptr;
            inbox_seen |= owner->first_in(Arena::FreeList::inbox) != nullptr;
            require_visited(ledger);
        }
        require(outbox_seen && inbox_seen);
        release_block(ledger.back()); // a medium one goes at once
        ledger.pop_back();
        require_visited(ledger);
        done.count_down();
        sleeper.join();
        require_visited(ledger);
    });
}

void blocks_of_threads_that_ended_are_visited(void **)
{
    assert_alone([] {
        allocate_block(8);
        std::vector<void *> ledger = sorted_addresses(visited());
        Arena *arena = nullptr;
        in_thread([&] {
            std::vector<void *> blocks = allocate_blocks(100, 64);
            arena = thread_words.self;
            ledger.insert(ledger.end(), blocks.begin(), blocks.begin() + 50);
            release_blocks({blocks.begin() + 50, blocks.end()});
        });
        require(arena->warm && arena->first_in(Arena::FreeList::active, class_of(64)) != nullptr);
        require_visited(ledger);
        release_blocks({ledger.end() - 20, ledger.end()});
        ledger.resize(ledger.size() - 20);
        require_visited(ledger);
    });
}

// After the last round of the key's destructors a thread has no arena any more.
void blocks_that_a_thread_frees_at_its_end_are_not_visited(void **)
{
    assert_alone([] {
        std::vector<void *> ledger = allocate_blocks(100, 64);
        in_thread([&] {
            void *const own = allocate_block(64);
            for (unsigned round = 0; thread_words.self != nullptr && round < 10; round++)
                registry.thread_exits(thread_words.self);
            require(thread_words.free_arena == &ending_arena);
            release_block(ledger.back());
            ledger.pop_back();
            release_block(own);
            ledger.push_back(allocate_block(64));
            require_visited(ledger);
        });
        require_visited(ledger);
    });
}

// The child of a fork has the blocks of all threads of its parent, and what waited for them.
void a_child_visits_the_blocks_of_threads_it_has_lost(void **)
{
    assert_alone([] {
        hook_fork();
        std::vector<void *> ledger = allocate_blocks(500, 64);
        std::latch filled(1), done(1);
        std::thread thread([&] {
            std::vector<void *> blocks = allocate_blocks(3000, 64);
            release_blocks({blocks.begin() + 100, blocks.end()});
            blocks.resize(100);
            release_blocks({ledger.end() - 100, ledger.end()});
            ledger.resize(400);
            ledger.insert(ledger.end(), blocks.begin(), blocks.end());
            std::vector<void *> larger = allocate_blocks(6, 40 * kibibyte);
            release_block(larger.back());
            larger.pop_back();
            ledger.insert(ledger.end(), larger.begin(), larger.end());
            filled.count_down();
            done.wait();
        });
        filled.wait();
        const int status = status_of_child([&] {
            require_visited(ledger);
            release_blocks(ledger);
            require(visited().empty());
            if (thread_sanitizer)
                return; // it starts no thread in such a child
            in_thread([] { allocate_block(100); }); // takes the lost thread's arena
            require(visited().size() == 1);
        });
        require_visited(ledger);
        done.count_down();
        thread.join();
        require(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    });
}

void with_check_on_the_same_is_visited(void **)
{
    assert_watched([] {
        std::vector<void *> ledger = allocate_blocks(1000, 64);
        ledger.push_back(allocate_block(50 * kibibyte));
        release_blocks({ledger.begin(), ledger.begin() + 500});
        ledger.erase(ledger.begin(), ledger.begin() + 500);
        in_thread([&] { release_block(ledger[7]); });
        ledger.erase(ledger.begin() + 7);
        require_visited(ledger);
        require(is_watched());
    });
}

// A snapshot is nobody's lock.
void who_is_visiting_may_allocate_and_free(void **)
{
    assert_alone([] {
        const std::vector<void *> ledger = allocate_blocks(3000, 48);
        HeapSnapshot snapshot;
        require(take_snapshot(&snapshot) == SnapshotState::taken);
        size_t count = 0;
        std::vector<void *> added;
        snapshot.visit([&](const fastalloc_block &block) {
            added.push_back(allocate_block(48));
            added.push_back(allocate_block(10000));
            release_block(block.address);
            count++;
            return 0;
        });
        require(count == ledger.size());
        require_visited(added);
        require_whole_heap();
    });
}

void a_visit_ends_when_it_is_told_to(void **)
{
    assert_alone([] {
        allocate_blocks(3000, 48);
        HeapSnapshot snapshot;
        require(take_snapshot(&snapshot) == SnapshotState::taken);
        int count = 0;
        require(snapshot.visit([&](const fastalloc_block &) { return ++count == 5 ? 77 : 0; }) == 77);
        require(count == 5);
    });
}

void a_thread_that_holds_a_lock_is_told_so(void **)
{
    assert_alone([] {
        allocate_block(8);
        HeapSnapshot snapshot;
        {
            const ArenaGuard guard(thread_words.self);
            require(take_snapshot(&snapshot) == SnapshotState::busy);
        }
        require(take_snapshot(&snapshot) == SnapshotState::taken);
    });
}

void without_memory_for_it_there_is_no_snapshot(void **)
{
    assert_alone([] {
        allocate_blocks(100, 8);
        {
            HeapSnapshot snapshot;
            limit_growth(RLIMIT_AS, 0);
            require(take_snapshot(&snapshot) == SnapshotState::failed);
            require(blocks_in(snapshot).empty());
        }
        require_whole_heap(); // no lock is held
        require(allocate_block(8) != nullptr);
    });
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_of_block_is_visited_with_size_and_class),
        cmocka_unit_test(nothing_is_visited_before_the_first_block),
        cmocka_unit_test(blocks_in_bins_are_not_visited),
        cmocka_unit_test(blocks_on_discarded_pages_are_not_visited),
        cmocka_unit_test(blocks_between_two_threads_are_not_visited),
        cmocka_unit_test(blocks_of_threads_that_ended_are_visited),
        cmocka_unit_test(blocks_that_a_thread_frees_at_its_end_are_not_visited),
        cmocka_unit_test(a_child_visits_the_blocks_of_threads_it_has_lost),
        cmocka_unit_test(with_check_on_the_same_is_visited),
        cmocka_unit_test(who_is_visiting_may_allocate_and_free),
        cmocka_unit_test(a_visit_ends_when_it_is_told_to),
        cmocka_unit_test(a_thread_that_holds_a_lock_is_told_so),
        cmocka_unit_test(without_memory_for_it_there_is_no_snapshot),
    };
    return cmocka_run_group_tests_name("heap_visit", tests, nullptr, nullptr);
}
