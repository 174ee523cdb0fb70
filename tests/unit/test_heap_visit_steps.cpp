// SPDX-License-Identifier: MIT
//
// Claims about a visit that meets another thread in the middle of a call of malloc or free: at whichever instruction that
// was stopped, its own block alone may be taken for live or free.
//
// The processor traps after each instruction of the call, and the handler lets another thread visit at the one it is
// asked for, while the call stands. Only where the visitor waits for the thread (it holds a lock, or hands a batch over)
// the call goes on until that is over. Each call is made as often as it has instructions. For processors that have a
// flag for this.
#include <atomic>
#include <functional>
#include <unordered_map>

#include "visited_blocks.h"

using namespace fastalloc_test;

namespace
{

enum class Use : uint8_t
{
    held,
    unknown, // it is what the call is about
    freed,
};

std::unordered_map<void *, Use> known; // by the thread that is stopped; the visitor reads while it stands
size_t visits;

// What is held is visited, what was freed is not.
void require_as_known()
{
    size_t held = 0;
    for (const fastalloc_block &block : visited())
    {
        const auto found = known.find(block.address);
        require(found == known.end() || found->second != Use::freed);
        held += found != known.end() && found->second == Use::held;
    }
    size_t all = 0;
    for (const auto &[block, use] : known)
        all += use == Use::held;
    require(held == all);
    visits++;
}

// ---- the visitor -------------------------------------------------------------------------------------------------

enum class Turn
{
    nobodys,
    visitors,
    over,
};
std::atomic<Turn> turn{Turn::nobodys};

void pass_turn_to(Turn whose)
{
    turn = whose;
    turn.notify_all();
}

void run_visitor()
{
    for (;;)
    {
        const Turn now = turn.load();
        if (now == Turn::over)
            return;
        if (now == Turn::visitors)
        {
            require_as_known();
            pass_turn_to(Turn::nobodys);
        }
        turn.wait(Turn::nobodys);
    }
}

// ---- the thread that is stopped ------------------------------------------------------------------------------------

size_t instructions; // of the call that have been made
size_t visited_at;   // the visit is to begin at this one

void step(int)
{
    if (++instructions == visited_at)
    {
        pass_turn_to(Turn::visitors);
        if (thread_words.self->is_handing_over())
            usleep(20000); // a visitor that would not wait is done by then
    }
    if (instructions >= visited_at && may_wait() && !thread_words.self->is_handing_over())
        turn.wait(Turn::visitors);
}

constexpr unsigned long trap_flag = 0x100;

// Returns whether the visit has begun before the call's end. Not inlined, and with calls of its own: the red zone is not
// in use where the flags are pushed.
template <typename Call>
__attribute__((noinline)) bool visit_at(size_t instruction, Call call)
{
    instructions = 0;
    visited_at = instruction;
    asm volatile("pushfq\n orq %0, (%%rsp)\n popfq" ::"i"(trap_flag) : "memory", "cc");
    call();
    asm volatile("pushfq\n andq %0, (%%rsp)\n popfq" ::"i"(~trap_flag) : "memory", "cc");
    turn.wait(Turn::visitors);
    return instructions >= instruction;
}

void free_known(void *block)
{
    known[block] = Use::unknown;
    release_block(block);
    known[block] = Use::freed;
}

// `round` makes one call by visit_at(instruction, ...) and returns what that returned.
void at_each_instruction(const std::function<bool(size_t)> &round)
{
    struct sigaction action = {};
    action.sa_handler = step;
    sigaction(SIGTRAP, &action, nullptr);
    std::thread visitor(run_visitor);
    for (size_t instruction = 1; round(instruction); instruction++)
    {
    }
    pass_turn_to(Turn::over);
    visitor.join();
    pass_turn_to(Turn::nobodys);
    require_whole_heap();
}

// The batch of an outbox that goes over into an inbox with this call.
void a_batch_that_is_handed_over_is_never_visited(void **)
{
    assert_alone([] {
        constexpr size_t batch = outbox_bytes / 64;
        std::vector<void *> of_sleeper;
        std::latch allocated(1), done(1);
        std::thread sleeper([&] {
            of_sleeper = allocate_blocks(1000 * batch, 64);
            allocated.count_down();
            done.wait();
        });
        allocated.wait();
        for (void *block : of_sleeper)
            known[block] = Use::held;
        size_t handed_over = 0;
        at_each_instruction([&](size_t instruction) {
            release_block(allocate_block(8)); // the last visit has sent this thread home
            for (size_t count = 0; count < batch; count++)
            {
                free_known(of_sleeper.back());
                of_sleeper.pop_back();
            }
            const uint64_t before = figures_of(thread_words.self).remote_batches;
            void *const block = of_sleeper.back();
            of_sleeper.pop_back();
            known[block] = Use::unknown;
            const bool begun = visit_at(instruction, [=] { release_block(block); });
            known[block] = Use::freed;
            handed_over += figures_of(thread_words.self).remote_batches != before;
            return begun && of_sleeper.size() > batch;
        });
        require(visits > 50 && handed_over > 50);
        done.count_down();
        sleeper.join();
    });
}

// Frees and allocations around the points where stacks of a bin change places.
void blocks_in_stacks_that_change_places_are_never_visited(void **)
{
    assert_alone([] {
        bool spare_made = false;
        bool spare_taken = false;
        constexpr size_t size = 400;
        const unsigned index = class_of(size);
        for (size_t freed = 0; freed < 8; freed++)
            at_each_instruction([&](size_t instruction) {
                std::vector<void *> blocks = allocate_blocks(40, size);
                for (void *block : blocks)
                    known[block] = Use::held;
                for (size_t count = 0; count < freed; count++, blocks.pop_back())
                    free_known(blocks.back());
                const void *const spare = thread_words.self->first_in(Arena::FreeList::spare, index);
                known[blocks.back()] = Use::unknown;
                bool begun = visit_at(instruction, [&] { release_block(blocks.back()); });
                known[blocks.back()] = Use::freed;
                blocks.pop_back();
                spare_made |= spare == nullptr && thread_words.self->first_in(Arena::FreeList::spare, index) != nullptr;
                release_blocks(blocks);
                known.clear();
                return begun;
            });
        for (size_t taken = 0; taken < 8; taken++)
            at_each_instruction([&](size_t instruction) {
                std::vector<void *> blocks = allocate_blocks(40, size);
                const std::vector<void *> held(blocks.begin() + 10, blocks.end());
                for (void *block : held)
                    known[block] = Use::held;
                release_blocks({blocks.begin(), blocks.begin() + 10});
                std::vector<void *> again = allocate_blocks(taken, size);
                const void *const spare = thread_words.self->first_in(Arena::FreeList::spare, index);
                void *block = nullptr;
                const bool begun = visit_at(instruction, [&] { block = allocate_block(size); });
                spare_taken |=
                    spare != nullptr && thread_words.self->first_in(Arena::FreeList::spare, index) == nullptr;
                release_block(block);
                release_blocks(again);
                release_blocks(held);
                known.clear();
                return begun;
            });
        require(spare_made && spare_taken && visits > 100);
    });
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_that_is_handed_over_is_never_visited),
        cmocka_unit_test(blocks_in_stacks_that_change_places_are_never_visited),
    };
    return cmocka_run_group_tests_name("heap_visit_steps", tests, nullptr, nullptr);
}
