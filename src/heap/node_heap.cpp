// SPDX-License-Identifier: MIT
#include "heap/node_heap.h"

#include "os/clock.h"
#include "os/options.h"

namespace fastalloc
{
namespace
{

// How many chunks of one packing list are tried for a run of several slices before a less full list is.
constexpr unsigned tries_per_bucket = 8;

// A new chunk asks for huge pages where 2 MiB are at most this share of what is open.
constexpr unsigned huge_share = 32;

// How much is given back between two looks at the bound.
constexpr unsigned chunks_per_return = 32;

constexpr NodeHeap::Run no_run{no_slice, false, false};

// Bits at multiples of `alignment`.
uint32_t aligned_slices(unsigned alignment)
{
    uint32_t mask = 0;
    for (unsigned slice = 0; slice < slices_per_chunk; slice += alignment)
        mask |= uint32_t{1} << slice;
    return mask;
}

// The first run of `count` bits that begins at a multiple of `alignment`, -1 if there is none.
int find_slices(uint32_t free, unsigned count, unsigned alignment)
{
    if (alignment == 1)
        return find_run(free, count);
    uint32_t begins = free;
    for (unsigned length = 1; length < count; ++length)
        begins &= free >> length;
    return lowest_bit(begins & aligned_slices(alignment));
}

} // namespace

constinit NodeHeap node_heaps[node_limit];
constinit std::atomic<uint64_t> used_node_words{0};
constinit std::atomic<uint64_t> used_nodes[node_words] = {};

NodeHeap &node_heap(Node node)
{
    NodeHeap &heap = node_heaps[node];
    const uint64_t bit = uint64_t{1} << (node % 64);
    if (FASTALLOC_UNLIKELY(!(used_nodes[node / 64].load(std::memory_order_acquire) & bit)))
    {
        heap.set_node(node);
        used_node_words.fetch_or(uint64_t{1} << (node / 64), std::memory_order_relaxed);
        used_nodes[node / 64].fetch_or(bit, std::memory_order_release);
    }
    return heap;
}

NodeHeap &node_heap_of(SliceIndex slice)
{
    return node_heap(window.region(slice / slices_per_region)->node);
}

void NodeHeap::enter_bucket(ChunkIndex index)
{
    Chunk *chunk = chunk_at(index);
    chunk->bucket = chunk->free_count;
    if (chunk->free_count == 0)
        return;
    Bucket &bucket = buckets_[chunk->bucket];
    enter_list(&bucket.first_plus_one, index, chunk_at);
    filled_buckets_ |= uint32_t{1} << chunk->bucket;
}

void NodeHeap::leave_bucket(ChunkIndex index)
{
    Chunk *chunk = chunk_at(index);
    if (chunk->bucket == 0)
        return;
    Bucket &bucket = buckets_[chunk->bucket];
    leave_list(&bucket.first_plus_one, index, chunk_at);
    if (bucket.first_plus_one == 0)
        filled_buckets_ &= ~(uint32_t{1} << chunk->bucket);
    chunk->bucket = 0;
}

// Marks slices of an open chunk as taken.
NodeHeap::Run NodeHeap::take_part(ChunkIndex index, unsigned first, unsigned count)
{
    Chunk *chunk = chunk_at(index);
    const uint32_t mask = mask_of<uint32_t>(first, count);
    leave_bucket(index);
    chunk->free &= ~mask;
    chunk->free_count = static_cast<uint8_t>(chunk->free_count - count);
    enter_bucket(index);
    const bool zeroed = (chunk->written & mask) == 0;
    const bool intact = (chunk->intact & mask) == mask;
    chunk->written |= mask;
    chunk->intact &= ~mask;
    return {index * slices_per_chunk + first, zeroed, intact};
}

void NodeHeap::give_part(ChunkIndex index, unsigned first, unsigned count)
{
    Chunk *chunk = chunk_at(index);
    leave_bucket(index);
    chunk->free |= mask_of<uint32_t>(first, count);
    chunk->free_count = static_cast<uint8_t>(chunk->free_count + count);
    if (chunk->free_count < slices_per_chunk)
    {
        enter_bucket(index);
        return;
    }
    count_open(-1, chunk->pages);
    chunks_.give(index);
}

void NodeHeap::count_open(int chunks, PageKind pages)
{
    open_chunks_.store(open_chunks_.load(std::memory_order_relaxed) + static_cast<uint64_t>(chunks),
                       std::memory_order_relaxed);
    if (pages == PageKind::huge)
        open_huge_chunks_ += static_cast<uint64_t>(chunks);
}

// Chunks in a row, open, with all slices free and in no packing list yet.
ChunkIndex NodeHeap::open_chunks(unsigned count)
{
    const bool dense = count > 1 || last_opened_plus_one_ == 0 || chunk_at(last_opened_plus_one_ - 1)->free_count == 0;
    const bool grown = open_bytes() / chunk_bytes + count >= huge_share;
    const bool huge = dense && grown && options().huge == Huge::automatic;
    const size_t slack_before = chunks_.slack_chunks();
    const ChunkIndex first = chunks_.take(count, huge ? PageKind::huge : PageKind::small);
    if (first == no_chunk)
        return no_chunk;
    const uint64_t fresh = count - (slack_before - chunks_.slack_chunks());
    if (fresh != 0 && slack_.remembers_returns())
        slack_.taken(fresh * chunk_bytes, live_bytes() + count * chunk_bytes, now_ms());
    for (unsigned offset = 0; offset < count; ++offset)
        count_open(1, chunk_at(first + offset)->pages);
    last_opened_plus_one_ = first + count;
    return first;
}

NodeHeap::Run NodeHeap::take_packed(unsigned slices, unsigned alignment)
{
    uint32_t buckets = filled_buckets_ & mask_of<uint32_t>(slices, slices_per_chunk - slices);
    while (buckets != 0)
    {
        const int fullest = lowest_bit(buckets);
        buckets &= buckets - 1;
        ChunkIndex index = buckets_[fullest].first_plus_one - 1;
        for (unsigned tries = 0; index != no_chunk && tries < tries_per_bucket; ++tries)
        {
            const int first = find_slices(chunk_at(index)->free, slices, alignment);
            if (first >= 0)
                return take_part(index, static_cast<unsigned>(first), slices);
            index = chunk_at(index)->next;
        }
    }
    const ChunkIndex opened = open_chunks(1);
    return opened == no_chunk ? no_run : take_part(opened, 0, slices);
}

NodeHeap::Run NodeHeap::take_chunks(unsigned slices)
{
    const unsigned count = divide_up(slices, slices_per_chunk);
    const ChunkIndex first = open_chunks(count);
    if (first == no_chunk)
        return no_run;
    bool zeroed = true;
    for (unsigned offset = 0; offset < count; ++offset)
    {
        const unsigned rest = slices - offset * slices_per_chunk;
        zeroed &= take_part(first + offset, 0, rest < slices_per_chunk ? rest : slices_per_chunk).zeroed;
    }
    return {first * slices_per_chunk, zeroed, false};
}

NodeHeap::Run NodeHeap::take(unsigned slices, unsigned alignment)
{
    Guard guard(lock);
    return guard ? take_locked(slices, alignment) : no_run;
}

NodeHeap::Run NodeHeap::take_locked(unsigned slices, unsigned alignment)
{
    return slices < slices_per_chunk ? take_packed(slices, alignment) : take_chunks(slices);
}

bool NodeHeap::take_exactly(SliceIndex slice, unsigned count)
{
    const auto in_chunks = [&](auto &&each) {
        for (unsigned done = 0; done < count;)
        {
            const ChunkIndex index = (slice + done) / slices_per_chunk;
            const unsigned first = (slice + done) % slices_per_chunk;
            const unsigned left = slices_per_chunk - first;
            const unsigned part = count - done < left ? count - done : left;
            if (!each(index, first, part))
                return false;
            done += part;
        }
        return true;
    };
    const bool in_one_region = (slice - 1) / slices_per_region == (slice + count - 1) / slices_per_region;
    const bool all_free = in_one_region && in_chunks([](ChunkIndex index, unsigned first, unsigned part) {
                              const Chunk *chunk = chunk_at(index);
                              const uint32_t mask = mask_of<uint32_t>(first, part);
                              return (chunk->state == ChunkState::open || chunk->state == ChunkState::free) &&
                                     (chunk->free & mask) == mask;
                          });
    if (!all_free)
        return false;
    return in_chunks([this](ChunkIndex index, unsigned first, unsigned part) {
        Chunk *chunk = chunk_at(index);
        if (chunk->state == ChunkState::free)
        {
            chunks_.take_one(index);
            count_open(1, chunk->pages);
        }
        take_part(index, first, part);
        return true;
    });
}

void NodeHeap::give_locked(SliceIndex slice, unsigned count)
{
    for (unsigned done = 0; done < count;)
    {
        const unsigned first = (slice + done) % slices_per_chunk;
        const unsigned left = slices_per_chunk - first;
        const unsigned part = count - done < left ? count - done : left;
        give_part((slice + done) / slices_per_chunk, first, part);
        done += part;
    }
}

void NodeHeap::give(SliceIndex slice, unsigned count, Contents contents)
{
    {
        Guard guard(lock);
        if (!guard)
        {
            // A signal handler inside this heap: it must not wait, and loses the slices.
            span_at(slice)->slices = count;
            span_at(slice)->kind.store(SpanKind::lost, std::memory_order_relaxed);
            return;
        }
        if (contents == Contents::intact_span)
            chunk_at(slice / slices_per_chunk)->intact |= uint32_t{1} << (slice % slices_per_chunk);
        give_locked(slice, count);
        if (excess() == 0)
            return;
    }
    return_excess();
}

void NodeHeap::return_excess()
{
    uint64_t keep;
    {
        Guard guard(lock);
        if (!guard || excess() == 0)
            return;
        keep = slack_.bound(live_bytes());
    }
    return_slack(keep);
}

uint64_t NodeHeap::excess() const
{
    const uint64_t resident = chunks_.slack_chunks() * chunk_bytes;
    const uint64_t bound = slack_.bound(live_bytes());
    return resident > bound ? resident - bound : 0;
}

uint64_t NodeHeap::return_slack(uint64_t keep)
{
    uint64_t total = 0;
    for (;;)
    {
        ChunkSpace::Row row;
        {
            Guard guard(lock);
            const uint64_t resident = chunks_.slack_chunks() * chunk_bytes;
            if (!guard || resident <= keep)
                return total;
            const uint64_t most = divide_up(resident - keep, chunk_bytes);
            row = chunks_.take_slack(most < chunks_per_return ? static_cast<unsigned>(most) : chunks_per_return);
        }
        if (row.count == 0)
            return total;
        const size_t bytes = row.count * chunk_bytes;
        const bool discarded = pages::discard(address_of_chunk(row.first), bytes);
        Guard guard(lock);
        chunks_.returned(row, discarded);
        if (!discarded)
            return total;
        slack_.returned(bytes, now_ms());
        total += bytes;
    }
}

uint64_t NodeHeap::return_everything(uint64_t keep)
{
    uint64_t total = return_slack(keep);
    Guard guard(lock);
    if (!guard)
        return total;
    for (unsigned number = 0; number < window.regions(); ++number)
    {
        Region *region = window.region(number);
        for (unsigned position = 0; region->node == node() && position < chunks_per_region; ++position)
        {
            Chunk *chunk = &region->chunks[position];
            uint32_t idle = chunk->state == ChunkState::open ? chunk->free & chunk->written : 0;
            while (idle != 0)
            {
                const auto first = static_cast<unsigned>(lowest_bit(idle));
                const unsigned count = run_length(idle, first);
                const uint32_t mask = mask_of<uint32_t>(first, count);
                const ChunkIndex index = number * chunks_per_region + position;
                idle &= ~mask;
                if (!pages::discard(address_of_chunk(index) + first * slice_bytes, count * slice_bytes))
                    return total;
                chunk->written &= ~mask;
                chunk->intact &= ~mask;
                total += count * slice_bytes;
            }
        }
    }
    return total;
}

void NodeHeap::tick()
{
    {
        Guard guard(lock);
        if (!guard || chunks_.slack_chunks() == 0)
            return;
        slack_.advance(now_ms());
    }
    return_excess();
}

NodeHeap::Figures NodeHeap::figures() const
{
    return {open_bytes(),
            open_huge_chunks_,
            chunks_.slack_chunks() * chunk_bytes,
            chunks_.committed_chunks() * chunk_bytes,
            slack_.demand(),
            slack_.returned_total()};
}

} // namespace fastalloc
