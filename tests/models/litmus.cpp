// SPDX-License-Identifier: MIT
//
// What memory.h allows and what it does not: the small programs by which memory models are told apart.
//
// Each of up to four threads makes two accesses to the variables x and y, which begin as 0; a store stores 1. The
// outcome in question is what all loads together read.
#include "memory.h"

#include "claims.h"

using namespace fastalloc_test;

namespace
{

constexpr const char *outcome = "the outcome comes about";

enum Variable : unsigned
{
    x,
    y,
    variables
};

struct Access
{
    enum Kind : uint8_t
    {
        none,
        store,
        load,
        add, // a read-modify-write that leaves the value
    };
    Kind kind = none;
    Variable variable = x;
    std::memory_order order = relaxed;
    int reads = 0; // in the outcome
};

struct Litmus
{
    static constexpr unsigned threads = 4;
    static constexpr unsigned steps = 2;

    struct State
    {
        Memory<threads, variables, 4> memory;
        uint8_t made[threads];
        uint8_t differs; // a load has read something else
        uint8_t unused[8 - (sizeof memory + threads + 1) % 8];
        const char *broken;
    };

    Access accesses[threads][steps];

    State first() const
    {
        State state{};
        state.memory.set(x, 0);
        state.memory.set(y, 0);
        return state;
    }

    bool finished(const State &state, unsigned number) const
    {
        const unsigned made = state.made[number];
        return made == steps || accesses[number][made].kind == Access::none;
    }

    const char *step(State &state, unsigned number, Choices &choices) const
    {
        if (finished(state, number))
            return nullptr;
        const Access &access = accesses[number][state.made[number]++];
        int read = access.reads;
        if (access.kind == Access::store)
            state.memory.store(number, access.variable, 1, access.order);
        else if (access.kind == Access::load)
            read = state.memory.load(number, access.variable, access.order, choices);
        else
            read = state.memory.add(number, access.variable, 0, access.order);
        if (read != access.reads)
            state.differs = 1;
        return access.kind == Access::store ? "a store" : access.kind == Access::load ? "a load" : "an addition";
    }

    const char *broken_at_end(const State &state) const
    {
        return state.differs ? nullptr : outcome;
    }
};

using enum Access::Kind;

// Each stores one variable and does not see the other's store.
Litmus store_buffer(std::memory_order stores, std::memory_order loads)
{
    return {{{{store, x, stores}, {load, y, loads, 0}}, {{store, y, stores}, {load, x, loads, 0}}}};
}

// The second store is seen, the first is not.
Litmus message(std::memory_order stores, std::memory_order loads)
{
    return {{{{store, x, relaxed}, {store, y, stores}}, {{load, y, loads, 1}, {load, x, relaxed, 0}}}};
}

// Two threads see two stores in different orders.
Litmus two_writers(std::memory_order stores, std::memory_order loads)
{
    return {{{{store, x, stores}},
             {{store, y, stores}},
             {{load, x, loads, 1}, {load, y, loads, 0}},
             {{load, y, loads, 1}, {load, x, loads, 0}}}};
}

// A new value is seen, then an old one.
Litmus back_in_time()
{
    return {{{{store, x, relaxed}}, {{load, x, relaxed, 1}, {load, x, relaxed, 0}}}};
}

// The message goes through a third thread's addition, which hands it on though it is relaxed itself.
Litmus message_through_addition()
{
    return {{{{store, x, relaxed}, {store, y, release}},
             {{add, y, relaxed, 1}},
             {{load, y, acquire, 1}, {load, x, relaxed, 0}}}};
}

void weak_outcomes_come_about(void **)
{
    assert_breaks("store buffer, release and acquire", store_buffer(release, acquire), outcome);
    assert_breaks("store buffer, half of it seq_cst", store_buffer(seq_cst, acquire), outcome);
    assert_breaks("message, relaxed store", message(relaxed, acquire), outcome);
    assert_breaks("message, relaxed load", message(release, relaxed), outcome);
    assert_breaks("two writers, release and acquire", two_writers(release, acquire), outcome);
}

void forbidden_outcomes_do_not(void **)
{
    assert_holds("store buffer, seq_cst", store_buffer(seq_cst, seq_cst), 10);
    assert_holds("message, release and acquire", message(release, acquire), 10);
    assert_holds("two writers, seq_cst", two_writers(seq_cst, seq_cst), 10);
    assert_holds("back in time", back_in_time(), 5);
    assert_holds("message through an addition", message_through_addition(), 10);
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(weak_outcomes_come_about),
        cmocka_unit_test(forbidden_outcomes_do_not),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
