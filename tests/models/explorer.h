// SPDX-License-Identifier: MIT
//
// explorer.h - walks through everything a few threads can do in any order.
//
// A model describes a protocol between threads as steps over one small state. explore() goes depth-first from the first
// state: from each state every thread makes its next step, with each outcome the step may have, and states that were
// seen before are not entered again. So every interleaving is covered, and the answer is a proof for the threads, calls
// and sizes of the model, and for those alone. A model M has
//
//     M::State                       plain bytes, without padding: two states are the same if their bytes are.
//                                    Its member `broken` names the property that a step found broken, else null.
//     M::threads                     how many threads
//     State M::first() const         where everything begins
//     const char *M::step(State &state, unsigned thread, Choices &choices) const
//                                    makes the thread's next step, at most one access to what threads share, and says
//                                    which line of the library it stands for. Null: this thread has to wait, or has
//                                    finished; the state is not used then.
//     bool M::finished(const State &state, unsigned thread) const
//     const char *M::broken_at_end(const State &state) const
//                                    asked when all threads have finished
//
// Nobody can go on and somebody has not finished: that is broken in any model, it is how a lost wake-up shows. What is
// not seen: threads that run for ever in a circle of states.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_set>
#include <vector>

namespace fastalloc_test
{

// What may come out of a step in more than one way.
class Choices
{
public:
    // One of 0 .. count - 1. The explorer makes the step again for each of the others.
    unsigned pick(unsigned count)
    {
        if (used_ == picks_.size())
            picks_.push_back({0, count});
        return picks_[used_++].value;
    }

    // Prepares the next combination. False: there is none.
    bool next()
    {
        used_ = 0;
        while (!picks_.empty())
        {
            if (++picks_.back().value < picks_.back().count)
                return true;
            picks_.pop_back();
        }
        return false;
    }

private:
    struct Pick
    {
        unsigned value;
        unsigned count;
    };
    std::vector<Pick> picks_;
    size_t used_ = 0;
};

struct Findings
{
    size_t states = 0;
    size_t ends = 0;              // states in which all threads have finished
    const char *broken = nullptr; // the property, null if all hold
    std::string steps;            // how it came to that
};

template <typename State>
struct BytesOf
{
    static_assert(std::is_trivially_copyable_v<State> && std::has_unique_object_representations_v<State>);

    size_t operator()(const State &state) const
    {
        return std::hash<std::string_view>{}({reinterpret_cast<const char *>(&state), sizeof state});
    }

    bool operator()(const State &left, const State &right) const
    {
        return memcmp(&left, &right, sizeof left) == 0;
    }
};

template <typename Model>
class Explorer
{
public:
    explicit Explorer(const Model &model) : model_(model)
    {
    }

    Findings explore()
    {
        enter(model_.first());
        while (!path_.empty() && findings_.broken == nullptr)
        {
            Moment &moment = path_.back();
            if (moment.thread == Model::threads)
            {
                if (!moment.somebody_went_on)
                    judge_end(*moment.state);
                if (findings_.broken == nullptr)
                    path_.pop_back();
                continue;
            }
            State state = *moment.state;
            const char *const step = model_.step(state, moment.thread, moment.choices);
            moment.step = step;
            moment.stepper = moment.thread;
            if (!moment.choices.next())
                ++moment.thread;
            if (step == nullptr)
                continue;
            moment.somebody_went_on = true;
            findings_.broken = state.broken;
            if (findings_.broken == nullptr)
                enter(state);
        }
        findings_.states = seen_.size();
        if (findings_.broken != nullptr)
            for (const Moment &moment : path_)
                if (moment.step != nullptr)
                    findings_.steps += "thread " + std::to_string(moment.stepper) + "  " + moment.step + "\n";
        return findings_;
    }

private:
    using State = typename Model::State;

    // A state on the way from the first one to where we are.
    struct Moment
    {
        const State *state;
        Choices choices;
        unsigned thread = 0;  // whose steps are tried now
        unsigned stepper = 0; // who made the last step tried, and which
        const char *step = nullptr;
        bool somebody_went_on = false;
    };

    void enter(const State &state)
    {
        const auto [place, is_new] = seen_.insert(state);
        if (is_new)
            path_.push_back({&*place, {}});
    }

    void judge_end(const State &state)
    {
        ++findings_.ends;
        for (unsigned thread = 0; thread < Model::threads; ++thread)
            if (!model_.finished(state, thread))
                findings_.broken = "somebody waits for ever";
        if (findings_.broken == nullptr)
            findings_.broken = model_.broken_at_end(state);
        if (findings_.broken != nullptr)
            path_.back().step = nullptr;
    }

    const Model &model_;
    std::unordered_set<State, BytesOf<State>, BytesOf<State>> seen_; // its elements stay where they are
    std::vector<Moment> path_;
    Findings findings_;
};

template <typename Model>
Findings explore(const Model &model)
{
    return Explorer<Model>(model).explore();
}

} // namespace fastalloc_test
