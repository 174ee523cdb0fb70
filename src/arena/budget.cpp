// SPDX-License-Identifier: MIT
#include "arena/budget.h"

#include "arena/arena_guard.h"
#include "arena/misuse.h"
#include "arena/registry.h"
#include "heap/limits.h"
#include "os/clock.h"
#include "os/options.h"

namespace fastalloc
{

constinit Fund fund;

namespace
{

// Open chunks, per byte of the fund's fixed part, up to which all of it is granted; and what is left before a limit, per
// byte of the fund.
constexpr uint64_t open_per_lease = 3;
constexpr uint64_t room_per_lease = 8;

// What a stack may hold at most, so that a thread that frees much comes by here often.
constexpr size_t stack_max_bytes = mebibyte;

uint64_t own_budget()
{
    return options().arena_budget - outbox_bytes;
}

// The part of a charge that is leased from the fund.
uint64_t leased_part(uint64_t charged)
{
    const uint64_t own = own_budget();
    return charged > own ? charged - own : 0;
}

// The part of the fund that does not follow live memory: less where more is open, then none.
uint64_t fixed_part(uint64_t open)
{
    const uint64_t whole = options().lease_fund;
    const uint64_t beyond = open > open_per_lease * whole ? open - open_per_lease * whole : 0;
    return whole > beyond ? whole - beyond : 0;
}

// What may be leased in all. Blocks in bins pin the spans they are of, in the worst case each one another; so live memory
// counts only as far as it lies in spans.
uint64_t fund_total()
{
    uint64_t live = 0;
    uint64_t open = 0;
    for_each_node_heap([&](const NodeHeap &heap) {
        live += heap.live_in_spans();
        open += heap.open_bytes();
    });
    const uint64_t share = live / 1000 * options().lease_share;
    const uint64_t least = fixed_part(open);
    const uint64_t most = limits.room() / room_per_lease;
    const uint64_t total = share > least ? share : least;
    return total < most ? total : most;
}

uint64_t left_in_fund(uint64_t leased)
{
    const uint64_t total = fund_total();
    return total > leased ? total - leased : 0;
}

// `bytes`: what a place in both stacks takes.
uint32_t first_limit(size_t bytes)
{
    const size_t wanted = bytes <= 2 * tiny_max ? bin_first_bytes_tiny : bin_first_bytes;
    return bytes < wanted ? static_cast<uint32_t>(wanted / bytes) : 1;
}

// Of a stack of at most `limit` blocks.
uint32_t length_of(const void *block, uint32_t limit)
{
    uint32_t length = 0;
    for (; block != nullptr; block = next_of(block))
    {
        const auto address = reinterpret_cast<uintptr_t>(block);
        if (!in_window(address))
            fatal_broken_link(block);
        if (++length > limit) // a circle: a block freed twice
            fatal_too_many_blocks(span_of(address));
    }
    return length;
}

} // namespace

uint64_t Fund::offer() const
{
    return left_in_fund(leased()) / 4;
}

bool Fund::is_overdrawn() const
{
    return leased() > fund_total();
}

bool Fund::take(uint64_t bytes)
{
    uint64_t leased = leased_.load(std::memory_order_relaxed);
    do
        if (bytes > left_in_fund(leased) / 4)
            return false;
    while (!leased_.compare_exchange_weak(leased, leased + bytes, std::memory_order_relaxed));
    return true;
}

bool Arena::holds_lease() const
{
    return leased_part(charged_) != 0;
}

// What the arena may lease whatever others have leased.
uint64_t Arena::own_share() const
{
    const uint64_t held = held_ > 0 ? static_cast<uint64_t>(held_) : 0;
    return held > charged_ ? (held - charged_) / 1000 * options().lease_share : 0;
}

uint64_t Arena::bytes_in_bins() const
{
    uint64_t bytes = 0;
    for (unsigned index = 0; index < class_count; ++index)
        bytes += uint64_t{blocks_in_bin(index)} * class_bytes(static_cast<SizeClass>(index));
    return bytes;
}

// Whether more was leased than is due, by all together and by this arena.
bool Arena::owes_lease() const
{
    const uint64_t lease = leased_part(charged_);
    return lease != 0 && lease > own_share() && fund.is_overdrawn();
}

// Requires: what the charge grows by above the own budget has been taken from the fund.
void Arena::set_charged(uint64_t bytes)
{
    const uint64_t before = leased_part(charged_);
    const uint64_t after = leased_part(bytes);
    if (after < before)
        fund.give_back(before - after);
    heap().charged.fetch_add(bytes - charged_, std::memory_order_relaxed); // wraps around where it sinks
    charged_ = bytes;
}

// Doubles a bin's limit, or gives it its first, as far as budget and fund allow.
void Arena::raise_limit(unsigned index)
{
    Bin &bin = bins[index];
    const size_t bytes = 2 * class_bytes(static_cast<SizeClass>(index)); // a place in either stack
    const uint32_t step = bin.limit == 0 ? first_limit(bytes) : bin.limit;
    const uint32_t left = static_cast<uint32_t>(stack_max_bytes / (bytes / 2)) - bin.limit;
    const uint32_t wanted = step < left ? step : left;
    const uint64_t sure = own_budget() + own_share(); // without asking the fund
    const uint64_t sure_left = sure > charged_ ? sure - charged_ : 0;
    const bool asks = sure_left < wanted * bytes;
    const uint64_t available = asks ? sure_left + fund.offer() : sure_left;
    const auto more = available >= wanted * bytes ? wanted : static_cast<uint32_t>(available / bytes);
    if (more == 0)
        return;
    const uint64_t charged = charged_ + more * bytes;
    const uint64_t lease = leased_part(charged) - leased_part(charged_);
    const uint64_t asked = more * bytes > sure_left ? more * bytes - sure_left : 0;
    if (asked != 0 && !fund.take(asked))
        return;
    fund.take_own_share(lease > asked ? lease - asked : 0);
    set_charged(charged);
    bin.limit += more;
    bin.room.store(bin.room.load() + more);
}

// For a bin that could use a higher limit: it gets one, or gives up half of its own if the arena owes what it leased.
void Arena::adjust_limit(unsigned index)
{
    if (owes_lease())
        lower_limit(index, bins[index].limit / 2);
    else
        raise_limit(index);
}

// Whether this thread's bins are to be emptied because little is left of what it held. Not while no more is open than may
// be idle.
bool Arena::ebbs()
{
    return ebb_.may_be_low(held_, static_cast<int64_t>(charged_)) && heap().open_bytes() > options().slack &&
           !ebb_.is_wave(now_ms) && ebb_.may_be_low(held_, static_cast<int64_t>(bytes_in_bins()));
}

// What they may hold then is what bins begin with, so that the next slow path is near.
void Arena::empty_bins()
{
    ebb_.begin(now_ms);
    for (unsigned index = 0; index < class_count; ++index)
    {
        Bin &bin = bins[index];
        const auto size_class = static_cast<SizeClass>(index);
        return_spare(index);
        return_colder(&bin, 0);
        lower_limit(index, is_small(size_class) ? first_limit(2 * class_bytes(size_class)) : 0);
    }
    tell_idle();
}

// Gives blocks above the new limit back to their spans and the charge back to budget or fund.
void Arena::lower_limit(unsigned index, uint32_t limit)
{
    Bin &bin = bins[index];
    if (limit >= bin.limit)
        return;
    return_spare(index);
    return_colder(&bin, limit);
    const uint32_t less = bin.limit - limit;
    bin.limit = limit;
    bin.room.store(bin.room.load() - less);
    set_charged(charged_ - uint64_t{2} * less * class_bytes(static_cast<SizeClass>(index)));
}

void Arena::slow_path_done()
{
    if constexpr (checks >= 2)
        verify_or_die();
    look_at_bound();
    if (++slow_paths_ % slow_paths_per_scan != 0)
        return;
    if constexpr (checks == 1)
        verify_or_die();
    look_for_unused_bins();
    heap().promote_now_and_then();
    const uint64_t keep = heap().tick();
    if (heap().idle_bytes() > keep)
        give_back(heap(), keep, keep, this);
}

// A bin that looks as it did at the last scan has not been used, or needs one block only: it loses half its limit.
void Arena::look_for_unused_bins()
{
    for (unsigned index = 0; index < class_count; ++index)
    {
        Bin &bin = bins[index];
        BinBack &back = backs_[index];
        if (bin.limit == 0)
            continue;
        const uint32_t room = bin.room.load();
        if (FASTALLOC_UNLIKELY(room > bin.limit) && bin.head != nullptr) // a circle has given more than it was given
            fatal_too_many_blocks(head_of(span_of(reinterpret_cast<uintptr_t>(bin.head))));
        if (bin.head == back.seen_head && room == back.seen_room)
            lower_limit(index, bin.limit / 2);
        back.seen_head = bin.head;
        back.seen_room = bin.room.load();
    }
}

void Arena::count_handed_out(int64_t bytes)
{
    held_ += bytes;
    handed_out_ += bytes;
    if (handed_out_ > static_cast<int64_t>(handed_out_step) || handed_out_ < -static_cast<int64_t>(handed_out_step))
    {
        heap().handed_out.fetch_add(static_cast<uint64_t>(handed_out_), std::memory_order_relaxed);
        handed_out_ = 0;
    }
}

void Arena::flush()
{
    ArenaGuard guard(this);
    if (guard)
        flush_locked();
}

Arena::Bins Arena::hand_over(Bins wanted)
{
    ArenaGuard guard(this);
    if (!guard)
        return Bins::kept;
    if (wanted == Bins::emptied)
    {
        flush_locked();
        return Bins::emptied;
    }
    while (holds_lease()) // every bin gives up half of what it may hold
        for (unsigned index = 0; index < class_count; ++index)
            lower_limit(index, bins[index].limit / 2);
    for (OutboxSlot &slot : outbox_)
        flush_slot(&slot);
    return Bins::kept;
}

void Arena::settle()
{
    if (abandoned)
        recover_locked();
    if (abandoned || warm)
        flush_locked();
    registry.count_warm(warm, -1);
    abandoned = false;
    warm = false;
}

void Arena::flush_locked()
{
    for (OutboxSlot &slot : outbox_)
        flush_slot(&slot);
    for (unsigned index = 0; index < class_count; ++index)
        lower_limit(index, 0);
    drain_locked();
    heap().handed_out.fetch_add(static_cast<uint64_t>(handed_out_), std::memory_order_relaxed);
    handed_out_ = 0;
    give_back_excess(heap(), this);
}

// A bin may have been cut off anywhere: its stacks are valid lists, or one under two names; their lengths are counted
// anew, and go back to the spans. The outbox the same.
void Arena::recover_locked()
{
    for (unsigned index = 0; index < class_count; ++index)
    {
        Bin &bin = bins[index];
        BinBack &back = backs_[index];
        void *const spare = back.spare == bin.head ? nullptr : back.spare;
        return_blocks(bin.head, length_of(bin.head, bin.limit));
        return_blocks(spare, length_of(spare, bin.limit));
        bin.head = nullptr;
        bin.room.store(bin.limit);
        back.spare = nullptr;
        back.spare_count.store(0, std::memory_order_relaxed);
    }
    for (OutboxSlot &slot : outbox_)
    {
        for (void *block = slot.first; block != nullptr;)
        {
            const auto address = reinterpret_cast<uintptr_t>(block);
            if (!in_window(address))
                fatal_broken_link(block);
            void *const next_block = next_of(block);
            const Span *const record = span_of(address);
            slot.owner->push_inbox(block, block, static_cast<uint32_t>(class_bytes(record->size_class)));
            block = next_block;
        }
        slot = {};
    }
    outbox_total_.store(0, std::memory_order_relaxed);
    is_handing_over_.store(false, std::memory_order_relaxed);
}

} // namespace fastalloc
