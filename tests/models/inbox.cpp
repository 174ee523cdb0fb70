// SPDX-License-Identifier: MIT
//
// The inbox of an arena: batches pushed by compare-and-swap and taken whole, and a bound on its bytes that whoever
// passes it sees to (src/arena/remote.cpp, ArenaGuard in src/arena/arena.h, src/os/lock.cpp).
//
// The owner makes two slow paths: one that does not look into the inbox (overflow) and one that does (refill). Two
// other threads push three batches of one byte each; the bound is one byte. The first batch, once sorted, may be handed
// out, freed and pushed again by the other thread: somebody may have seen it as the head before.
//
//   - no batch is lost, none is taken twice, and its links are read after they were written;
//   - when all have finished, the inbox is within its bound: either the pusher gets the lock, or whoever has it sees
//     the bytes when he looks again;
//   - what the lock protects has one user at a time.
#include "memory.h"

#include "claims.h"

using namespace fastalloc_test;

namespace
{

constexpr const char *lost = "a batch is lost";
constexpr const char *twice = "a batch is taken twice";
constexpr const char *race_on_links = "links are read before they are seen";
constexpr const char *race_on_spans = "two threads sort into the spans at a time";
constexpr const char *stranded = "the inbox stays above its bound";

// What the code does. A mutation changes one line.
struct Protocol
{
    std::memory_order push = release;
    std::memory_order take = acquire;
    std::memory_order add = seq_cst;
    std::memory_order try_lock = seq_cst;
    std::memory_order unlock = seq_cst;
    std::memory_order second_look = seq_cst;
    bool looks_again = true;
    bool takes_at_once = true;
    bool adds_before_it_tries = true;
    bool takes_under_the_lock = true;
};

constexpr unsigned batches = 3;
constexpr int8_t bound = 1;

enum Variable : unsigned
{
    inbox, // a batch's number + 1, or 0
    bytes,
    lock, // a thread's number + 1, or 0
    variables
};

enum Plain : unsigned
{
    links, // of batch 0; 1 and 2 follow
    spans = links + batches,
};

enum class Call : uint8_t
{
    overflow,
    refill,
    push_0,
    push_1,
    push_2,
    push_0_again
};

constexpr Call calls[][2] = {
    {Call::overflow, Call::refill}, // the owner
    {Call::push_0, Call::push_1},
    {Call::push_2, Call::push_0_again},
};

struct Inbox
{
    static constexpr unsigned threads = 3;

    enum class At : uint8_t
    {
        call,
        refill,
        link,
        add,
        early_look,
        try_lock,
        take,
        forget,
        subtract,
        unlock,
        look
    };

    struct Thread
    {
        At at;
        uint8_t call;    // which of its calls
        int8_t head;     // push_inbox: what it saw; drain_locked: what it took
        int8_t drained;  // bytes
        uint8_t holds;   // the lock
        uint8_t counted; // its batch is in inbox_bytes_
    };

    struct State
    {
        Memory<threads, variables, 14> memory;
        Thread thread[threads];
        int8_t next[batches]; // the link of each batch
        uint8_t taken[batches];
        uint8_t unused[8 - (sizeof memory + sizeof thread + 2 * batches) % 8];
        const char *broken;
    };

    Protocol protocol;

    State first() const
    {
        State state{};
        for (unsigned variable = 0; variable < variables; ++variable)
            state.memory.set(variable, 0);
        return state;
    }

    bool finished(const State &state, unsigned number) const
    {
        return state.thread[number].call == 2;
    }

