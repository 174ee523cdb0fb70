// SPDX-License-Identifier: MIT
#include "heap/window.h"

#include "heap/chunk.h"
#include "heap/outside.h"
#include "heap/root.h"
#include "os/options.h"
#include "os/pages.h"
#include "os/random.h"

namespace fastalloc
{

constinit WindowBounds window_bounds{};
constinit Window window;

namespace
{

constexpr size_t slice_table_bytes = slices_per_region * sizeof(Span); // of one region: 1 MiB
constexpr size_t chunk_table_bytes = Window::chunk_table_bytes;
static_assert(sizeof(Region) <= chunk_table_bytes && slice_table_bytes % chunk_table_bytes == 0);

// Where a window may begin: above what programs and libraries ask for by address (below 16 TiB), below stack and mmap
// area by a good margin, in steps of a chunk: 2^25 places in a space of 47 bits.
constexpr uintptr_t lowest_base = uintptr_t{16} << 40;
constexpr uintptr_t base_range = uintptr_t{64} << 40;
constexpr int placements = 4;

// From this region on tables are committed for two at a time and ask for a huge page: a process with so many GiB looks up
// records all over them. An even number.
constexpr unsigned huge_tables_from = 4;
static_assert(2 * slice_table_bytes == chunk_bytes && 2 * chunk_table_bytes == chunk_bytes);

size_t tables_bytes(size_t window_bytes)
{
    return window_bytes / region_bytes * (slice_table_bytes + chunk_table_bytes);
}

// Where the chunk records of region 0 end: below all slice records the window can have.
uintptr_t end_of_chunk_tables(uintptr_t base, size_t window_bytes)
{
    return base - window_bytes / region_bytes * slice_table_bytes;
}

// See Lock::MayWait.
bool may_wait_for_window()
{
    return !outside.lock.held_by_me();
}

uint64_t scramble(uint64_t value)
{
    return (value ^ (value >> 29)) * 0xbf58476d1ce4e5b9;
}

} // namespace

bool Window::reserve_at(uintptr_t base, size_t bytes)
{
    const size_t tables = tables_bytes(bytes);
    const size_t whole = tables + bytes + chunk_bytes;
    const auto start = reinterpret_cast<uintptr_t>(pages::reserve(base - tables, whole));
    if (start == 0)
        return false;
    // The kernel may have put it elsewhere: then the base is where it fits, and its own randomisation counts.
    window_bounds.base = round_up(start + tables, chunk_bytes);
    bytes_ = bytes;
    reserved_ = true;
    return true;
}

// Chooses the base. Requires: lock held, no base yet.
bool Window::place()
{
    uint64_t random = process_secret(Purpose::window_base);
    const size_t largest = largest_ != 0 ? largest_ : window_max_bytes;
    window_bounds.link_secret = process_secret(Purpose::links);
    const auto somewhere = [&] {
        random = scramble(random + 1);
        return round_down(lowest_base + random % base_range, chunk_bytes);
    };
    for (size_t bytes = largest; bytes >= window_min_bytes; bytes /= 4)
        if (reserve_at(somewhere(), bytes) || pages::address_space_is_limited())
            break;
    for (int attempt = 0; bytes_ == 0 && attempt < placements; ++attempt)
    {
        const uintptr_t base = somewhere();
        const uintptr_t tables = end_of_chunk_tables(base, largest) - chunk_table_bytes;
        const size_t with_record_0 = slice_table_bytes + pages::page_bytes();
        if (pages::commit_aimed(base - slice_table_bytes, with_record_0) != pages::Aimed::committed)
            continue;
        if (pages::commit_aimed(tables, chunk_table_bytes) != pages::Aimed::committed)
        {
            pages::unmap(reinterpret_cast<void *>(base - slice_table_bytes), with_record_0);
            continue;
        }
        window_bounds.base = base;
        bytes_ = largest;
    }
    chunk_tables_ = end_of_chunk_tables(window_bounds.base, bytes_);
    fastalloc_root.window_base = window_bounds.base;
    fastalloc_root.window_bytes = bytes_;
    return bytes_ != 0;
}

Region *Window::region(unsigned number) const
{
    return reinterpret_cast<Region *>(chunk_tables_ - (number + uintptr_t{1}) * chunk_table_bytes);
}

bool Window::tables_are_huge(unsigned number) const
{
    return reserved_ && number >= huge_tables_from && options().huge != Huge::never;
}

bool Window::commit_tables(unsigned number)
{
    if (!reserved_ && number == 0)
        return true; // place() did, to find out whether the base is good
    const bool huge = tables_are_huge(number);
    if (huge && number % 2 == 1)
        return true; // with those of the region before
    const unsigned count = huge ? 2 : 1;
    const uintptr_t slices = window_bounds.base - (number + uintptr_t{count}) * slice_table_bytes;
    const size_t record_0 = number == 0 ? pages::page_bytes() : 0;
    const auto chunks = reinterpret_cast<uintptr_t>(region(number + count - 1));
    if (commit(slices, count * slice_table_bytes + record_0) != pages::Aimed::committed ||
        commit(chunks, count * chunk_table_bytes) != pages::Aimed::committed)
        return false;
    if (huge)
    {
        pages::advise_huge(slices, count * slice_table_bytes);
        pages::advise_huge(chunks, count * chunk_table_bytes);
    }
    return true;
}

void Window::place_once()
{
    Guard guard(lock, may_wait_for_window);
    if (guard && window_bounds.base == 0)
        (void)place();
}

int Window::give_region(Node wanted)
{
    Guard guard(lock, may_wait_for_window);
    if (!guard || (window_bounds.base == 0 && !place()))
        return -1;
    const unsigned number = regions();
    if (number >= bytes_ / region_bytes || !commit_tables(number))
        return -1;
    Region *given = region(number);
    given->place = wanted;
    given->number = static_cast<uint16_t>(number);
    given->low_end = number == 0 ? 1 : 0; // the chunk of record 0
    if (number == 0)
        given->chunks[0].state = ChunkState::taken;
    given->high_begin = chunks_per_region;
    // Paired with the acquire in regions(): whoever sees the number sees the records.
    window_bounds.limit_bytes.publish((number + uintptr_t{1}) << region_shift);
    return static_cast<int>(number);
}

pages::Aimed Window::commit(uintptr_t address, size_t bytes)
{
    if (!reserved_)
        return pages::commit_aimed(address, bytes);
    return pages::commit(address, bytes) ? pages::Aimed::committed : pages::Aimed::refused;
}

// Regions whose tables are committed.
unsigned Window::committed_tables() const
{
    const unsigned count = regions();
    if (count == 0)
        return window_bounds.base != 0 && !reserved_ ? 1 : 0; // place() has tried the base out with those of the first
    return tables_are_huge(count - 1) ? round_up(count, 2u) : count;
}

size_t Window::table_bytes() const
{
    const unsigned count = committed_tables();
    return count == 0 ? 0 : count * (slice_table_bytes + chunk_table_bytes) + pages::page_bytes();
}

size_t Window::resident_table_bytes() const
{
    const unsigned count = committed_tables();
    if (count == 0)
        return 0;
    const size_t slices = count * slice_table_bytes;
    const size_t chunks = count * chunk_table_bytes;
    return (pages::resident_pages(window_bounds.base - slices, slices + pages::page_bytes()) +
            pages::resident_pages(chunk_tables_ - chunks, chunks)) *
           pages::page_bytes();
}

} // namespace fastalloc
