// SPDX-License-Identifier: MIT
//
// Which pages chunks use: small or huge ones, those of the pool, and what becomes of that as parts go back.
#include "heap/chunk_space.h"

#include "heap/limits.h"
#include "os/options.h"

namespace fastalloc
{
namespace
{

// A chunk of another kind than its neighbours splits the mapping it lies in into three. So many take up an eighth of the
// mappings a process may have (vm.max_map_count) where nobody has changed that; where it is less, the kernel refuses the
// advice.
constexpr size_t strangers_max = 4096;

// Where it was committed: see Region.
PageKind home_kind(ChunkIndex index)
{
    const bool high = index % chunks_per_region >= window.region(index / chunks_per_region)->high_begin;
    return high ? PageKind::huge : PageKind::small;
}

} // namespace

// ---- small and huge --------------------------------------------------------------------------------------------

bool ChunkSpace::may_differ() const
{
    return strangers_ < strangers_max;
}

void ChunkSpace::set_pages(ChunkIndex index, PageKind kind)
{
    Chunk *const chunk = chunk_at(index);
    if (chunk->pages == kind)
        return;
    if (kind == PageKind::huge)
        pages::advise_huge(address_of_chunk(index), chunk_bytes);
    else
        pages::advise_small(address_of_chunk(index), chunk_bytes);
    chunk->pages = kind;
    if (kind == home_kind(index))
        --strangers_;
    else
        ++strangers_;
}

void ChunkSpace::break_up(ChunkIndex index)
{
    set_pages(index, PageKind::small);
    chunk_at(index)->broken = true;
    ++broken_chunks_;
}

void ChunkSpace::make_huge(ChunkIndex index)
{
    forget_broken(index);
    set_pages(index, PageKind::huge);
}

void ChunkSpace::forget_broken(ChunkIndex index)
{
    Chunk *const chunk = chunk_at(index);
    charged_pages_ -= chunk->charged;
    chunk->charged = 0;
    broken_chunks_ -= chunk->broken;
    chunk->broken = false;
}

void ChunkSpace::part_returned(ChunkIndex index, size_t bytes)
{
    constexpr size_t all = chunk_bytes / small_page_bytes;
    Chunk *const chunk = chunk_at(index);
    if (!chunk->broken && chunk->pages == PageKind::small)
        return;
    const size_t before = chunk->charged;
    const size_t after = before + bytes / small_page_bytes < all ? before + bytes / small_page_bytes : all;
    chunk->charged = static_cast<uint16_t>(after);
    charged_pages_ += after - before;
    if (limits.is_near())
        split(index);
}

void ChunkSpace::split_broken()
{
    for (unsigned number = 0; number < window.regions(); ++number)
    {
        const Region *region = window.region(number);
        if (region->place != place())
            continue;
        for (unsigned position = 0; charged_pages_ != 0 && position < chunks_per_region; ++position)
            if (region->chunks[position].charged != 0)
                split(number * chunks_per_region + position);
    }
}

void ChunkSpace::split(ChunkIndex index)
{
    pages::split(address_of_chunk(index), chunk_bytes);
    charged_pages_ -= chunk_at(index)->charged;
    chunk_at(index)->charged = 0;
}

// A chunk has no memory any more.
void ChunkSpace::go_home(ChunkIndex index)
{
    forget_broken(index);
    set_pages(index, home_kind(index));
}

// ---- from the pool ------------------------------------------------------------------------------------------------

// A chunk that holds nothing and is to be used: as far as the pool goes.
void ChunkSpace::take_from_pool(ChunkIndex index)
{
    Chunk *const chunk = chunk_at(index);
    if (chunk->written != 0 || chunk->pooled || !pages::take_from_pool(address_of_chunk(index), chunk_bytes))
        return;
    chunk->pooled = true;
    place_pages(address_of_chunk(index), chunk_bytes);
}

bool ChunkSpace::discard(Row row)
{
    if (options().huge != Huge::hugetlb)
        return pages::discard(address_of_chunk(row.first), row.count * chunk_bytes);
    bool all = true;
    for (ChunkIndex index = row.first; index < row.first + row.count; ++index)
    {
        const uintptr_t address = address_of_chunk(index);
        Chunk *const chunk = chunk_at(index);
        const bool gone =
            chunk->pooled ? pages::leave_pool(address, chunk_bytes) : pages::discard(address, chunk_bytes);
        chunk->pooled = chunk->pooled && !gone;
        all &= gone;
    }
    return all;
}

} // namespace fastalloc
