// SPDX-License-Identifier: MIT
//
// Claims about watch/watched.cpp: whoever puts other words before a thread (its end, malloc_trim, a fork) puts watched
// ones there, so no call passes by unseen.
#include "arena/purge.h"
#include "watch/live_blocks.h"

#include <csignal>
#include <latch>
#include <pthread.h>
#include <thread>
#include <vector>

#include "layers.h"

using namespace fastalloc_test;

namespace
{

constexpr size_t kib = kibibyte;

// ---- the end of a thread -------------------------------------------------------------------------------------------

char left_to_the_end[1]; // an address, for its value
std::vector<void *> from_the_end;
void *freed_at_the_end;

// Runs `last_words` in a thread whose arena is gone already: its key was made after the registry's, and its destructor
// puts it off to the last round.
void after_the_arena(void (*last_words)())
{
    static pthread_key_t key;
    static void (*words)();
    words = last_words;
    static const auto destructor = [](void *) {
        if (thread_words.self != nullptr)
            pthread_setspecific(key, left_to_the_end);
        else
            words();
    };
    allocate_block(8); // the registry's key
    require(pthread_key_create(&key, destructor) == 0);
    in_thread([] {
        allocate_block(8);
        pthread_setspecific(key, left_to_the_end);
    });
}

void a_thread_without_an_arena_any_more_is_watched(void **)
{
    assert_watched([] {
        freed_at_the_end = allocate_block(64);
        after_the_arena([] {
            require(thread_words.malloc_arena == &ending_arena && view_of(&stray_arena) == first_view());
            for (const size_t size : {size_t{8}, 20 * kib, 300 * kib})
            {
                void *const block = allocate_block(size);
                require(live_blocks.contains(block));
                from_the_end.push_back(reallocate(block, 2 * size));
            }
            release_block(freed_at_the_end);
        });
        require(from_the_end.size() == 3 && !live_blocks.contains(freed_at_the_end));
        for (void *block : from_the_end)
        {
            require(live_blocks.contains(block));
            release_block(block);
        }
    });
}

void its_double_free_is_seen(void **)
{
    assert_dies("double free of a 64-byte block", [] {
        use_settings("check=on");
        freed_at_the_end = allocate_block(64);
        release_block(freed_at_the_end);
        after_the_arena([] { release_block(freed_at_the_end); });
    });
}

// ---- threads asked to flush ----------------------------------------------------------------------------------------

// `first_call` is the first of a thread that another one's purge has asked to flush.
template <typename Call>
void assert_watched_after_a_purge(Call first_call)
{
    assert_watched([&] {
        std::latch filled(1), purged(1);
        std::thread thread([&] {
            const std::vector<void *> blocks = allocate_blocks(100, 64);
            release_blocks({blocks.begin() + 1, blocks.end()});
            filled.count_down();
            purged.wait();
            require(thread_words.malloc_arena == &empty_arena);
            first_call(blocks[0]);
            require(is_watched());
        });
        filled.wait();
        purge(0);
        purged.count_down();
        thread.join();
    });
}

void a_thread_that_flushes_for_a_purge_goes_on_watched(void **)
{
    assert_watched_after_a_purge([](void *block) {
        require(live_blocks.contains(allocate_block(64)));
        require(live_blocks.contains(block));
    });
    assert_watched_after_a_purge([](void *block) {
        release_block(block);
        require(!live_blocks.contains(block));
    });
    assert_watched_after_a_purge([](void *block) {
        block = reallocate(block, 1000);
        require(live_blocks.contains(block));
    });
    assert_watched_after_a_purge([](void *block) {
        require(usable_size(Call::malloc_usable_size, block) == 64); // restores nothing
        release_block(block);
    });
}

// The call between the asking and the flush.
void misuse_while_asked_to_flush_is_seen(void **)
{
    const auto as_asked = [](void (*misuse)(void *)) {
        return [misuse] {
            use_settings("check=on");
            const std::vector<void *> blocks = allocate_blocks(2, 64); // the second keeps their span
            release_block(blocks[0]);
            in_thread([] { purge(0); });
            require(thread_words.malloc_arena == &empty_arena);
            misuse(blocks[0]);
        };
    };
    assert_dies("free(", as_asked([](void *block) { release_block(block); }));
    assert_dies("realloc(", as_asked([](void *block) { reallocate(block, 1000); }));
    assert_dies("malloc_usable_size(", as_asked([](void *block) { usable_size(Call::malloc_usable_size, block); }));
}

void a_thread_that_never_called_asks_without_an_arena(void **)
{
    assert_dies("malloc_usable_size(", [] {
        use_settings("check=on");
        void *const block = allocate_block(64);
        release_block(block);
        in_thread([&] { usable_size(Call::malloc_usable_size, block); });
    });
}

// ---- fork ----------------------------------------------------------------------------------------------------------

void the_child_of_a_fork_knows_the_blocks_of_both(void **)
{
    assert_watched([] {
        hook_fork();
        std::latch filled(1), done(1);
        const std::vector<void *> mine = allocate_blocks(50, 64);
        std::vector<void *> others;
        std::thread thread([&] {
            others = allocate_blocks(500, 640);
            release_block(mine.front()); // in its outbox
            filled.count_down();
            done.wait();
            release_blocks(others);
        });
        filled.wait();
        const int status = status_of_child([&] {
            require(is_watched());
            release_blocks(others);
            release_blocks({mine.begin() + 1, mine.end()});
            release_blocks(allocate_blocks(500, 640));
            registry.tidy(0);
            require_whole_heap();
        });
        require(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        done.count_down();
        thread.join(); // the child's frees were none of ours
    });
}

void a_block_freed_by_parent_and_by_child_is_freed_once_in_each(void **)
{
    assert_watched([] {
        hook_fork();
        void *const block = allocate_block(64);
        const int status = status_of_child([&] { release_block(block); });
        require(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        require(live_blocks.contains(block));
        release_block(block);
    });
    assert_dies("double free of a 64-byte block", [] {
        use_settings("check=on");
        hook_fork();
        void *const block = allocate_block(64);
        release_block(block);
        const int status = status_of_child([&] { release_block(block); });
        require(WIFSIGNALED(status));
        raise(WTERMSIG(status));
    });
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(a_thread_without_an_arena_any_more_is_watched),
        cmocka_unit_test(its_double_free_is_seen),
        cmocka_unit_test(a_thread_that_flushes_for_a_purge_goes_on_watched),
        cmocka_unit_test(misuse_while_asked_to_flush_is_seen),
        cmocka_unit_test(a_thread_that_never_called_asks_without_an_arena),
        cmocka_unit_test(the_child_of_a_fork_knows_the_blocks_of_both),
        cmocka_unit_test(a_block_freed_by_parent_and_by_child_is_freed_once_in_each),
    };
    return cmocka_run_group_tests_name("watched_threads", tests, nullptr, nullptr);
}
