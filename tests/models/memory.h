// SPDX-License-Identifier: MIT
//
// memory.h - shared variables of a model, with the freedom that C++ memory orders leave.
//
// An atomic variable keeps its values since the oldest that some thread may still read. Each thread has a *view*: of
// each variable the oldest value it may read. A load picks any value from there on; what it read is the oldest from
// then on. A store with release leaves the storer's view with the value, a load with acquire adds the view it finds to
// its own. A read-modify-write reads the newest value and hands on the view of what it replaced (a release sequence).
// An access with seq_cst does not read what is older than an earlier access with seq_cst to the same variable saw or
// stored. So a weaker order in the protocol is a weaker order here: store buffers, late messages and threads that see
// two writers in different orders come out by themselves.
//
// What is not atomic is *plain*: it belongs to one thread at a time, and whoever touches it must have in its view what
// was done to it last. Otherwise it is a data race.
//
// litmus.cpp checks it. What it does not see: values stored in another order than the threads made their steps, loads
// that take effect after later stores of their thread (load buffering), fences, and compare-and-swaps that fail for no
// reason.
#pragma once

#include "explorer.h"

#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>

namespace fastalloc_test
{

constexpr auto relaxed = std::memory_order_relaxed;
constexpr auto acquire = std::memory_order_acquire;
constexpr auto release = std::memory_order_release;
constexpr auto acq_rel = std::memory_order_acq_rel;
constexpr auto seq_cst = std::memory_order_seq_cst;

constexpr bool acquires(std::memory_order order)
{
    return order == acquire || order == acq_rel || order == seq_cst;
}

constexpr bool releases(std::memory_order order)
{
    return order == release || order == acq_rel || order == seq_cst;
}

// `depth`: values of one variable that may be needed at a time. Plain variables are numbers below 8.
template <unsigned threads, unsigned variables, unsigned depth>
class Memory
{
public:
    // For the beginning: what all threads know.
    void set(unsigned variable, int8_t value)
    {
        variables_[variable].count = 1;
        variables_[variable].stored[0] = {value, View{}};
        for (View &view : views_)
            view.plain = 0xff;
    }

    int8_t load(unsigned thread, unsigned variable, std::memory_order order, Choices &choices)
    {
        const unsigned oldest = oldest_for(thread, variable, order);
        return read(thread, variable, oldest + pick(choices, variables_[variable].count - oldest), order);
    }

    void store(unsigned thread, unsigned variable, int8_t value, std::memory_order order)
    {
        append(thread, variable, value, View{}, order);
    }

    // What was there before.
    int8_t exchange(unsigned thread, unsigned variable, int8_t value, std::memory_order order)
    {
        const Variable &atomic = variables_[variable];
        const int8_t before = read(thread, variable, atomic.count - 1u, order);
        append(thread, variable, value, atomic.stored[atomic.count - 1u].view, order);
        return before;
    }

    int8_t add(unsigned thread, unsigned variable, int change, std::memory_order order)
    {
        return exchange(thread, variable, static_cast<int8_t>(newest(variable) + change), order);
    }

    // Whether `expected` was there; else it becomes what was read.
    bool compare_exchange(unsigned thread, unsigned variable, int8_t &expected, int8_t desired, std::memory_order order,
                          std::memory_order order_of_failure, Choices &choices)
    {
        const Variable &atomic = variables_[variable];
        std::array<uint8_t, depth> readable;
        unsigned count = 0;
        for (unsigned at = oldest_for(thread, variable, order_of_failure); at < atomic.count; ++at)
            if (atomic.stored[at].value != expected || at == atomic.count - 1u)
                readable[count++] = static_cast<uint8_t>(at);
        const unsigned at = readable[pick(choices, count)];
        if (atomic.stored[at].value == expected)
        {
            exchange(thread, variable, desired, order);
            return true;
        }
        expected = read(thread, variable, at, order_of_failure);
        return false;
    }

    // A lock as a model of something else wants it: lock.cpp checks the lock itself. False: somebody has it.
    bool take_lock(unsigned thread, unsigned variable)
    {
        if (newest(variable) != 0)
            return false;
        write_lock(thread, variable, static_cast<int8_t>(thread + 1));
        return true;
    }

    void give_lock(unsigned thread, unsigned variable)
    {
        write_lock(thread, variable, 0);
    }

    bool has_lock(unsigned thread, unsigned variable) const
    {
        return newest(variable) == static_cast<int8_t>(thread + 1);
    }

