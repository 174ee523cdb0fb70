// SPDX-License-Identifier: MIT
#include "heap/outside.h"

#include "base/bits.h"
#include "base/config.h"
#include "heap/limits.h"
#include "heap/memory_events.h"
#include "heap/node_heap.h"
#include "os/options.h"
#include "os/pages.h"

#include <cstring>

namespace fastalloc
{

constinit Outside outside;

namespace
{

// From here on a mapping begins at a multiple of a huge page. A block that is asked for in this size asks for huge
// pages, of which one is a sixteenth of it; one that has grown to it step by step keeps the small pages it has, for it
// is filled at its own pace.
constexpr size_t huge_from = large_max;

// A block that grows gets this share more than asked for, so that growing step by step does not move it at each step.
constexpr size_t growth_share = 8;

size_t alignment_for(size_t bytes, size_t alignment)
{
    return bytes >= huge_from && alignment < chunk_bytes ? chunk_bytes : alignment;
}

void advise(void *block, size_t bytes)
{
    const auto address = reinterpret_cast<uintptr_t>(block);
    if (options().huge == Huge::never)
        pages::advise_small(address, bytes);
    else if (bytes >= huge_from || options().huge != Huge::automatic)
        pages::advise_huge(address, bytes);
}

// A mapping made `bytes` long, moved if it must be. Null if refused.
void *resized_or_moved(void *block, size_t old_bytes, size_t bytes)
{
    if (pages::resize(block, old_bytes, bytes))
        return block;
    void *const place = pages::map(bytes, alignment_for(bytes, 1));
    if (place == nullptr || pages::move(block, old_bytes, place, bytes))
        return place;
    pages::unmap(place, bytes);
    return nullptr;
}

// The same for a block, within the limits.
void *resized(void *block, size_t old_bytes, size_t bytes, Node node)
{
    const size_t more = bytes > old_bytes ? bytes - old_bytes : 0;
    if (!limits.take(more))
        return nullptr;
    tell_returned(reinterpret_cast<uintptr_t>(block), old_bytes, node); // before others can have its addresses
    void *const place = resized_or_moved(block, old_bytes, bytes);
    if (place == nullptr)
        limits.give_back(more);
    else if (bytes < old_bytes)
        limits.give_back(old_bytes - bytes);
    tell_taken(reinterpret_cast<uintptr_t>(place != nullptr ? place : block), place != nullptr ? bytes : old_bytes,
               node);
    return place;
}

// Where the kernel does not let us ask, whoever touches a page first decides.
void place_pages(void *block, size_t bytes, Node place)
{
    if (!topology::place_pages(reinterpret_cast<uintptr_t>(block), bytes, place))
        node_heap(place).count_refusal();
}

// `size` in whole pages, at least one; 0 if that is more than an address space.
size_t in_pages(size_t size)
{
    return round_up(size == 0 ? 1 : size, pages::page_bytes());
}

} // namespace

// Requires: the lock, and a free slot.
void Outside::count_in(Entry entry)
{
    table_.insert(entry);
    blocks_.store(blocks_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    bytes_.store(bytes_.load(std::memory_order_relaxed) + entry.bytes, std::memory_order_relaxed);
}

bool Outside::enter(void *block, size_t bytes, Node place)
{
    Guard guard(lock);
    if (!guard)
        return false;
    if (!table_.make_room(blocks_.load(std::memory_order_relaxed) + kept_slots_ + 1))
        return false;
    count_in({reinterpret_cast<uintptr_t>(block), bytes, 0, place});
    return true;
}

// Enters a block, moved or not, that left to come back: cannot fail.
void Outside::come_back(Entry entry)
{
    Guard guard(lock);
    --kept_slots_;
    count_in(entry);
}

// Takes the entry out: of 0 bytes if there is none.
Outside::Entry Outside::leave(const void *block, Leaving leaving)
{
    Guard guard(lock);
    Entry *const entry = guard ? table_.find(reinterpret_cast<uintptr_t>(block)) : nullptr;
    if (entry == nullptr)
        return {};
    const Entry left = *entry;
    table_.erase(entry);
    blocks_.store(blocks_.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
    bytes_.store(bytes_.load(std::memory_order_relaxed) - left.bytes, std::memory_order_relaxed);
    kept_slots_ += leaving == Leaving::comes_back;
    return left;
}

void *Outside::allocate(size_t size, size_t alignment, Node place)
{
    const size_t bytes = in_pages(size);
    if (bytes < size || bytes == 0)
        return nullptr;
    if (!limits.take(bytes))
        return nullptr;
    void *block = pages::map(bytes, alignment_for(bytes, alignment));
    if (block == nullptr || !enter(block, bytes, place))
    {
        if (block != nullptr)
            pages::unmap(block, bytes);
        limits.give_back(bytes);
        return nullptr;
    }
    place_pages(block, bytes, place);
    advise(block, bytes);
    tell_taken(reinterpret_cast<uintptr_t>(block), bytes, place);
    return block;
}

bool Outside::release(void *block)
{
    if (lock.held_by_me() && !Lock::passes_now())
        return true;
    const Entry left = leave(block, Leaving::for_good);
    if (left.bytes == 0)
        return false;
    tell_returned(left.address, left.bytes, left.place); // before others can have its addresses
    pages::unmap(block, left.bytes);
    limits.give_back(left.bytes);
    return true;
}

size_t Outside::usable(const void *block)
{
    Guard guard(lock);
    const Entry *entry = guard ? table_.find(reinterpret_cast<uintptr_t>(block)) : nullptr;
    return entry != nullptr ? entry->bytes : 0;
}

int Outside::place_of(const void *block)
{
    Guard guard(lock);
    const Entry *entry = guard ? table_.find(reinterpret_cast<uintptr_t>(block)) : nullptr;
    return entry != nullptr ? entry->place : -1;
}

void Outside::set_asked(const void *block, size_t asked)
{
    Guard guard(lock);
    if (Entry *const entry = guard ? table_.find(reinterpret_cast<uintptr_t>(block)) : nullptr)
        entry->asked = asked;
}

size_t Outside::take_asked(const void *block)
{
    Guard guard(lock);
    Entry *const entry = guard ? table_.find(reinterpret_cast<uintptr_t>(block)) : nullptr;
    const size_t asked = entry != nullptr ? entry->asked : 0;
    if (entry != nullptr)
        entry->asked = 0;
    return asked;
}

void Outside::forget_asked()
{
    Guard guard(lock);
    if (guard)
        table_.for_each([](Entry &entry) { entry.asked = 0; });
}

void *Outside::reallocate(void *block, size_t size)
{
    const size_t exact = in_pages(size);
    if (exact < size)
        return nullptr;
    const Entry old = leave(block, Leaving::comes_back);
    const size_t old_bytes = old.bytes;
    if (old_bytes == 0)
        return nullptr;
    size_t bytes = exact;
    if (exact > old_bytes && exact - old_bytes < old_bytes / growth_share)
        bytes = in_pages(old_bytes + old_bytes / growth_share);
    void *place = resized(block, old_bytes, bytes, old.place);
    if (place == nullptr && bytes != exact)
    {
        bytes = exact;
        place = resized(block, old_bytes, bytes, old.place);
    }
    if (place == nullptr)
    {
        come_back(old);
        return nullptr;
    }
    come_back({reinterpret_cast<uintptr_t>(place), bytes, 0, old.place});
    return place;
}

void *Outside::carry_out(uintptr_t address, size_t bytes, size_t size, Node wanted)
{
    const size_t whole = in_pages(size);
    if (!limits.take(whole))
        return nullptr;
    void *const place = carried_out(address, bytes, whole, wanted);
    if (place == nullptr)
        limits.give_back(whole);
    else
        tell_taken(reinterpret_cast<uintptr_t>(place), whole, wanted);
    return place;
}

// The pages that move bring along the mapping they belonged to, which the kernel never joins to its new neighbour. So
// the place is cut down to them and the mapping grown, for a block must be one mapping to be moved later.
void *Outside::carried_out(uintptr_t address, size_t bytes, size_t whole, Node wanted)
{
    void *place = pages::map(whole, alignment_for(whole, 1));
    if (place == nullptr)
        return nullptr;
    if (!pages::carry_out(address, bytes, place))
    {
        pages::unmap(place, whole);
        return nullptr;
    }
    void *const rest = static_cast<char *>(place) + bytes;
    pages::unmap(rest, whole - bytes);
    if (pages::resize(place, bytes, whole))
    {
        if (enter(place, whole, wanted))
        {
            place_pages(place, whole, wanted);
            return place;
        }
        pages::unmap(rest, whole - bytes);
    }
    // Back to where they were; the old range is still committed, so copying at least cannot fail.
    void *const origin = reinterpret_cast<void *>(address);
    if (!pages::move(place, bytes, origin, bytes))
    {
        memcpy(origin, place, bytes);
        pages::unmap(place, bytes);
    }
    return nullptr;
}

size_t Outside::table_bytes() const
{
    return table_.mapped_bytes();
}

size_t Outside::resident_table_bytes() const
{
    return table_.resident_bytes();
}

uint64_t Outside::resident_bytes() const
{
    uint64_t pages = 0;
    table_.for_each([&](const Entry &entry) { pages += pages::resident_pages(entry.address, entry.bytes); });
    return pages * pages::page_bytes();
}

const char *Outside::verify() const
{
    uint64_t count = 0;
    uint64_t bytes = 0;
    bool lost = false;
    table_.for_each([&](const Entry &entry) {
        lost |= table_.find(entry.address) != &entry;
        ++count;
        bytes += entry.bytes;
    });
    if (lost)
        return "an outside block cannot be found in its registry";
    if (count != blocks() || bytes != this->bytes())
        return "the registry of outside blocks has lost count";
    return nullptr;
}

} // namespace fastalloc
