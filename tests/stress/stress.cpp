// SPDX-License-Identifier: MIT
//
// stress.cpp - everything at once, for as long as wanted, from a seed: `stress [SEED [SECONDS]]`. Without a
// seed, or with 0, it draws one.
//
// Six phases share the time. A phase runs rounds; in a round each thread draws all its decisions from (seed, phase,
// round, thread), so a seed that failed makes the same calls again; only how threads meet differs. Every block is
// filled and verified by whoever frees it. After each phase all blocks are freed, the heap must be whole and its
// figures sane. Writes TAP; the seed comes first, and again after a failure.
#include <atomic>
#include <memory>
#include <new>
#include <sys/random.h>
#include <thread>
#include <vector>

#include "../support.h"

#include "../children.h"
#include "../parcel.h"

#include "calls.h"

namespace
{

constexpr unsigned crowd = 4;

uint64_t seed_of_run;
shelf common = {1024, {}};

uint64_t mix(uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t state = seed_of_run ^ a * 0x100000001b3u ^ b << 20 ^ c << 44;
    return next_random(&state);
}

// What a phase is given: which it is, and when it has to stop.
struct Phase
{
    unsigned number;
    std::atomic<bool> over{false};

    uint64_t seed(unsigned round, unsigned thread) const
    {
        return mix(number, round, thread);
    }
};

// Runs body(thread) in `crowd` threads and waits for them.
template <typename Body>
void in_crowd(Body body)
{
    std::thread threads[crowd];
    for (unsigned index = 0; index < crowd; index++)
        threads[index] = std::thread(body, index);
    for (std::thread &thread : threads)
        thread.join();
}

// ---- the phases: each function is one round ----------------------------------------------------------------------

// Every call of the malloc family and every operator, at all sizes, by threads that keep to themselves.
void churn(Phase &phase, unsigned round)
{
    in_crowd([&, round](unsigned thread) {
        uint64_t random = phase.seed(round, thread);
        std::vector<Held> table(400);
        const unsigned max_shift = next_random(&random) % 3 ? 12 : 17;
        for (int step = 0; step < 12000; step++)
        {
            Held &held = table[next_random(&random) % table.size()];
            if (held.block && next_random(&random) % 4 == 0)
                resize(held, random_size(&random, max_shift), next_random(&random));
            else if (held.block)
                release(held, next_random(&random));
            else
                allocate(held, random_size(&random, max_shift) - 1, next_random(&random));
        }
        for (Held &held : table)
            release(held, next_random(&random));
    });
}

// One size at a time, all sizes in turn: whoever takes a block from the shelf frees it.
void free_remotely(Phase &phase, unsigned round)
{
    in_crowd([&, round](unsigned thread) {
        uint64_t random = phase.seed(round, thread);
        uint64_t sizes = phase.seed(round, 99); // the same for all threads
        for (int turn = 0; turn < 24; turn++)
        {
            const size_t size = random_size(&sizes, 19);
            const size_t count = size < 16 * kib ? 600 : 8 * mib / size;
            for (size_t index = 0; index < count; index++)
                open_parcel(exchange_parcel(&common, next_random(&random), make_parcel(size, random)));
        }
    });
}

// Each thread hands bursts of blocks to the next, which frees them first in first out, last in first out, or shuffled.
void pass_bursts(Phase &phase, unsigned round)
{
    static std::atomic<std::vector<parcel *> *> mailboxes[crowd];
    in_crowd([&, round](unsigned thread) {
        uint64_t random = phase.seed(round, thread);
        for (int burst = 0; burst < 12; burst++)
        {
            auto parcels = std::make_unique<std::vector<parcel *>>();
            const unsigned max_shift = 6 + next_random(&random) % 10;
            for (size_t bytes = 0; bytes < mib && parcels->size() < 20000;)
            {
                parcels->push_back(make_parcel(random_size(&random, max_shift), random));
                require(parcels->back() != nullptr);
                bytes += parcels->back()->bytes;
            }
            if (next_random(&random) % 3 == 0)
                for (size_t index = parcels->size() - 1; index > 0; index--)
                    std::swap((*parcels)[index], (*parcels)[next_random(&random) % (index + 1)]);
            else if (next_random(&random) % 2)
                for (size_t index = 0; index < parcels->size() / 2; index++)
                    std::swap((*parcels)[index], (*parcels)[parcels->size() - 1 - index]);
            parcels.reset(mailboxes[(thread + 1) % crowd].exchange(parcels.release()));
            if (!parcels)
                parcels.reset(mailboxes[thread].exchange(nullptr));
            for (size_t index = 0; parcels && index < parcels->size(); index++)
                open_parcel((*parcels)[index]);
        }
    });
    for (auto &mailbox : mailboxes)
    {
        std::unique_ptr<std::vector<parcel *>> parcels(mailbox.exchange(nullptr));
        for (size_t index = 0; parcels && index < parcels->size(); index++)
            open_parcel((*parcels)[index]);
    }
}

// Threads come and go; their blocks stay on the shelf for others to free.
void come_and_go(Phase &phase, unsigned round)
{
    in_crowd([&, round](unsigned thread) {
        uint64_t random = phase.seed(round, thread);
        for (int generation = 0; generation < 12; generation++)
        {
            const uint64_t child_seed = next_random(&random);
            std::thread child(exchange_parcels, &common, child_seed, 60, 12u);
            if (generation % 3)
                exchange_parcels(&common, next_random(&random), 40, 12);
            child.join();
        }
    });
}

// Forks while threads exchange blocks; children use the parent's blocks and theirs, some start threads or fork again.
void fork_storm(Phase &phase, unsigned round)
{
    static const auto live_as_child = [](void *argument) {
        clear_shelf(&common);
        const uint64_t random = *static_cast<uint64_t *>(argument);
        exchange_parcels(&common, random, 100, 12);
        if (random % 8 == 0)
            std::thread(exchange_parcels, &common, random, 50, 12u).join();
        clear_shelf(&common);
        require_whole_heap();
    };
    std::atomic<unsigned> forking{2};
    in_crowd([&, round](unsigned thread) {
        uint64_t random = phase.seed(round, thread);
        if (thread >= 2)
        {
            while (forking.load(std::memory_order_relaxed))
                exchange_parcels(&common, next_random(&random), 50, 13);
            return;
        }
        for (int child = 0; child < 6 && !requirements_unmet; child++)
        {
            uint64_t child_seed = next_random(&random);
            require(run_child(live_as_child, &child_seed, 30) == 0);
        }
        forking--;
    });
}

// Threads allocate while another asks for all the allocator can tell and has it trim.
void watch(Phase &phase, unsigned round)
{
    std::atomic<unsigned> working{crowd - 1};
    in_crowd([&, round](unsigned thread) {
        uint64_t random = phase.seed(round, thread);
        if (thread != 0)
        {
            exchange_parcels(&common, random, 4000, 13);
            working--;
            return;
        }
        while (working.load(std::memory_order_relaxed))
        {
            fastalloc_stats stats;
            require(fastalloc_get_stats(&stats, sizeof stats) == 0);
            require(stats.attached_threads <= stats.arenas);
            require_whole_heap();
            switch (next_random(&random) % 4)
            {
            case 0:
                malloc_trim(0);
                break;
            case 1:
                require(mallinfo2().uordblks < 64 * gib);
                break;
            default:
                break;
            }
            exchange_parcels(&common, next_random(&random), 20, 13);
        }
    });
}

struct NamedRound
{
    const char *name;
    void (*run)(Phase &phase, unsigned round);
};

constexpr NamedRound phases[] = {
    {"all_calls_at_all_sizes_keep_blocks_whole", churn},
    {"blocks_freed_by_other_threads_are_whole", free_remotely},
    {"bursts_passed_from_thread_to_thread_are_whole", pass_bursts},
    {"blocks_outlive_threads_that_come_and_go", come_and_go},
    {"forked_children_find_a_whole_heap", fork_storm},
    {"figures_checks_and_trims_disturb_nobody", watch},
};
constexpr unsigned phase_count = sizeof phases / sizeof *phases;

double seconds_now()
{
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// What must hold when nobody allocates any more.
void check_figures(const fastalloc_stats &before)
{
    fastalloc_stats after;
    require_whole_heap();
    require(fastalloc_get_stats(&after, sizeof after) == 0);
    require(growth(before.live_bytes, after.live_bytes) <= 256 * kib);
    require(after.outside_blocks == before.outside_blocks);
    require(after.outside_bytes == before.outside_bytes);
    require(after.open_bytes <= after.committed_bytes);
    require(after.live_bytes + after.cached_bytes <= after.open_bytes);
    require(after.inbox_bytes <= after.arenas * 128 * kib);
    require(after.attached_threads <= 2);
    require(after.arenas <= 64);
}

// Runs rounds of a phase for `seconds`, at least one. Whether nothing was wrong.
bool run_phase(unsigned number, double seconds)
{
    Phase phase;
    phase.number = number;
    fastalloc_stats before;
    require(fastalloc_get_stats(&before, sizeof before) == 0);
    const double end = seconds_now() + seconds;
    unsigned round = 0;
    do
        phases[number].run(phase, round++);
    while (seconds_now() < end && !requirements_unmet);
    clear_shelf(&common);
    check_figures(before);
    printf("# %u rounds\n", round);
    return __atomic_exchange_n(&requirements_unmet, 0, __ATOMIC_RELAXED) == 0;
}

} // namespace

int main(int count, char **arguments)
{
    if (count > 1)
        seed_of_run = strtoull(arguments[1], nullptr, 0);
    if (seed_of_run == 0 && getrandom(&seed_of_run, 4, 0) != 4)
        seed_of_run = static_cast<uint64_t>(time(nullptr));
    const double seconds = count > 2 ? strtod(arguments[2], nullptr) : 10;
    setvbuf(stdout, nullptr, _IOLBF, 0);
    printf("# seed %ju\n1..%u\n", static_cast<uintmax_t>(seed_of_run), phase_count);
    alarm(static_cast<unsigned>(seconds * 10) + 60);

    unsigned failed = 0;
    for (unsigned number = 0; number < phase_count; number++)
    {
        const bool good = run_phase(number, seconds / phase_count);
        printf("%s %u - %s\n", good ? "ok" : "not ok", number + 1, phases[number].name);
        if (!good)
            printf("# again with: stress %ju %g\n", static_cast<uintmax_t>(seed_of_run), seconds);
        failed += !good;
    }
    return failed ? 1 : 0;
}
