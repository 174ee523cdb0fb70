// SPDX-License-Identifier: MIT
//
// Claims about a fork by a signal handler that interrupted the allocator (registry.h): it ends, the parent goes on as if
// nothing had been, and in the child nobody waits for what another thread held.
#include <cerrno>
#include <latch>
#include <sys/mman.h>
#include <thread>
#include <vector>

#include "layers.h"

using namespace fastalloc_test;

extern "C" int __real_madvise(void *address, size_t length, int advice);
extern "C" int __wrap_madvise(void *address, size_t length, int advice);

namespace
{

constexpr size_t kib = kibibyte;

// Forks at the next MADV_DONTNEED, as a handler that interrupts it would.
bool fork_at_next_discard = false;
pid_t forked = -1;

bool ended_well(int status)
{
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// The two threads hold a lock each that the other wants next: arena before node heap, and a fork all from the first on.
void a_fork_that_others_wait_for_ends(void **)
{
    assert_alone([] {
        hook_fork();
        allocate_block(8);
        std::latch waits(1);
        NodeHeap &heap = node_heap(0);
        require(heap.lock.lock() == Lock::Outcome::taken); // from here on this is a handler
        Arena *others = nullptr;
        std::thread thread([&] {
            const Arena *const arena = thread_words.self;
            require(arena == nullptr);
            waits.count_down();
            release_blocks(allocate_blocks(100, kib)); // attaches: waits for the node heap with the registry's lock
            others = thread_words.self;
        });
        waits.wait();
        while (registry.lock.try_lock() == Lock::Outcome::taken)
            registry.lock.unlock();
        const int status = status_of_child([&] {
            heap.lock.unlock(); // the interrupted call goes on
            void *const block = allocate_block(300);
            release_block(block);
            allocate_slow(20 * kib); // may fail
// ThreadSanitizer allows no thread in the child of a process with threads.
#if !defined(__SANITIZE_THREAD__)
            std::thread([] { require(allocate_slow(100) == nullptr && errno == ENOMEM); }).join();
#endif
            require(!registry.lock_all());
            const int grandchild = status_of_child([] { release_block(allocate_slow(64)); });
            require(ended_well(grandchild));
        });
        require(ended_well(status));
        heap.lock.unlock();
        thread.join();
        require(others != nullptr && !others->abandoned);
        require_whole_heap();
    });
}

void a_fork_inside_a_fork_leaves_the_locks_to_the_outer_one(void **)
{
    assert_alone([] {
        hook_fork();
        allocate_block(8);
        registry.fork_prepare(); // from here on this is a handler
        const int status = status_of_child([] {
            require(registry.lock.held_by_me());
            registry.fork_parent(); // the interrupted fork goes on
            release_blocks(allocate_blocks(100, kib));
            require_whole_heap();
        });
        require(ended_well(status));
        require(registry.lock.held_by_me() && Lock::passes_now());
        registry.fork_parent();
        require(!registry.lock.held_by_me() && !Lock::passes_now());
        require_whole_heap();
    });
}

void a_fork_while_all_stands_still_does_not_end_that(void **)
{
    assert_alone([] {
        hook_fork();
        allocate_block(8);
        require(registry.lock_all()); // from here on this is a handler
        const int status = status_of_child([] {
            require(registry.lock.held_by_me());
            registry.unlock_all();
            require_whole_heap();
        });
        require(ended_well(status));
        require(registry.lock.held_by_me());
        registry.unlock_all();
        require_whole_heap();
    });
}

// The chunks that are on their way back are this thread's: in the child it brings them home as well.
void a_thread_that_gives_memory_back_goes_on_in_the_child(void **)
{
    assert_alone([] {
        hook_fork();
        const std::vector<void *> blocks = allocate_blocks(100, 2 * mebibyte);
        fork_at_next_discard = true;
        release_blocks(blocks);
        require(!fork_at_next_discard);
        require_whole_heap();
        release_blocks(allocate_blocks(100, 2 * mebibyte));
        require_whole_heap();
        if (forked == 0)
            _exit(0);
        int status = -1;
        require(waitpid(forked, &status, 0) == forked && ended_well(status));
    });
}

} // namespace

extern "C" int __wrap_madvise(void *address, size_t length, int advice)
{
    if (fork_at_next_discard && advice == MADV_DONTNEED)
    {
        fork_at_next_discard = false;
        forked = fork();
    }
    return __real_madvise(address, length, advice);
}

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(a_fork_that_others_wait_for_ends),
        cmocka_unit_test(a_fork_inside_a_fork_leaves_the_locks_to_the_outer_one),
        cmocka_unit_test(a_fork_while_all_stands_still_does_not_end_that),
        cmocka_unit_test(a_thread_that_gives_memory_back_goes_on_in_the_child),
    };
    return cmocka_run_group_tests_name("fork_in_handler", tests, nullptr, nullptr);
}
