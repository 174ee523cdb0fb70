// SPDX-License-Identifier: MIT
//
// Four threads and a span that changes its owner: owner.h.
//
// One span of five blocks, first of arena A; B is another arena of the node. Thread 0, attached to A, frees a block and
// detaches; a signal handler may free another on the way. Thread 1, attached to B, refills twice and may adopt the
// span, or take a block of it. Thread 2 frees a block of the span, whoever owns it. Thread 3 attaches, to A if that is
// detached by then, uses a block of its bin and flushes. The fifth block stays with the program, so that the span does.
// An inbox has room for nothing: every push tries to drain (inbox.cpp has the bound; here a batch is one step).
#include "owner.h"

#include "claims.h"

using namespace fastalloc_test;
using namespace fastalloc_test::owner_model;

namespace
{

struct Ownership : Spans
{
    State first() const
    {
        State state{};
        for (unsigned variable = 0; variable < variables; ++variable)
            state.memory.set(variable, variable == attached ? 1 : 0);
        state.place[free_at_first] = Place::span_list;
        state.handed_out = blocks - 1;
        call(state.thread[0], At::free, a, 1 << freed_by_owner);
        call(state.thread[1], At::refill, b);
        call(state.thread[2], At::free, b, 1 << freed_remotely);
        call(state.thread[3], At::take_detached, a);
        return state;
    }

    bool finished(const State &state, unsigned number) const
    {
        return state.thread[number].depth == 0;
    }

    const char *step(State &state, unsigned number, Choices &choices) const
    {
        Thread &thread = state.thread[number];
        if (thread.depth == 0)
            return nullptr;
        Frame &frame = thread.frames[thread.depth - 1];
        const char *made = nullptr;
        if (frame.at >= At::push)
            made = common_step(state, number, frame, choices);
        else if (frame.at == At::free)
            made = free_step(state, number, frame, choices);
        else if (number == 0)
            made = detach_step(state, number, frame, choices);
        else
            made = number == 1 ? refill_step(state, number, frame, choices) : attach_step(state, number, frame);
        while (thread.depth != 0 && thread.frames[thread.depth - 1].at == At::done)
            leave(thread);
        if (thread.depth == 0)
        {
            thread = {};
            state.memory.retire(number);
        }
        return made;
    }

    // ---- a free; frame.arena is the freeing thread's own

    const char *free_step(State &state, unsigned number, Frame &frame, Choices &choices) const
    {
        const unsigned list = frame.list;
        const auto whose = static_cast<unsigned>(state.memory.load(number, owner, relaxed, choices));
        const At then = number == 0 ? At::hand_over : number == 3 ? At::flush : At::done;
        if (whose != frame.arena || number == 2)
        {
            move(state, list, Place::on_its_way);
            call_then(state, number, frame, then, At::push, whose, list);
            return "free: record->owner is another arena";
        }
        free_own(state, number, list);
        frame.at = then;
        return "free: record->owner is the own arena: push to the bin";
    }

    void free_own(State &state, unsigned number, unsigned list) const
    {
        if (!state.memory.touch(number, bins))
            state.broken = bin_race;
        move(state, list, Place::bin_a);
        if (!owned_by(state, a))
            state.broken = left_bin;
    }

    // ---- thread 0: Registry::detach

    const char *detach_step(State &state, unsigned number, Frame &frame, Choices &choices) const
    {
        auto &memory = state.memory;
        Thread &thread = state.thread[number];
        switch (frame.at)
        {
        case At::hand_over:
            if (!protocol.hands_over_before_it_leaves && memory.newest(attached) != 0)
            {
                memory.store(number, attached, 0, relaxed);
                return "(mutation) attached = false";
            }
            if (!memory.take_lock(number, lock + a))
                return nullptr;
            thread.keeps = static_cast<uint8_t>(choices.pick(2));
            call_then(state, number, frame, At::enter_registry, At::unlock, a);
            if (thread.keeps)
                return "hand_over: Guard; the bins stay filled";
            return_bins(state, number);
            call(thread, At::take, a);
            return "hand_over: Guard; flush_locked: return_blocks";

        case At::enter_registry:
            if (state.place[freed_by_handler] == Place::program && choices.pick(2) != 0)
            {
                free_own(state, number, 1 << freed_by_handler);
                return "a signal handler frees";
            }
            if (!memory.take_lock(number, registry_lock))
                return nullptr;
            frame.at = thread.keeps || !protocol.hands_over_again ? At::leave_arena : At::hand_over_again;
            return "detach: Guard guard(lock); look_at(&thread_words, &ending_arena)";

        case At::hand_over_again:
            if (!memory.take_lock(number, lock + a))
                return nullptr;
            return_bins(state, number);
            call_then(state, number, frame, At::leave_arena, At::unlock, a);
            call(thread, At::take, a);
            return "detach: hand_over(emptied), once more";

        case At::leave_arena:
            if (!memory.take_lock(number, lock + a))
                return nullptr;
            memory.store(number, attached, 0, relaxed);
            state.warm = thread.keeps;
            call_then(state, number, frame, At::put_detached, At::unlock, a);
            return "detach: ArenaGuard; attached = false; warm = bins == kept";

        case At::put_detached:
            state.is_detached = 1;
            memory.give_lock(number, registry_lock);
            frame.at = At::done;
            return "detach: put_detached(arena); ~Guard";

        default:
            return nullptr;
        }
    }

    // ---- thread 1: Arena::refill, Arena::adopt_span