    // Reads or writes a plain variable. False: a data race.
    bool touch(unsigned thread, unsigned plain)
    {
        const auto bit = static_cast<uint8_t>(1u << plain);
        const bool known = (views_[thread].plain & bit) != 0;
        for_each_view([&](View &view) { view.plain = static_cast<uint8_t>(view.plain & ~bit); });
        views_[thread].plain |= bit;
        return known;
    }

    // Of a variable that nobody loads, only exchanges: old values need not be kept.
    void keep_newest(unsigned variable)
    {
        const auto only = static_cast<uint8_t>(variables_[variable].count - 1);
        for (View &view : views_)
            view.oldest[variable] = only;
        forget();
    }

    // What somebody outside sees, once all is done.
    int8_t newest(unsigned variable) const
    {
        return variables_[variable].stored[variables_[variable].count - 1u].value;
    }

    // The thread reads nothing any more.
    void retire(unsigned thread)
    {
        retired_ |= static_cast<uint8_t>(1u << thread);
        views_[thread] = View{};
        forget();
    }

private:
    static_assert(threads <= 8);

    struct View
    {
        std::array<uint8_t, variables> oldest; // a number among the variable's values
        uint8_t plain;                         // a bit per plain variable: its last change is known
    };

    struct Stored
    {
        int8_t value;
        View view;
    };

    struct Variable
    {
        uint8_t count;
        uint8_t oldest_in_order; // for seq_cst
        std::array<Stored, depth> stored;
    };

    void write_lock(unsigned thread, unsigned variable, int8_t value)
    {
        exchange(thread, variable, value, acq_rel);
        keep_newest(variable);
    }

    static unsigned pick(Choices &choices, unsigned count)
    {
        return count == 1 ? 0 : choices.pick(count);
    }

    unsigned oldest_for(unsigned thread, unsigned variable, std::memory_order order) const
    {
        const unsigned own = views_[thread].oldest[variable];
        const unsigned all = variables_[variable].oldest_in_order;
        return order == seq_cst && all > own ? all : own;
    }

    static void join(View &view, const View &other)
    {
        for (unsigned variable = 0; variable < variables; ++variable)
            if (view.oldest[variable] < other.oldest[variable])
                view.oldest[variable] = other.oldest[variable];
        view.plain |= other.plain;
    }

    void saw(unsigned thread, unsigned variable, unsigned at, std::memory_order order)
    {
        views_[thread].oldest[variable] = static_cast<uint8_t>(at);
        if (order == seq_cst && variables_[variable].oldest_in_order < at)
            variables_[variable].oldest_in_order = static_cast<uint8_t>(at);
    }

    int8_t read(unsigned thread, unsigned variable, unsigned at, std::memory_order order)
    {
        const Stored stored = variables_[variable].stored[at];
        saw(thread, variable, at, order);
        if (acquires(order))
            join(views_[thread], stored.view);
        forget();
        return stored.value;
    }

    void append(unsigned thread, unsigned variable, int8_t value, View view, std::memory_order order)
    {
        Variable &atomic = variables_[variable];
        if (atomic.count == depth)
        {
            fprintf(stderr, "a model needs more than %u values of variable %u\n", depth, variable);
            abort();
        }
        const unsigned at = atomic.count++;
        saw(thread, variable, at, order);
        view.oldest[variable] = static_cast<uint8_t>(at);
        if (releases(order))
            join(view, views_[thread]);
        atomic.stored[at] = {value, view};
        forget();
    }

    template <typename Function>
    void for_each_view(Function function)
    {
        for (View &view : views_)
            function(view);
        for (Variable &atomic : variables_)
            for (unsigned at = 0; at < atomic.count; ++at)
                function(atomic.stored[at].view);
    }

    // Drops the values that nobody can read any more, so that states that differ in them alone are one.
    void forget()
    {
        for (unsigned variable = 0; variable < variables; ++variable)
        {
            Variable &atomic = variables_[variable];
            unsigned gone = atomic.count - 1u;
            for (unsigned thread = 0; thread < threads; ++thread)
                if (!(retired_ >> thread & 1) && views_[thread].oldest[variable] < gone)
                    gone = views_[thread].oldest[variable];
            if (gone == 0)
                continue;
            const auto lower = [gone](uint8_t &at) { at = static_cast<uint8_t>(at > gone ? at - gone : 0); };
            atomic.count = static_cast<uint8_t>(atomic.count - gone);
            for (unsigned at = 0; at < depth; ++at)
                atomic.stored[at] = at < atomic.count ? atomic.stored[at + gone] : Stored{};
            lower(atomic.oldest_in_order);
            for_each_view([&](View &view) { lower(view.oldest[variable]); });
        }
    }

    std::array<View, threads> views_;
    std::array<Variable, variables> variables_;
    uint8_t retired_;
};

} // namespace fastalloc_test
