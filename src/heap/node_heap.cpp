// SPDX-License-Identifier: MIT
#include "heap/node_heap.h"

#include "heap/limits.h"
#include "heap/memory_events.h"
#include "heap/outside.h"
#include "os/options.h"

namespace fastalloc
{
namespace
{

// How many chunks of one packing list are tried for a run of several slices before a less full list is.
constexpr unsigned tries_per_bucket = 8;

// A new chunk asks for huge pages where 2 MiB are at most this share of what is open.
constexpr unsigned huge_share = 32;

constexpr NodeHeap::Run no_run{no_slice, false, false};

// Bits at multiples of `alignment`.
uint32_t aligned_slices(unsigned alignment)
{
    uint32_t mask = 0;
    for (unsigned slice = 0; slice < slices_per_chunk; slice += alignment)
        mask |= uint32_t{1} << slice;
    return mask;
}

auto *idle_link_at(ChunkIndex index)
{
    return &chunk_at(index)->idle;
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

constinit NodeHeap node_heaps[place_limit];
constinit std::atomic<uint64_t> used_node_words{0};
constinit std::atomic<uint64_t> used_nodes[node_words] = {};

NodeHeap &node_heap(Node place)
{
    NodeHeap &heap = node_heaps[place];
    const uint64_t bit = uint64_t{1} << (place % 64);
    if (FASTALLOC_UNLIKELY(!(used_nodes[place / 64].load(std::memory_order_acquire) & bit)))
    {
        heap.set_place(place);
        used_node_words.fetch_or(uint64_t{1} << (place / 64), std::memory_order_relaxed);
        used_nodes[place / 64].fetch_or(bit, std::memory_order_release);
    }
    return heap;
}

bool may_wait_for_heap()
{
    bool holds = window.lock.held_by_me() || outside.lock.held_by_me();
    for_each_node_heap([&](const NodeHeap &heap) { holds |= heap.lock.held_by_me(); });
    return !holds;
}

NodeHeap &node_heap_of(SliceIndex slice)
{
    return node_heap(window.region(slice / slices_per_region)->place);
}

void NodeHeap::enter_bucket(ChunkIndex index)
{
    Chunk *chunk = chunk_at(index);
    chunk->bucket = chunk->free_count;
    if (chunk->free_count == 0)
        return;
    const auto kind = static_cast<unsigned>(chunk->pages);
    enter_list(&buckets_[kind][chunk->bucket].first_plus_one, index, chunk_at);
    filled_buckets_[kind] |= uint32_t{1} << chunk->bucket;
}

void NodeHeap::leave_bucket(ChunkIndex index)
{
    Chunk *chunk = chunk_at(index);
    if (chunk->bucket == 0)
        return;
    const auto kind = static_cast<unsigned>(chunk->pages);
    Bucket &bucket = buckets_[kind][chunk->bucket];
    leave_list(&bucket.first_plus_one, index, chunk_at);
    if (bucket.first_plus_one == 0)
        filled_buckets_[kind] &= ~(uint32_t{1} << chunk->bucket);
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
    const auto resident = static_cast<unsigned>(__builtin_popcount(chunk->written & mask));
    const bool zeroed = resident == 0;
    const bool intact = (chunk->intact & mask) == mask;
    chunk->written |= mask;
    chunk->intact &= ~mask;
    idle_changed(index, -static_cast<int>(resident));
    fresh_slices_ += count - resident;
    return {index * slices_per_chunk + first, zeroed, intact};
}

void NodeHeap::give_part(ChunkIndex index, unsigned first, unsigned count)
{
    Chunk *chunk = chunk_at(index);
    const uint32_t mask = mask_of<uint32_t>(first, count);
    leave_bucket(index);
    chunk->free |= mask;
    chunk->dense = false;
    idle_changed(index, __builtin_popcount(chunk->written & mask));
    chunk->free_count = static_cast<uint8_t>(chunk->free_count + count);
    if (chunk->free_count < slices_per_chunk)
    {
        enter_bucket(index);
        return;
    }
    chunks_.give(index);
    close(index);
}

// So many more slices of an open chunk are idle.
void NodeHeap::idle_changed(ChunkIndex index, int slices)
{
    idle_slices_.store(idle_slices_.load(std::memory_order_relaxed) + static_cast<uint64_t>(slices),
                       std::memory_order_relaxed);
    Chunk *const chunk = chunk_at(index);
    const bool any = chunk->state == ChunkState::open && (chunk->free & chunk->written) != 0;
    if (any && !chunk->idle.queued)
        enter_queue(&idle_first_plus_one_, &idle_last_plus_one_, index, idle_link_at);
    else if (!any && chunk->idle.queued)
        leave_queue(&idle_first_plus_one_, &idle_last_plus_one_, index, idle_link_at);
    chunk->idle.queued = any;
}

// A chunk that was Free becomes Open, all its slices free.
void NodeHeap::open(ChunkIndex index)
{
    const Chunk *const chunk = chunk_at(index);
    open_chunks_.store(open_chunks_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    open_huge_chunks_ += chunk->pages == PageKind::huge;
    idle_changed(index, __builtin_popcount(chunk->written));
}

// A chunk that was Open has become Free.
void NodeHeap::close(ChunkIndex index)
{
    const Chunk *const chunk = chunk_at(index);
    open_chunks_.store(open_chunks_.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
    open_huge_chunks_ -= chunk->pages == PageKind::huge;
    idle_changed(index, -__builtin_popcount(chunk->written));
}

// Whether the chunks that were opened last are full, and the program fills what it asks for: then huge pages do not cost
// memory, if they are few beside what is open.
bool NodeHeap::wants_huge(unsigned count, Blocks blocks)
{
    if (options().huge != Huge::automatic)
        return options().huge != Huge::never;
    if (open_bytes() / chunk_bytes + count < huge_share)
        return false;
    const ChunkIndex last_plus_one = last_opened_plus_one_[static_cast<unsigned>(blocks)];
    if (count == 1 && last_plus_one != 0 && chunk_at(last_plus_one - 1)->free_count != 0)
        return false;
    if (blocks == Blocks::up_to_a_page)
        return true;
    look_at_samples();
    return density_.is_high() && !density_.is_probe();
}

// The oldest sample, if it is still what it was taken for.
void NodeHeap::look_at_samples()
{
    ChunkIndex &oldest_plus_one = samples_plus_one_[next_sample_ % density_samples];
    if (oldest_plus_one == 0)
        return;
    const ChunkIndex index = oldest_plus_one - 1;
    const Chunk *const chunk = chunk_at(index);
    oldest_plus_one = 0;
    if (chunk->state != ChunkState::open || chunk->pages != PageKind::small || chunk->free_count != 0 ||
        !density_.wants_sample())
        return;
    const size_t resident = pages::resident_pages(address_of_chunk(index), chunk_bytes);
    density_.sample(static_cast<unsigned>(resident), static_cast<unsigned>(chunk_bytes / pages::page_bytes()));
}

// Chunks in a row, open, with all slices free and in no packing list yet.
ChunkIndex NodeHeap::open_chunks(unsigned count, Blocks blocks)
{
    const bool huge = wants_huge(count, blocks);
    const ChunkIndex first = chunks_.take(count, huge ? PageKind::huge : PageKind::small);
    if (first == no_chunk)
        return no_chunk;
    // What is left of the last one is for others of its kind.
    const ChunkIndex last = first + count - 1;
    if (blocks == Blocks::larger && !huge && chunk_at(last)->pages == PageKind::huge && chunks_.may_differ())
        chunks_.break_up(last);
    for (unsigned offset = 0; offset < count; ++offset)
        open(first + offset);
    last_opened_plus_one_[static_cast<unsigned>(blocks)] = first + count;
    if (blocks == Blocks::larger && chunk_at(first)->pages == PageKind::small)
        samples_plus_one_[next_sample_++ % density_samples] = first + 1;
    return first;
}

// From a chunk of which `fill` slices are free.
NodeHeap::Run NodeHeap::take_from(PageKind pages, unsigned fill, unsigned slices, unsigned alignment)
{
    ChunkIndex index = buckets_[static_cast<unsigned>(pages)][fill].first_plus_one - 1;
    for (unsigned tries = 0; index != no_chunk && tries < tries_per_bucket; ++tries)
    {
        const Chunk *const chunk = chunk_at(index);
        int first = find_slices(chunk->free & chunk->written, slices, alignment); // those that hold memory first
        if (first < 0)
            first = find_slices(chunk->free, slices, alignment);
        if (first >= 0)
            return take_part(index, static_cast<unsigned>(first), slices);
        index = chunk->next;
    }
    return no_run;
}

NodeHeap::Run NodeHeap::take_packed(unsigned slices, unsigned alignment, Blocks blocks)
{
    const bool huge_too = blocks == Blocks::up_to_a_page || options().huge != Huge::automatic || density_.is_high();
    const Run run = take_fullest(huge_too, slices, alignment);
    if (run.slice != no_slice)
        return run;
    const ChunkIndex opened = open_chunks(1, blocks);
    if (opened != no_chunk)
        return take_part(opened, 0, slices);
    return huge_too ? no_run : take_fullest(true, slices, alignment);
}

// From the fullest open chunk that has room, of small pages or any.
NodeHeap::Run NodeHeap::take_fullest(bool huge_too, unsigned slices, unsigned alignment)
{
    const uint32_t small = filled_buckets_[static_cast<unsigned>(PageKind::small)];
    const uint32_t huge = huge_too ? filled_buckets_[static_cast<unsigned>(PageKind::huge)] : 0;
    for (uint32_t fills = (small | huge) & mask_of<uint32_t>(slices, slices_per_chunk - slices); fills != 0;
         fills &= fills - 1)
    {
        const auto fullest = static_cast<unsigned>(lowest_bit(fills));
        Run run = huge >> fullest & 1 ? take_from(PageKind::huge, fullest, slices, alignment) : no_run;
        if (run.slice == no_slice && (small >> fullest & 1) != 0)
            run = take_from(PageKind::small, fullest, slices, alignment);
        if (run.slice != no_slice)
            return run;
    }
    return no_run;
}

NodeHeap::Run NodeHeap::take_chunks(unsigned slices, Blocks blocks)
{
    const unsigned count = divide_up(slices, slices_per_chunk);
    const ChunkIndex first = open_chunks(count, blocks);
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

NodeHeap::Run NodeHeap::take(unsigned slices, unsigned alignment, Blocks blocks, Need need)
{
    Guard guard(lock, may_wait_for_heap);
    return guard ? take_locked(slices, alignment, blocks, need) : no_run;
}

NodeHeap::Run NodeHeap::take_locked(unsigned slices, unsigned alignment, Blocks blocks, Need need)
{
    const Run run = slices < slices_per_chunk ? take_packed(slices, alignment, blocks) : take_chunks(slices, blocks);
    count_fresh(need);
    return run;
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
    size_t not_held = 0;
    const bool all_free = in_one_region && in_chunks([&](ChunkIndex index, unsigned first, unsigned part) {
                              const Chunk *chunk = chunk_at(index);
                              const uint32_t mask = mask_of<uint32_t>(first, part);
                              if (chunk->state == ChunkState::free)
                                  not_held += ChunkSpace::not_held(index, 1);
                              return (chunk->state == ChunkState::open || chunk->state == ChunkState::free) &&
                                     (chunk->free & mask) == mask;
                          });
    if (!all_free || !limits.take(not_held * chunk_bytes))
        return false;
    in_chunks([this](ChunkIndex index, unsigned first, unsigned part) {
        Chunk *chunk = chunk_at(index);
        if (chunk->state == ChunkState::free)
        {
            chunks_.tell_of_not_held(index, 1, tell_taken);
            chunks_.take_one(index);
            open(index);
        }
        take_part(index, first, part);
        return true;
    });
    count_fresh(Need::again);
    return true;
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
        Guard guard(lock, may_wait_for_heap);
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
    }
    return_excess();
}

NodeHeap::Figures NodeHeap::figures() const
{
    uint64_t huge_unused = 0;
    for (unsigned number = 0; number < window.regions(); ++number)
        for (const Chunk &chunk : window.region(number)->chunks)
            if (window.region(number)->place == place() && chunk.state == ChunkState::open &&
                chunk.pages == PageKind::huge)
                huge_unused += chunk.free_count * slice_bytes;
    return {open_bytes(),
            open_huge_chunks_,
            chunks_.slack_chunks() * chunk_bytes,
            idle_bytes(),
            chunks_.broken_chunks(),
            chunks_.charged_bytes(),
            chunks_.committed_chunks() * chunk_bytes,
            slack_.demand(),
            returned_bytes(),
            returned_in_part_,
            promoted_,
            huge_unused,
            spans_of_locals_.load(std::memory_order_relaxed),
            spans_of_movers_.load(std::memory_order_relaxed),
            freed_for_others_.load(std::memory_order_relaxed),
            freed_by_others_.load(std::memory_order_relaxed),
            chunks_.refusals()};
}

} // namespace fastalloc