    const char *refill_step(State &state, unsigned number, Frame &frame, Choices &choices) const
    {
        auto &memory = state.memory;
        Thread &thread = state.thread[number];
        switch (frame.at)
        {
        case At::refill:
            if (!memory.take_lock(number, lock + b))
                return nullptr;
            call_then(state, number, frame, At::adopt_look, At::take, b);
            return "refill: ArenaGuard guard(this)";

        case At::adopt_look:
            if (owned_by(state, b))
                frame.at = At::gather;
            else
                frame.at = memory.load(number, attached, relaxed, choices) ? At::next_refill : At::adopt_try;
            return "adopt_span: if (other->attached.load(relaxed))";

        case At::adopt_try:
            if (!protocol.adopts_under_the_lock)
                frame.at = At::adopt;
            else
                frame.at = memory.take_lock(number, lock + a) ? At::adopt_look_again : At::next_refill;
            return "adopt_span: ArenaGuard guard(other, Guard::Try{})";

        case At::adopt_look_again:
            if (protocol.adopter_looks_again && memory.load(number, attached, relaxed, choices))
                call_then(state, number, frame, At::next_refill, At::unlock, a);
            else
                frame.at = At::adopt_drain;
            return "adopt_span: if (other->attached.load(relaxed)), under its lock";

        case At::adopt_drain:
            frame.at = At::adopt;
            if (!state.warm || !protocol.adopter_settles)
                return "adopt_span: other->settle(): nothing in its bins";
            state.warm = 0;
            return_bins(state, number);
            call(thread, At::take, a);
            return "adopt_span: other->settle(): return_blocks";

        case At::adopt:
            frame.at = At::gather;
            if (protocol.adopts_under_the_lock)
                call(thread, At::unlock, a);
            if (all_in(state, Place::span_list) == 0)
                return "adopt_span: no span has room";
            if (!owned_by(state, a) || (protocol.adopts_under_the_lock && !memory.has_lock(number, lock + a)))
                state.broken = not_owner;
            if (!memory.touch(number, span))
                state.broken = span_race;
            memory.store(number, owner, b, relaxed);
            return "adopt_span: record->owner.store(this)";

        case At::gather:
            frame.at = At::next_refill;
            if (!owned_by(state, b) || all_in(state, Place::span_list) == 0)
                return "gather: a new span";
            if (!memory.touch(number, span))
                state.broken = span_race;
            move(state, 1u << __builtin_ctz(all_in(state, Place::span_list)), Place::bin_b);
            ++state.handed_out;
            return "gather: take_listed";

        case At::next_refill:
            call_then(state, number, frame, ++thread.refills == 2 ? At::done : At::refill, At::unlock, b);
            return "refill: returns";

        default:
            return nullptr;
        }
    }

    // ---- thread 3: Registry::attach, a malloc, a free, a flush

    const char *attach_step(State &state, unsigned number, Frame &frame) const
    {
        auto &memory = state.memory;
        switch (frame.at)
        {
        case At::take_detached:
            if (!memory.take_lock(number, registry_lock))
                return nullptr;
            frame.at = At::attach;
            if (!state.is_detached)
                call_then(state, number, frame, At::done, At::unlock, registry_lock);
            return "attach: Guard guard(lock); take_detached";

        case At::attach:
            if (protocol.attaches_under_the_lock && !memory.take_lock(number, lock + a))
                return nullptr;
            state.is_detached = 0;
            memory.store(number, attached, 1, relaxed);
            state.warm = 0;
            frame.at = At::leave_registry;
            if (protocol.attaches_under_the_lock)
                call(state.thread[number], At::unlock, a);
            return "attach: ArenaGuard; attached = true; warm = false";

        case At::leave_registry:
            memory.give_lock(number, registry_lock);
            frame.at = At::pop;
            return "attach: ~Guard";

        case At::pop:
        {
            if (!memory.touch(number, bins))
                state.broken = bin_race;
            const unsigned list = all_in(state, Place::bin_a);
            frame = {list != 0 ? At::free : At::flush, a, static_cast<uint8_t>(list & -list)};
            move(state, frame.list, Place::program);
            return "malloc: a block of the bin, if there is one";
        }

        case At::flush:
            if (!memory.take_lock(number, lock + a))
                return nullptr;
            return_bins(state, number);
            call_then(state, number, frame, At::done, At::unlock, a);
            call(state.thread[number], At::take, a);
            return "flush: ArenaGuard; return_blocks";

        default:
            return nullptr;
        }
    }

    const char *broken_at_end(const State &state) const
    {
        if (all_in(state, Place::on_its_way) != 0)
            return stranded;
        if (all_in(state, Place::bin_a) != 0 && !owned_by(state, a))
            return left_bin;
        const unsigned listed = static_cast<unsigned>(__builtin_popcount(all_in(state, Place::span_list)));
        return state.handed_out + listed == blocks ? nullptr : miscounted;
    }
};

Ownership without(Protocol protocol)
{
    return Ownership{{protocol}};
}

void blocks_come_back_to_whoever_owns_their_span(void **)
{
    assert_holds("owner", Ownership{}, 10'000);
}

void each_line_about_owners_is_needed(void **)
{
    assert_breaks("the drainer keeps all", without({.drainer_forwards = false}), not_owner);
    assert_breaks("no look after unlock", without({.holder_looks_again = false}), stranded);
    assert_breaks("adopts without the lock", without({.adopts_under_the_lock = false}), span_race);
    assert_breaks("adopts without a second look", without({.adopter_looks_again = false}), left_bin);
    assert_breaks("adopts before the bins are emptied", without({.adopter_settles = false}), left_bin);
    assert_breaks("attaches without the lock", without({.attaches_under_the_lock = false}), bin_race);
    assert_breaks("hands over once", without({.hands_over_again = false}), left_bin);
    assert_breaks("leaves before it hands over", without({.hands_over_before_it_leaves = false}), left_bin);
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(blocks_come_back_to_whoever_owns_their_span),
        cmocka_unit_test(each_line_about_owners_is_needed),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
