// SPDX-License-Identifier: MIT
//
// Claims about a visit while other threads allocate and free: a block that is in use for the whole visit is visited
// once, one that is free for the whole visit is not.
//
// Threads share slots, each of which holds a block or none, so most blocks are freed by another thread than their own.
// Each thread has a log of the blocks it gets and frees, written before the free and after the allocation. What is in a
// slot when the visit begins and in no log since was in use throughout; what is in neither was free throughout, but for
// the block of the last operation before, which may go on. The logs are read when the threads have ended.
#include <atomic>
#include <unordered_set>

#include "visited_blocks.h"

using namespace fastalloc_test;

namespace
{

constexpr size_t slot_count = 3000;
constexpr unsigned worker_count = 4;
constexpr size_t log_max = size_t{1} << 22;

std::atomic<void *> slots[slot_count];

struct Worker
{
    std::vector<void *> log = std::vector<void *>(log_max);
    std::atomic<size_t> logged{0};

    // False if the log is full.
    bool write(void *block)
    {
        const size_t place = logged.load(std::memory_order_relaxed);
        log[place] = block;
        logged.store(place + 1);
        return place + 2 < log_max;
    }

    void run(uint64_t seed, const std::atomic<bool> &stop)
    {
        Random random{seed};
        for (bool room = true; room && !stop.load(std::memory_order_relaxed);)
        {
            std::atomic<void *> &slot = slots[random.below(slot_count)];
            void *const freed = slot.exchange(nullptr);
            if (freed != nullptr)
            {
                room = write(freed);
                memset(freed, 0x41, 8);
                release_block(freed);
                continue;
            }
            void *const got = allocate_block(random.size(random.below(50) == 0 ? 18 : 9));
            require(got != nullptr);
            memset(got, 0x42, 8);
            void *expected = nullptr;
            if (!slot.compare_exchange_strong(expected, got))
            {
                release_block(got);
                expected = got;
            }
            room = write(got);
        }
    }
};

struct Look
{
    std::vector<void *> held;          // in a slot before the visit
    std::vector<size_t> logged_before; // of each worker
    std::vector<size_t> logged_after;
    std::vector<fastalloc_block> visited;
};

Look look(const std::vector<Worker> &workers)
{
    Look seen;
    for (const Worker &worker : workers)
        seen.logged_before.push_back(worker.logged.load());
    for (const std::atomic<void *> &slot : slots)
        if (void *const block = slot.load())
            seen.held.push_back(block);
    seen.visited = visited();
    for (const Worker &worker : workers)
        seen.logged_after.push_back(worker.logged.load());
    return seen;
}

// Returns how many blocks were in use throughout.
size_t require_true(const Look &seen, const std::vector<Worker> &workers)
{
    // By operations during the visit, or that went on when it began, or had begun when it ended.
    std::unordered_set<void *> moved;
    for (size_t worker = 0; worker < workers.size(); worker++)
    {
        const size_t first = seen.logged_before[worker] > 0 ? seen.logged_before[worker] - 1 : 0;
        const size_t end = std::min(seen.logged_after[worker] + 1, workers[worker].logged.load());
        moved.insert(workers[worker].log.begin() + static_cast<long>(first),
                     workers[worker].log.begin() + static_cast<long>(end));
    }
    const std::unordered_set<void *> held(seen.held.begin(), seen.held.end());
    const std::vector<void *> found = sorted_addresses(seen.visited);
    require(std::adjacent_find(found.begin(), found.end()) == found.end());
    size_t held_throughout = 0;
    for (void *block : seen.held)
    {
        if (moved.contains(block))
            continue;
        held_throughout++;
        require(std::binary_search(found.begin(), found.end(), block));
    }
    for (void *block : found)
        require(moved.contains(block) || held.contains(block));
    return held_throughout;
}

void storm(const char *settings, uint64_t seed)
{
    assert_alone([=] {
        use_settings(settings);
        size_t held_throughout = 0;
        for (unsigned round = 0; round < 12; round++)
        {
            std::vector<Worker> workers(worker_count);
            std::vector<std::thread> threads;
            std::atomic<bool> stop{false};
            for (unsigned worker = 0; worker < worker_count; worker++)
                threads.emplace_back([&, worker] { workers[worker].run(seed * 1000 + round * 10 + worker, stop); });
            while (workers[0].logged.load() < 1000)
                std::this_thread::yield();
            std::vector<Look> seen;
            for (unsigned times = 0; times < 8; times++)
                seen.push_back(look(workers));
            stop = true;
            for (std::thread &thread : threads)
                thread.join();
            for (const Look &each : seen)
                held_throughout += require_true(each, workers);
        }
        require(held_throughout > 0);
        require_whole_heap();
        std::vector<void *> ledger;
        for (const std::atomic<void *> &slot : slots)
            if (slot.load() != nullptr)
                ledger.push_back(slot.load());
        require_visited(ledger);
    });
}

void a_visit_in_a_storm_finds_what_is_held(void **)
{
    storm("", 1);
    storm("", 2);
}

void a_visit_in_a_watched_storm_finds_what_is_held(void **)
{
    storm("check=on", 3);
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(a_visit_in_a_storm_finds_what_is_held),
        cmocka_unit_test(a_visit_in_a_watched_storm_finds_what_is_held),
    };
    return cmocka_run_group_tests_name("heap_visit_storm", tests, nullptr, nullptr);
}
