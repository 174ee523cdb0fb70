// SPDX-License-Identifier: MIT
#include "heap/chunk_space.h"

#include "heap/limits.h"
#include "heap/memory_events.h"
#include "os/options.h"

namespace fastalloc
{
namespace
{

constexpr unsigned word_bits = 64;

Region *region_of(ChunkIndex index)
{
    return window.region(index / chunks_per_region);
}

bool bit(const uint64_t *words, unsigned index)
{
    return words[index / word_bits] >> (index % word_bits) & 1;
}

// The first run of `count` set bits, from the low end (small pages) or the high end (huge pages): the same ends they
// are committed from, so that what is far from the ends becomes and stays free. -1 if there is none.
template <typename Wanted>
int find_row(unsigned count, PageKind kind, const uint64_t *words, Wanted wanted)
{
    unsigned row = 0;
    for (unsigned step = 0; step < chunks_per_region; ++step)
    {
        const unsigned index = kind == PageKind::small ? step : chunks_per_region - 1 - step;
        if (row == 0 && words[index / word_bits] == 0)
        {
            step += word_bits - 1 - step % word_bits;
            continue;
        }
        row = bit(words, index) && wanted(index) ? row + 1 : 0;
        if (row == count)
            return static_cast<int>(kind == PageKind::small ? index + 1 - count : index);
    }
    return -1;
}

} // namespace

void ChunkSpace::count_slack(int chunks)
{
    slack_chunks_.store(slack_chunks() + static_cast<size_t>(chunks), std::memory_order_relaxed);
}

void ChunkSpace::enter_free(ChunkIndex index)
{
    Region *region = region_of(index);
    Chunk *chunk = chunk_at(index);
    const unsigned kind = static_cast<unsigned>(chunk->pages);
    const unsigned number = index % chunks_per_region;
    chunk->state = ChunkState::free;
    region->free[kind][number / word_bits] |= uint64_t{1} << (number % word_bits);
    ++region->free_count[kind];
    if (chunk->written != 0)
    {
        ++region->slack;
        count_slack(1);
    }
}

void ChunkSpace::leave_free(ChunkIndex index)
{
    Region *region = region_of(index);
    Chunk *chunk = chunk_at(index);
    const unsigned kind = static_cast<unsigned>(chunk->pages);
    const unsigned number = index % chunks_per_region;
    region->free[kind][number / word_bits] &= ~(uint64_t{1} << (number % word_bits));
    --region->free_count[kind];
    if (chunk->written != 0)
    {
        --region->slack;
        count_slack(-1);
    }
}

ChunkIndex ChunkSpace::find(unsigned count, PageKind kind, bool written_only) const
{
    const unsigned which = static_cast<unsigned>(kind);
    for (unsigned number = 0; number < window.regions(); ++number)
    {
        const Region *region = window.region(number);
        if (region->place != place() || region->free_count[which] < count || (written_only && region->slack < count))
            continue;
        const auto wanted = [&](unsigned index) { return !written_only || region->chunks[index].written != 0; };
        const int first = find_row(count, kind, region->free[which], wanted);
        if (first >= 0)
            return number * chunks_per_region + static_cast<unsigned>(first);
    }
    return no_chunk;
}

ChunkIndex ChunkSpace::take(unsigned count, PageKind wanted)
{
    const PageKind other = wanted == PageKind::small ? PageKind::huge : PageKind::small;
    // Memory that is there already comes first, whatever its pages: it costs no fault and would only be given back.
    ChunkIndex first = slack_chunks() == 0 ? no_chunk : find(count, wanted, true);
    if (first == no_chunk && slack_chunks() != 0)
        first = find(count, other, true);
    if (first == no_chunk)
        first = find(count, wanted, false);
    if (first == no_chunk && commit_more(count, wanted))
        first = find(count, wanted, false);
    if (first == no_chunk)
        first = find(count, other, false);
    const size_t more = first != no_chunk ? not_held(first, count) * chunk_bytes : 0;
    if (first == no_chunk || !limits.take(more))
        return no_chunk;
    tell_of_not_held(first, count, tell_taken);
    for (unsigned offset = 0; offset < count; ++offset)
    {
        if (options().huge == Huge::hugetlb)
            take_from_pool(first + offset);
        take_one(first + offset);
    }
    return first;
}

unsigned ChunkSpace::not_held(ChunkIndex first, unsigned count)
{
    unsigned chunks = 0;
    for (unsigned offset = 0; offset < count; ++offset)
        chunks += chunk_at(first + offset)->written == 0;
    return chunks;
}

void ChunkSpace::tell_of_not_held(ChunkIndex first, unsigned count, void (*tell)(uintptr_t, uint64_t, Node)) const
{
    for (unsigned begin = 0; begin < count;)
    {
        unsigned end = begin;
        while (end < count && not_held(first + end, 1) != 0)
            ++end;
        if (end != begin)
            tell(address_of_chunk(first + begin), (end - begin) * chunk_bytes, place());
        begin = end + 1;
    }
}

void ChunkSpace::take_one(ChunkIndex index)
{
    leave_free(index);
    chunk_at(index)->state = ChunkState::open;
}

// Free chunks are not held any more, as far as they hold nothing.
void ChunkSpace::let_go(ChunkIndex first, unsigned count)
{
    limits.give_back(not_held(first, count) * chunk_bytes);
    tell_of_not_held(first, count, tell_returned);
}

void ChunkSpace::give(ChunkIndex index)
{
    enter_free(index);
    let_go(index, 1);
}

bool ChunkSpace::commit_more(unsigned count, PageKind kind)
{
    bool refused = false;
    for (unsigned number = 0; number < window.regions(); ++number)
    {
        Region *region = window.region(number);
        if (region->place != place())
            continue;
        const pages::Aimed outcome = commit_in(region, count, kind);
        if (outcome == pages::Aimed::committed)
            return true;
        refused = refused || outcome == pages::Aimed::refused;
    }
    // What the kernel refuses here it refuses in another region too, and that one's tables would stay committed.
    const int number = refused ? -1 : give_region();
    return number >= 0 &&
           commit_in(window.region(static_cast<unsigned>(number)), count, kind) == pages::Aimed::committed;
}

// A region more, or -1.
int ChunkSpace::give_region()
{
    topology::forget(); // so that memory that came since is found, and what is gone is not
    const int number = window.give_region(place());
    if (number >= 0 && window.is_reserved())
        place_pages(window.region_address(static_cast<unsigned>(number)), region_bytes);
    return number;
}

void ChunkSpace::place_pages(uintptr_t address, size_t bytes)
{
    if (!topology::place_pages(address, bytes, place()))
        count_refusal();
}

// Commits until `count` free chunks of the kind lie in a row at its end of the region. Steps are as large as what is
// committed already, and halved down to what is needed where the kernel refuses. Taken: the region has no room for them.
pages::Aimed ChunkSpace::commit_in(Region *region, unsigned count, PageKind kind)
{
    for (;;)
    {
        unsigned ready = 0; // free chunks next to the cursor
        const unsigned which = static_cast<unsigned>(kind);
        if (kind == PageKind::small)
            while (ready < region->low_end && bit(region->free[which], region->low_end - 1 - ready))
                ++ready;
        else
            while (region->high_begin + ready < chunks_per_region &&
                   bit(region->free[which], region->high_begin + ready))
                ++ready;
        const unsigned gap = region->high_begin - region->low_end;
        const unsigned needed = count > ready ? count - ready : 1;
        if (needed > gap)
            return pages::Aimed::taken;
        const size_t doubled = committed_chunks_ < commit_step_max_chunks ? committed_chunks_ : commit_step_max_chunks;
        unsigned step = needed < doubled ? static_cast<unsigned>(doubled) : needed;
        if (step > gap)
            step = gap;
        pages::Aimed outcome;
        while (!commit_step(region, step, kind, &outcome) && step > needed)
            step = step / 2 > needed ? step / 2 : needed;
        if (outcome != pages::Aimed::taken)
            return outcome;
        // Somebody else's mapping lies in the way: step over one chunk and look again.
        const unsigned taken = kind == PageKind::small ? region->low_end++ : --region->high_begin;
        region->chunks[taken].state = ChunkState::taken;
    }
}

bool ChunkSpace::commit_step(Region *region, unsigned chunks, PageKind kind, pages::Aimed *outcome)
{
    const unsigned first = kind == PageKind::small ? region->low_end : region->high_begin - chunks;
    const uintptr_t address = window.region_address(region->number) + uintptr_t{first} * chunk_bytes;
    const size_t bytes = chunks * chunk_bytes;
    *outcome = window.commit(address, bytes);
    if (*outcome != pages::Aimed::committed)
        return false;
    if (!window.is_reserved())
        place_pages(address, bytes);
    // Small is said too: a system that makes everything huge would inflate a process that holds little.
    if (kind == PageKind::huge)
        pages::advise_huge(address, bytes);
    else
        pages::advise_small(address, bytes);
    if (kind == PageKind::small)
        region->low_end = static_cast<uint16_t>(region->low_end + chunks);
    else
        region->high_begin = static_cast<uint16_t>(first);
    committed_chunks_ += chunks;
    for (unsigned index = first; index < first + chunks; ++index)
    {
        Chunk *chunk = &region->chunks[index];
        chunk->free = whole_chunk;
        chunk->free_count = slices_per_chunk;
        chunk->pages = kind;
        enter_free(region->number * chunks_per_region + index);
    }
    return true;
}

ChunkSpace::Row ChunkSpace::take_slack(unsigned most)
{
    if (slack_chunks() == 0 || leaver_ != 0)
        return {no_chunk, 0};
    for (unsigned number = window.regions(); number-- > 0;)
    {
        const Region *region = window.region(number);
        if (region->place != place() || region->slack == 0)
            continue;
        Row row{no_chunk, 0};
        for (unsigned index = chunks_per_region; index-- > 0 && row.count < most;)
        {
            const Chunk &chunk = region->chunks[index];
            if (chunk.state == ChunkState::free && chunk.written != 0)
                row = {number * chunks_per_region + index, row.count + 1};
            else if (row.count != 0)
                break;
        }
        for (unsigned offset = 0; offset < row.count; ++offset)
        {
            leave_free(row.first + offset);
            chunk_at(row.first + offset)->state = ChunkState::leaving;
        }
        leaver_ = thread_identity();
        return row;
    }
    return {no_chunk, 0};
}

void ChunkSpace::returned(Row row, bool discarded)
{
    leaver_ = 0;
    for (unsigned offset = 0; offset < row.count; ++offset)
    {
        chunk_at(row.first + offset)->intact = 0; // also where only a part of it could go
        if (discarded)
        {
            chunk_at(row.first + offset)->written = 0;
            chunk_at(row.first + offset)->filled.store(0, std::memory_order_relaxed);
            go_home(row.first + offset);
        }
        enter_free(row.first + offset);
    }
    let_go(row.first, row.count);
}

void ChunkSpace::after_fork_in_child()
{
    // A handler that forks may have interrupted this very thread: it goes on in the child.
    if (leaver_ == 0 || leaver_ == thread_identity())
        return;
    leaver_ = 0;
    for (unsigned number = 0; number < window.regions(); ++number)
    {
        Region *region = window.region(number);
        for (unsigned index = 0; region->place == place() && index < chunks_per_region; ++index)
            if (region->chunks[index].state == ChunkState::leaving)
                enter_free(number * chunks_per_region + index);
    }
}

} // namespace fastalloc