    const char *step(State &state, unsigned number, Choices &choices) const
    {
        if (finished(state, number))
            return nullptr;
        auto &memory = state.memory;
        Thread &thread = state.thread[number];
        const Call call = calls[number][thread.call];
        const unsigned batch =
            call == Call::push_0_again ? 0 : static_cast<unsigned>(call) - static_cast<unsigned>(Call::push_0);
        switch (thread.at)
        {
        case At::call:
            if (call == Call::push_0_again && state.taken[batch] == 0)
            {
                end_call(state, number);
                return "the first batch is not handed out again";
            }
            if (call == Call::push_0_again)
                state.taken[batch] = 0;
            if (call >= Call::push_0)
            {
                thread.head = memory.load(number, inbox, relaxed, choices);
                thread.at = At::link;
                return "push_inbox: head = inbox_.load(relaxed)";
            }
            if (!memory.take_lock(number, lock))
                return nullptr;
            thread.holds = 1;
            thread.at = call == Call::refill ? At::refill : At::unlock;
            return call == Call::refill ? "refill: ArenaGuard guard(this)" : "overflow: ArenaGuard guard(this)";

        case At::refill:
            thread.at = memory.load(number, inbox, relaxed, choices) != 0 ? At::take : At::unlock;
            return "refill: if (inbox_.load(relaxed) != nullptr)";

        case At::link:
            state.next[batch] = thread.head;
            memory.touch(number, links + batch);
            if (memory.compare_exchange(number, inbox, thread.head, static_cast<int8_t>(batch + 1), protocol.push,
                                        relaxed, choices))
                thread.at = protocol.adds_before_it_tries ? At::add : At::early_look;
            return "push_inbox: set_next(last, head); inbox_.compare_exchange_weak(head, first)";

        case At::early_look:
            thread.at = memory.load(number, bytes, seq_cst, choices) + 1 > bound ? At::try_lock : At::add;
            return "(mutation) if (inbox_bytes_.load() + bytes > inbox_bound)";

        case At::add:
        {
            const bool full = memory.add(number, bytes, 1, protocol.add) + 1 > bound;
            thread.counted = 1;
            if (thread.holds)
                thread.at = At::take;
            else if (!full || !protocol.adds_before_it_tries)
                end_call(state, number);
            else
                thread.at = protocol.takes_under_the_lock ? At::try_lock : At::take;
            return "push_inbox: if (inbox_bytes_.fetch_add(bytes) + bytes > inbox_bound)";
        }

        case At::try_lock:
        {
            int8_t expected = 0;
            const std::memory_order failed = protocol.try_lock == acq_rel ? acquire : protocol.try_lock;
            if (memory.compare_exchange(number, lock, expected, static_cast<int8_t>(number + 1), protocol.try_lock,
                                        failed, choices))
            {
                thread.holds = 1;
                thread.at = thread.counted || call < Call::push_0 ? At::take : At::add;
                return "drain_if_full: Guard guard(lock, Try): taken";
            }
            if (thread.counted || call < Call::push_0)
                end_call(state, number);
            else
                thread.at = At::add;
            return "drain_if_full: Guard guard(lock, Try): busy";
        }

        case At::take:
            thread.drained = 0;
            if (protocol.takes_at_once)
            {
                thread.head = memory.exchange(number, inbox, 0, protocol.take);
                sort(state, number);
                return "drain_locked: inbox_.exchange(nullptr), then block by block";
            }
            thread.head = memory.load(number, inbox, acquire, choices);
            thread.at = At::forget;
            return "(mutation) block = inbox_.load(acquire)";

        case At::forget:
            memory.store(number, inbox, 0, release);
            sort(state, number);
            return "(mutation) inbox_.store(nullptr), then block by block";

        case At::subtract:
            memory.add(number, bytes, -thread.drained, relaxed);
            thread.at = At::unlock;
            if (!thread.holds)
                end_call(state, number);
            return "drain_locked: inbox_bytes_.fetch_sub(drained, relaxed)";

        case At::unlock:
            memory.exchange(number, lock, 0, protocol.unlock);
            thread.holds = 0;
            thread.at = At::look;
            if (!protocol.looks_again)
                end_call(state, number);
            return "Lock::unlock: word_.exchange(0)";

        case At::look:
            if (memory.load(number, bytes, protocol.second_look, choices) > bound)
                thread.at = At::try_lock;
            else
                end_call(state, number);
            return "~ArenaGuard, drain_if_full: inbox_bytes_.load() > inbox_bound";
        }
        return nullptr;
    }

    // No other thread takes part in this: it is one step with the exchange.
    void sort(State &state, unsigned number) const
    {
        Thread &thread = state.thread[number];
        if (!state.memory.touch(number, spans))
            state.broken = race_on_spans;
        for (int8_t at = thread.head; at != 0 && state.broken == nullptr; ++thread.drained)
        {
            const auto batch = static_cast<unsigned>(at - 1);
            if (!state.memory.touch(number, links + batch))
                state.broken = race_on_links;
            else if (state.taken[batch]++ != 0)
                state.broken = twice;
            at = state.next[batch];
        }
        thread.head = 0;
        thread.at = At::subtract;
    }

    void end_call(State &state, unsigned number) const
    {
        Thread &thread = state.thread[number];
        thread = {At::call, static_cast<uint8_t>(thread.call + 1), 0, 0, 0, 0};
        if (finished(state, number))
            state.memory.retire(number);
    }

    const char *broken_at_end(const State &state) const
    {
        unsigned found[batches];
        for (unsigned batch = 0; batch < batches; ++batch)
            found[batch] = state.taken[batch];
        int left = 0;
        for (int8_t at = state.memory.newest(inbox); at != 0 && left <= static_cast<int>(batches); ++left)
        {
            ++found[at - 1];
            at = state.next[at - 1];
        }
        for (const unsigned times : found)
            if (times != 1)
                return times == 0 ? lost : twice;
        return left > bound ? stranded : nullptr;
    }
};

void the_inbox_loses_no_batch_and_keeps_its_bound(void **)
{
    assert_holds("inbox", Inbox{}, 10'000);
}

void each_line_of_the_inbox_is_needed(void **)
{
    assert_breaks("no look after unlock", Inbox{{.looks_again = false}}, stranded);
    assert_breaks("the look relaxed", Inbox{{.second_look = relaxed}}, stranded);
    assert_breaks("the look acquire", Inbox{{.second_look = acquire}}, stranded);
    assert_breaks("unlock release", Inbox{{.unlock = release}}, stranded);
    assert_breaks("fetch_add acq_rel", Inbox{{.add = acq_rel}}, stranded);
    assert_breaks("try_lock acq_rel", Inbox{{.try_lock = acq_rel}}, stranded);
    assert_breaks("both acq_rel", Inbox{{.add = acq_rel, .try_lock = acq_rel}}, stranded);
    assert_breaks("fetch_add after try_lock", Inbox{{.adds_before_it_tries = false}}, stranded);
    assert_breaks("taken by load and store", Inbox{{.takes_at_once = false}}, lost);
    assert_breaks("taken without the lock", Inbox{{.takes_under_the_lock = false}}, race_on_spans);
    assert_breaks("push relaxed", Inbox{{.push = relaxed}}, race_on_links);
    assert_breaks("take relaxed", Inbox{{.take = relaxed}}, race_on_links);
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(the_inbox_loses_no_batch_and_keeps_its_bound),
        cmocka_unit_test(each_line_of_the_inbox_is_needed),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
