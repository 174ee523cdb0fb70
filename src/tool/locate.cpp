// SPDX-License-Identifier: MIT
#include "tool/locate.h"

#include "watch/figures.h"

#include <algorithm>

namespace fastalloc::tool
{
namespace
{

class Locating
{
public:
    Locating(Heap &heap, uint64_t address) : heap_(heap)
    {
        found.address = address;
    }

    void look();

    Located found;

private:
    void look_in_window();
    void look_at_slice(uint64_t slice);
    void look_at_span(const SpanRecord &head);
    void look_at_large(const SpanRecord &head);
    bool look_for_large(uint64_t slice);
    bool look_outside();
    void look_beside_window();
    std::string where_free(const SpanRecord &head, uint64_t number);
    std::string where_waiting(uint64_t owner);
    void look_at_owner(uint64_t owner);
    bool chain_has(uint64_t first, uint64_t bytes, uint64_t block);

    Heap &heap_;
    std::vector<Copy> arenas_;
};

void Locating::look()
{
    if (heap_.contains(found.address))
        look_in_window();
    else if (!look_outside())
        look_beside_window();
}

void Locating::look_in_window()
{
    const Layout &layout = heap_.layout;
    const uint64_t slice = (found.address - heap_.base) >> layout.slice_shift;
    const uint64_t number = (found.address - heap_.base) >> layout.chunk_shift;
    const RegionRecord region = heap_.region((found.address - heap_.base) >> layout.region_shift);
    const ChunkRecord &chunk = region.chunks[number % region.chunks.size()];
    found.node = heap_.node_of(region.place);
    if (number == 0)
    {
        found.what = "a table of the allocator";
        found.node.reset();
        return;
    }
    found.chunk = chunk;
    const bool is_free = (chunk.free >> (slice % heap_.slices_per_chunk()) & 1) != 0;
    if (chunk.state == ChunkState::open && is_free)
        found.what = "a free part of a chunk in use";
    else if (chunk.state == ChunkState::open)
        look_at_slice(slice);
    else if (chunk.state == ChunkState::unused)
        found.what = "a part of the window that is not in use yet";
    else if (chunk.state == ChunkState::taken)
        found.what = "a mapping that lay in the window's way";
    else
        found.what = chunk.written != 0 ? "a free chunk that holds memory" : "a free chunk without memory";
}

void Locating::look_at_slice(uint64_t slice)
{
    const SpanRecord record = heap_.record(slice);
    if (record.back > slice)
        throw Damage("the record of the slice at " + hexadecimal(heap_.address_of_slice(slice)) + " makes no sense");
    const SpanRecord head = record.kind == SpanKind::part ? heap_.record(slice - record.back) : record;
    switch (head.kind)
    {
    case SpanKind::small:
    case SpanKind::medium:
        look_at_span(head);
        return;
    case SpanKind::large:
        look_at_large(head);
        return;
    case SpanKind::metadata:
        found.what = "an arena";
        look_at_owner(heap_.address_of_slice(slice));
        return;
    case SpanKind::lost:
        found.what = "lost: freed by a signal handler inside the allocator";
        return;
    default:
        // Of a large block only the first record says so.
        if (!look_for_large(slice))
            found.what = "on its way into use or out of it";
    }
}

bool Locating::look_for_large(uint64_t slice)
{
    const uint64_t in_region = uint64_t{1} << (heap_.layout.region_shift - heap_.layout.slice_shift);
    const uint64_t first = slice / in_region * in_region;
    for (uint64_t before = slice; before > first; --before)
    {
        const SpanRecord record = heap_.record(before - 1);
        if (record.kind == SpanKind::free)
            continue;
        if (record.kind != SpanKind::large || before - 1 + record.slices <= slice)
            return false;
        look_at_large(record);
        return true;
    }
    return false;
}

void Locating::look_at_large(const SpanRecord &head)
{
    found.what = "large";
    found.is_block = true;
    found.is_live = true;
    found.begin = heap_.address_of_slice(head.slice);
    found.bytes = head.slices * heap_.slice_bytes();
}

void Locating::look_at_span(const SpanRecord &head)
{
    if (const char *const fault = heap_.fault_of(head))
        throw Damage("the span at " + hexadecimal(heap_.address_of_slice(head.slice)) + " " + fault);
    const Layout::Shape &shape = heap_.shapes[head.size_class];
    const bool is_small = head.kind == SpanKind::small;
    found.span = heap_.address_of_slice(head.slice);
    const uint64_t number = (found.address - found.span) / shape.block_bytes;
    found.class_bytes = shape.block_bytes;
    found.capacity = head.capacity;
    look_at_owner(head.owner);
    if (number >= head.capacity)
    {
        found.what = "the rest of a span, too little for another block";
        return;
    }
    found.what = is_small ? "small" : "medium";
    found.is_block = true;
    found.number = number;
    found.begin = found.span + number * shape.block_bytes;
    found.bytes = shape.block_bytes;
    found.free_in = where_free(head, number);
    found.is_live = found.free_in.empty();
}

// Empty if it is live.
std::string Locating::where_free(const SpanRecord &head, uint64_t number)
{
    if (head.kind == SpanKind::medium)
    {
        if ((head.free_blocks >> number & 1) != 0)
            return "its span";
        return (head.binned >> number & 1) != 0 ? "a bin of its arena" : where_waiting(head.owner);
    }
    const uint64_t age = number >= head.start ? number - head.start : number + head.capacity - head.start;
    if (age >= head.fresh)
        return "its span, never handed out";
    const uint16_t discarded = head.paged ? heap_.discarded_pages(head.slice) : 0;
    if (heap_.touches(discarded, number * found.bytes, (number + 1) * found.bytes))
        return "its span, its page given back";
    if (heap_.listed_blocks(head)[number])
        return "its span";
    return where_waiting(head.owner);
}

std::string Locating::where_waiting(uint64_t owner)
{
    const Layout &layout = heap_.layout;
    for (const Copy &arena : arenas_)
    {
        if (arena.address() == owner)
        {
            for (uint32_t index = 0; index < heap_.shapes.size(); ++index)
            {
                if (heap_.shapes[index].block_bytes != found.bytes)
                    continue;
                // A bin says how many blocks it has, but the thread may just be changing that: the whole window bounds it.
                const uint32_t head = element_member(layout.arena_bins, index, layout.bin_stride, layout.bin_head);
                const uint32_t spare = element_member(layout.arena_backs, index, layout.back_stride, layout.back_spare);
                if (chain_has(arena.get<uint64_t>(head), heap_.limit_bytes, found.begin) ||
                    chain_has(arena.get<uint64_t>(spare), heap_.limit_bytes, found.begin))
                    return "a bin of its arena";
            }
            if (chain_has(arena.get<uint64_t>(layout.arena_inbox),
                          at_least_0(arena.get<int64_t>(layout.arena_inbox_bytes)), found.begin))
                return "the inbox of its arena";
        }
        for (uint32_t slot = 0; slot < heap_.outbox_slots(); ++slot)
        {
            const auto of_slot = [&](uint32_t member) {
                return element_member(layout.arena_outbox, slot, layout.outbox_stride, member);
            };
            if (arena.get<uint64_t>(of_slot(layout.slot_owner)) == owner &&
                chain_has(arena.get<uint64_t>(of_slot(layout.slot_first)),
                          arena.get<uint32_t>(of_slot(layout.slot_bytes)), found.begin))
                return "the outbox of the thread that freed it";
        }
    }
    return "";
}

// A chain that leads astray has ended: its thread goes on.
bool Locating::chain_has(uint64_t first, uint64_t bytes, uint64_t block)
{
    bool has = false;
    try
    {
        heap_.visit_chain(first, bytes, [&](uint64_t visited, const SpanRecord &) {
            has = visited == block;
            return !has;
        });
    }
    catch (const Damage &)
    {
    }
    return has;
}

void Locating::look_at_owner(uint64_t owner)
{
    arenas_ = heap_.arenas();
    for (size_t number = 0; number < arenas_.size(); ++number)
        if (arenas_[number].address() == owner)
        {
            found.arena = number;
            found.arena_address = owner;
            const auto words = arenas_[number].get<uint64_t>(heap_.layout.arena_words);
            found.thread = words != 0 ? heap_.target.thread_at(words) : 0;
        }
}

bool Locating::look_outside()
{
    heap_.visit_outside_blocks([&](const OutsideBlock &block) {
        if (found.address - block.address >= block.bytes)
            return true;
        found.what = "outside";
        found.is_block = true;
        found.is_live = true;
        found.begin = block.address;
        found.bytes = block.bytes;
        if (block.place)
            found.node = heap_.node_of(*block.place);
        return false;
    });
    return found.is_block;
}

void Locating::look_beside_window()
{
    const uint64_t entries = heap_.word(heap_.root.outside, heap_.layout.outside_entries);
    const uint64_t entries_bytes = heap_.outside_table_bytes();
    const Mapping *const mapping = heap_.target.mapping_at(found.address);
    if (heap_.base != 0 && heap_.tables_begin() <= found.address && found.address < heap_.window_end() &&
        (mapping == nullptr || mapping->name.compare(0, 6, "[anon:") == 0 || mapping->name.empty()))
        found.what =
            found.address < heap_.base ? "a table of the allocator" : "a part of the window that is not in use yet";
    else if (found.address - entries < entries_bytes)
        found.what = "a table of the allocator";
    else if (mapping != nullptr)
    {
        found.what = "no block of libfastalloc";
        found.mapping = mapping->name.empty() ? "memory without a name" : mapping->name;
    }
    else
        found.what =
            heap_.target.is_running() ? "nothing: no memory is mapped there" : "nothing that the core file has";
}

} // namespace

Located locate(Heap &heap, uint64_t address)
{
    std::optional<Locating> locating;
    std::optional<Damage> damage;
    const bool changed = heap.look([&] {
        damage.reset();
        try
        {
            locating.emplace(heap, address).look();
        }
        catch (const Damage &met)
        {
            damage = met;
        }
    });
    if (damage)
        throw *damage;
    locating->found.changed = changed;
    return locating->found;
}

} // namespace fastalloc::tool
