// SPDX-License-Identifier: MIT
//
// layers.h - what the tests of os, heap and arena share. Include it last: it ends with cmocka.h, whose macros disturb
// other headers.
//
// The allocator is one set of objects in a process. A test that wants them untouched, starts threads, sets a limit or
// ends badly runs in a child process (assert_alone, assert_dies), so no test depends on the one before. cmocka's
// assertions leave a test by longjmp, which neither a child nor a thread can do: these use require(), which ends the
// child with a line that says where.
#pragma once

#include "arena/allocate.h"
#include "arena/arena_guard.h"
#include "arena/registry.h"
#include "base/text.h"
#include "heap/outside.h"
#include "heap/root.h"
#include "os/options.h"
#include "watch/heap_check.h"

#include "captured_stderr.h"

#include <csetjmp>
#include <csignal>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <latch>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

extern "C" {
#include <cmocka.h>
}

namespace fastalloc_test
{

using namespace fastalloc;

// ---- claims inside children and threads ----------------------------------------------------------------------------

// std::source_location, which clang has from version 16 on only.
struct Place
{
    const char *file;
    unsigned line;
    const char *function;

    static constexpr Place caller(const char *file = __builtin_FILE(), unsigned line = __builtin_LINE(),
                                  const char *function = __builtin_FUNCTION())
    {
        return {file, line, function};
    }
};

inline void require(bool met, Place where = Place::caller())
{
    if (met)
        return;
    fprintf(stderr, "%s:%u: not so, in %s\n", where.file, where.line, where.function);
    _exit(1);
}

// The same for functions that name what is wrong, and return null if nothing is.
inline void require_sound(const char *broken, Place where = Place::caller())
{
    if (broken != nullptr)
        fprintf(stderr, "%s\n", broken);
    require(broken == nullptr, where);
}

inline void require_whole_heap(Place where = Place::caller())
{
    char bytes[200];
    Text report(bytes, sizeof(bytes));
    const HeapState state = check_heap(&report);
    require_sound(state == HeapState::broken ? report.string() : nullptr, where);
    require(state == HeapState::whole, where);
}

// For tests that take slices without making anything of them, of which a heap check would complain.
inline void require_sound_chunks(Place where = Place::caller())
{
    for_each_node_heap([&](NodeHeap &heap) {
        const Guard guard(heap.lock);
        require_sound(heap.verify(), where);
    });
}

// ---- children ------------------------------------------------------------------------------------------------------

// How a child ended that ran `body`; it is stopped if it takes too long.
template <typename Body>
int status_of_child(Body body)
{
    const pid_t child = fork();
    if (child == 0)
    {
        for (const int crash : {SIGSEGV, SIGBUS, SIGFPE, SIGILL})
            signal(crash, SIG_DFL); // cmocka's handlers would report to its runner, which is not here
        alarm(25);
        body();
        _exit(0);
    }
    int status = -1;
    waitpid(child, &status, 0);
    return status;
}

template <typename Body>
void assert_alone(Body body)
{
    const int status = status_of_child(body);
    if (WIFSIGNALED(status))
        fail_msg("the child was ended by signal %d", WTERMSIG(status));
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

// `body` must end with SIGABRT and one line that contains `reason`.
template <typename Body>
void assert_dies(const char *reason, Body body)
{
    int status = 0;
    const Captured captured = capture([&] { status = status_of_child(body); });
    if (!captured.has(reason))
        fail_msg("expected \"%s\", got \"%s\"", reason, captured.text);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_int_equal(captured.lines(), 1);
}

// What the library's constructor does.
inline void hook_fork()
{
    pthread_atfork([] { registry.fork_prepare(); }, [] { registry.fork_parent(); }, [] { registry.fork_child(); });
}

// ---- surroundings of a child ---------------------------------------------------------------------------------------

inline void use_settings(const char *settings)
{
    load_options_once(); // else the first allocation would put the environment's in their place
    options_load({.variable = settings});
}

// Bytes of this process that RLIMIT_AS or RLIMIT_DATA counts.
inline uint64_t counted_bytes(__rlimit_resource resource)
{
    FILE *const file = fopen("/proc/self/statm", "r");
    unsigned long whole = 0;
    unsigned long data = 0;
    require(file != nullptr && fscanf(file, "%lu %*u %*u %*u %*u %lu", &whole, &data) == 2);
    fclose(file);
    return (resource == RLIMIT_AS ? whole : data) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

// Allows `bytes` more than there are.
inline void limit_growth(__rlimit_resource resource, uint64_t bytes)
{
    const rlim_t limit = counted_bytes(resource) + bytes;
    const rlimit limits = {limit, limit};
    require(setrlimit(resource, &limits) == 0);
}

// ---- numbers that are the same on every run: splitmix64 ------------------------------------------------------------

struct Random
{
    uint64_t state;

    uint64_t next()
    {
        uint64_t word = state += 0x9e3779b97f4a7c15u;
        word = (word ^ (word >> 30)) * 0xbf58476d1ce4e5b9u;
        word = (word ^ (word >> 27)) * 0x94d049bb133111ebu;
        return word ^ (word >> 31);
    }

    // 0 to bound - 1.
    size_t below(size_t bound)
    {
        return static_cast<size_t>(next() % bound);
    }

    // 1 to 2^max_shift, each doubling equally often.
    size_t size(unsigned max_shift)
    {
        const size_t top = size_t{1} << below(max_shift);
        return top + below(top) + 1;
    }
};

// ---- blocks, as malloc and free take and give them -------------------------------------------------------------------

inline void *allocate_block(size_t size)
{
    void *const block = size <= small_max ? allocate_fast(size) : nullptr;
    return block != nullptr ? block : allocate_slow(size);
}

inline void release_block(void *block)
{
    if (!release_fast(block))
        release_slow(block);
}

inline std::vector<void *> allocate_blocks(size_t count, size_t size)
{
    std::vector<void *> blocks;
    for (size_t number = 0; number < count; number++)
    {
        blocks.push_back(allocate_block(size));
        require(blocks.back() != nullptr);
    }
    return blocks;
}

inline void release_blocks(const std::vector<void *> &blocks)
{
    for (void *block : blocks)
        release_block(block);
}

template <typename Body>
void assert_watched(Body body)
{
    assert_alone([&] {
        use_settings("check=on");
        body();
        require_whole_heap();
    });
}

inline bool is_watched()
{
    return thread_words.malloc_arena == first_view() && thread_words.free_arena == first_view();
}

template <typename Body>
void in_thread(Body body)
{
    std::thread(body).join();
}

// A thread has 20 blocks of 1 KiB and ends. `release` frees some of them in another thread's outbox before; that thread
// ends when the calling thread has taken their span over. Returns the blocks, with one of the caller's own in the span
// behind them.
template <typename Release>
std::vector<void *> release_for_an_owner_that_ends(Release release)
{
    allocate_block(8);
    std::vector<void *> blocks;
    std::latch allocated(1), freed(1), adopted(1);
    std::thread owner([&] {
        blocks = allocate_blocks(20, kibibyte);
        allocated.count_down();
        freed.wait();
    });
    std::thread freer([&] {
        allocated.wait();
        release(blocks);
        freed.count_down();
        adopted.wait();
    });
    owner.join();
    void *const mine = allocate_block(kibibyte);
    require(record_of(mine) == record_of(blocks[0]) && record_of(mine)->owner.load() == thread_words.self);
    require_whole_heap();
    adopted.count_down();
    freer.join();
    blocks.push_back(mine);
    return blocks;
}

inline Arena *owner_of(const void *block)
{
    return record_of(block)->owner.load();
}

inline NodeHeap::Figures figures_of(NodeHeap &heap)
{
    const Guard guard(heap.lock);
    return heap.figures();
}

inline Arena::Figures figures_of(Arena *arena)
{
    const Guard guard(arena->lock);
    return arena->figures();
}

// Bytes of all blocks of spans and of large blocks that are not back where they came from.
inline uint64_t handed_out_bytes()
{
    int64_t bytes = 0;
    for_each_node_heap([&](const NodeHeap &heap) { bytes += static_cast<int64_t>(heap.handed_out.load()); });
    for (Arena *arena = registry.first(); arena != nullptr; arena = arena->next_arena)
        bytes += figures_of(arena).handed_out_pending;
    return static_cast<uint64_t>(bytes);
}

// First and last eight bytes say whose the block is; blocks below 16 bytes only what fits.
inline void stamp(void *block, size_t size, uint64_t mark)
{
    const size_t bytes = size < sizeof(mark) ? size : sizeof(mark);
    memcpy(block, &mark, bytes);
    memcpy(static_cast<char *>(block) + size - bytes, &mark, bytes);
}

inline bool is_stamped(const void *block, size_t size, uint64_t mark)
{
    const size_t bytes = size < sizeof(mark) ? size : sizeof(mark);
    const char *const last = static_cast<const char *>(block) + size - bytes;
    return memcmp(last, &mark, bytes) == 0 && (size < 2 * bytes || memcmp(block, &mark, bytes) == 0);
}

} // namespace fastalloc_test
