// SPDX-License-Identifier: MIT
//
// Several threads do everything at once, from a seed, while one of them looks on: no block is lost, shared or changed by
// anybody but its holder, the heap is whole at every look, and in the end everything has come back.
#include "arena/budget.h"
#include "arena/purge.h"
#include "watch/statistics.h"

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "layers.h"

using namespace fastalloc_test;

namespace
{

constexpr unsigned thread_count = 4;
constexpr unsigned places = 64; // where blocks lie that any thread may take
constexpr auto duration = std::chrono::milliseconds(1200);

// Stands at the beginning of each block, and its mark once more at its end.
struct Header
{
    size_t size;
    uint64_t mark;
};

std::atomic<Header *> shared[places] = {};
std::atomic<bool> stop{false};

uint64_t mark_of(const Header *block, size_t size)
{
    return (reinterpret_cast<uintptr_t>(block) ^ size) * 0x9e3779b97f4a7c15;
}

Header *sign(void *memory, size_t size)
{
    require(memory != nullptr);
    auto *const block = static_cast<Header *>(memory);
    *block = {size, mark_of(block, size)};
    memcpy(static_cast<char *>(memory) + size - sizeof(block->mark), &block->mark, sizeof(block->mark));
    return block;
}

void require_signed(const Header *block)
{
    require(block->mark == mark_of(block, block->size));
    require(memcmp(reinterpret_cast<const char *>(block) + block->size - sizeof(block->mark), &block->mark,
                   sizeof(block->mark)) == 0);
}

// Mostly small, now and then medium or large, seldom outside.
size_t random_size(Random &random)
{
    const size_t dice = random.below(1000);
    const unsigned doublings = dice < 900 ? 10 : dice < 980 ? 13 : dice < 997 ? 18 : dice < 999 ? 22 : 26;
    return sizeof(Header) + sizeof(uint64_t) + random.size(doublings);
}

class Worker
{
public:
    explicit Worker(uint64_t seed) : random_{seed}
    {
    }

    void run_until_stopped()
    {
        while (!stop.load(std::memory_order_relaxed))
            step();
        for (Header *block : held_)
            release(block);
    }

    void run(unsigned steps)
    {
        for (unsigned number = 0; number < steps; number++)
            step();
        for (Header *block : held_)
            release(block);
    }

private:
    void release(Header *block)
    {
        require_signed(block);
        block->mark = 0;
        release_block(block);
    }

    Header *take_held()
    {
        std::swap(held_.back(), held_[random_.below(held_.size())]);
        Header *const block = held_.back();
        held_.pop_back();
        return block;
    }

    void step()
    {
        const size_t dice = random_.below(100);
        if (held_.empty() || (dice < 45 && held_.size() < 400))
        {
            const size_t size = random_size(random_);
            const size_t alignment = dice < 3 ? size_t{16} << random_.below(10) : size_t{16};
            void *const memory =
                dice < 3 ? allocate_aligned(size, alignment, Call::aligned_alloc) : allocate_block(size);
            require(is_multiple(reinterpret_cast<uintptr_t>(memory), alignment));
            held_.push_back(sign(memory, size));
        }
        else if (dice < 75)
            release(take_held());
        else if (dice < 90)
        {
            // Somebody else's block for one of mine.
            Header *const other = shared[random_.below(places)].exchange(take_held());
            if (other != nullptr)
            {
                require_signed(other);
                held_.push_back(other);
            }
        }
        else if (dice < 99)
        {
            Header *const block = take_held();
            require_signed(block);
            const Header before = *block;
            const size_t size = random_size(random_);
            auto *const moved = static_cast<Header *>(reallocate(block, size));
            require(moved != nullptr && moved->size == before.size && moved->mark == before.mark);
            held_.push_back(sign(moved, size));
        }
        else if (random_.below(20) == 0)
            registry.ask_all_to_flush();
        else if (random_.below(200) == 0)
            purge(0);
    }

    Random random_;
    std::vector<Header *> held_;
};

void a_crowd_leaves_a_whole_and_empty_heap(void **)
{
    assert_alone([] {
        load_options_once();
        std::vector<std::thread> threads;
        for (uint64_t seed = 1; seed <= thread_count; seed++)
            threads.emplace_back([seed] { Worker(seed).run_until_stopped(); });
        const auto end = std::chrono::steady_clock::now() + duration;
        for (uint64_t seed = 100; std::chrono::steady_clock::now() < end; seed++)
        {
            in_thread([seed] { Worker(seed).run(200); }); // one that comes and goes
            require_whole_heap();
            fastalloc_stats stats;
            require(gather_statistics(&stats, Accuracy::exact));
            require(stats.attached_threads <= stats.arenas && stats.arenas <= thread_count + 1);
        }
        stop = true;
        for (std::thread &thread : threads)
            thread.join();
        for (std::atomic<Header *> &place : shared)
            if (Header *const block = place.exchange(nullptr))
            {
                require_signed(block);
                release_block(block);
            }
        purge(0);
        require_whole_heap();
        fastalloc_stats stats;
        require(gather_statistics(&stats, Accuracy::exact));
        require(stats.live_bytes == 0 && stats.cached_bytes == 0 && stats.inbox_bytes == 0 && stats.lease_bytes == 0);
        require(stats.outside_blocks == 0 && stats.slack_bytes == 0);
        require(handed_out_bytes() == 0 && node_heap(0).charged == 0 && fund.leased() == 0);
        // The arenas are all that is left.
        require(stats.open_bytes <= stats.arenas * chunk_bytes);
    });
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(a_crowd_leaves_a_whole_and_empty_heap),
    };
    return cmocka_run_group_tests_name("crowd", tests, nullptr, nullptr);
}
