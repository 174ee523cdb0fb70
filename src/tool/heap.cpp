// SPDX-License-Identifier: MIT
#include "tool/heap.h"

#include "tool/sound_layout.h"

#include <algorithm>
#include <set>

namespace fastalloc::tool
{
namespace
{

// More than a machine has.
constexpr uint64_t outside_capacity_max = 1 << 26;

} // namespace

Copy::Copy(Target &target, uint64_t address, uint32_t count) : address_(address), bytes_(count)
{
    target.read_all(address, bytes_.data(), bytes_.size());
}

void View::leads_outside(uint32_t offset) const
{
    throw Damage("the table of the layout is wrong: it leads " + std::to_string(offset) +
                 " bytes into a structure of " + std::to_string(count_));
}

Heap::Heap(Target &its_target) : Heap(its_target, find_root(its_target))
{
}

Heap::Heap(Target &its_target, const FoundRoot &found) : target(its_target), root(found.root), layout(found.layout)
{
    check_layout();
    read_shapes();
    begin_to_look();
}

void Heap::check_layout() const
{
    if (!is_sound(layout))
        throw Failure("the table of the layout in " + target.description() + " makes no sense: its memory is damaged");
}

void Heap::read_shapes()
{
    shapes.resize(layout.classes);
    target.read_all(address_in(layout.shapes), shapes.data(), shapes.size() * sizeof shapes[0]);
    for (size_t index = 0; index < shapes.size(); ++index)
    {
        const Layout::Shape &shape = shapes[index];
        constexpr unsigned medium_capacity_max = 64; // the bits of its mask of free blocks
        if (shape.block_bytes == 0 || shape.slices == 0 || shape.capacity == 0 ||
            uint64_t{shape.capacity} * shape.block_bytes > uint64_t{shape.slices} << layout.slice_shift ||
            (index >= layout.small_classes && shape.capacity > medium_capacity_max))
            throw Failure("the table of classes in " + target.description() + " makes no sense: its memory is damaged");
    }
}

// Where the window ends may have changed.
void Heap::begin_to_look()
{
    target.forget();
    target.effort().begin();
    base = word(root.window_bounds, layout.bounds_base);
    limit_bytes = word(root.window_bounds, layout.bounds_limit_bytes);
    secret = word(root.window_bounds, layout.bounds_link_secret);
    constexpr uint64_t window_bytes_max = uint64_t{1} << 47; // an address space
    if (limit_bytes > root.window_bytes || root.window_bytes > window_bytes_max)
        throw Failure("the window in " + target.description() + " ends behind its end: its memory is damaged");
}

void Heap::require_window() const
{
    if (base == 0 || limit_bytes == 0)
        throw Failure(target.description() + " has libfastalloc, which has served no block of it yet");
}

std::string Heap::fatal_line()
{
    std::string line;
    for (uint64_t address = address_in(root.fatal_line); address != 0 && line.size() < 4096; ++address)
    {
        char character;
        if (!target.read(address, &character, 1) || character == 0 || character == '\n')
            break;
        line += character;
    }
    return harmless(line);
}

uint64_t Heap::word(const void *object, uint32_t offset)
{
    if (object == nullptr || offset == Layout::absent)
        return 0;
    return target.value<uint64_t>(address_in(object) + offset);
}

uint64_t Heap::region_address(uint64_t number)
{
    return word(root.window, layout.window_chunk_tables) - (number + 1) * layout.region_stride;
}

uint64_t Heap::tables_begin()
{
    return region_address(std::max<uint64_t>(root.window_bytes >> layout.region_shift, 1) - 1);
}

ChunkRecord Heap::taken_apart(uint64_t number, const View &copy) const
{
    ChunkRecord chunk;
    chunk.number = number;
    chunk.free = copy.get<uint32_t>(layout.chunk_free);
    chunk.written = copy.get<uint32_t>(layout.chunk_written);
    chunk.state = static_cast<ChunkState>(copy.get<uint8_t>(layout.chunk_state));
    chunk.pages = static_cast<PageKind>(copy.get<uint8_t>(layout.chunk_pages));
    chunk.pooled = copy.get<uint8_t>(layout.chunk_pooled) != 0;
    chunk.broken = copy.get<uint8_t>(layout.chunk_broken) != 0;
    return chunk;
}

RegionRecord Heap::region(uint64_t number)
{
    const uint64_t address = region_address(number);
    const uint32_t count = chunks_per_region();
    RegionRecord region = {number, target.value<uint16_t>(address + layout.region_place), {}};
    if (region.place >= layout.places)
        throw Damage("region " + std::to_string(number) + " belongs to a node there is not");
    std::vector<char> bytes(size_t{count} * layout.chunk_stride);
    target.read_all(address + layout.region_chunks, bytes.data(), bytes.size());
    for (uint32_t position = 0; position < count; ++position)
        region.chunks.push_back(
            taken_apart(number * count + position,
                        View(bytes.data() + size_t{position} * layout.chunk_stride, layout.chunk_stride)));
    return region;
}

ChunkRecord Heap::chunk_again(const ChunkRecord &before)
{
    if (!target.is_running() || before.state == ChunkState::unused)
        return before;
    const uint64_t region = region_address(before.number / chunks_per_region());
    target.forget();
    const Copy copy(target, region + layout.region_chunks + before.number % chunks_per_region() * layout.chunk_stride,
                    layout.chunk_stride);
    return taken_apart(before.number, copy.view());
}

SpanRecord Heap::record(uint64_t slice)
{
    record_.resize(layout.record_stride);
    target.read_kept(base - slice * layout.record_stride, record_.data(), record_.size());
    const View copy(record_.data(), record_.size());
    SpanRecord span;
    span.slice = slice;
    span.owner = copy.get<uint64_t>(layout.span_owner);
    span.kind = static_cast<SpanKind>(copy.get<uint8_t>(layout.span_kind));
    span.size_class = copy.get<uint8_t>(layout.span_size_class);
    span.slices = copy.get<uint32_t>(layout.span_slices);
    span.back = copy.get<uint32_t>(layout.span_back);
    span.capacity = copy.get<uint16_t>(layout.span_capacity);
    span.handed_out = copy.get<uint16_t>(layout.span_handed_out);
    span.fresh = copy.get<uint16_t>(layout.span_fresh);
    span.start = copy.get<uint16_t>(layout.span_start);
    span.free_list = copy.get<uint64_t>(layout.span_free_list);
    span.free_blocks = copy.get<uint64_t>(layout.span_free_blocks);
    span.binned = copy.get<uint64_t>(layout.span_binned);
    span.reckoned = copy.get<uint8_t>(layout.span_reckoned);
    span.paged = copy.get<uint8_t>(layout.span_paged) != 0;
    return span;
}

template <typename Value>
Value Heap::of_span_pages(uint64_t slice, uint32_t member)
{
    if (layout.region_pages == Layout::absent || member == Layout::absent)
        return 0;
    const uint32_t shift = layout.region_shift - layout.slice_shift;
    const uint64_t within = slice & ((uint64_t{1} << shift) - 1);
    return target.value<Value>(region_address(slice >> shift) + layout.region_pages +
                               within * layout.span_pages_stride + member);
}

uint16_t Heap::discarded_pages(uint64_t slice)
{
    return of_span_pages<uint16_t>(slice, layout.span_pages_discarded);
}

uint64_t Heap::absent_blocks(uint64_t slice)
{
    return of_span_pages<uint64_t>(slice, layout.span_pages_absent);
}

bool Heap::touches(uint16_t pages, uint64_t begin, uint64_t end) const
{
    constexpr uint64_t pages_counted = 16;
    const uint64_t last = std::min((end - 1) >> layout.page_shift, pages_counted - 1);
    for (uint64_t page = begin >> layout.page_shift; page <= last; ++page)
        if ((pages >> page & 1) != 0)
            return true;
    return false;
}

uint32_t Heap::unlisted_blocks(const SpanRecord &span, uint16_t discarded) const
{
    if (discarded == 0)
        return 0;
    const Layout::Shape &shape = shapes[span.size_class];
    uint32_t count = 0;
    for (uint32_t number = 0; number < shape.capacity; ++number)
    {
        const uint64_t begin = uint64_t{number} * shape.block_bytes;
        count += touches(discarded, begin, begin + shape.block_bytes);
    }
    return count;
}

const char *Heap::fault_of(const SpanRecord &span) const
{
    const bool is_small = span.kind == SpanKind::small;
    if (span.size_class >= shapes.size() || (span.size_class < layout.small_classes) != is_small)
        return "is of a class there is not";
    const Layout::Shape &shape = shapes[span.size_class];
    if (span.slices != shape.slices || span.capacity != shape.capacity || span.back != 0)
        return "is of another shape than its class";
    if (span.handed_out > span.capacity || span.fresh > span.capacity || span.start >= span.capacity)
        return "has handed out more blocks than it has";
    return nullptr;
}

std::vector<bool> Heap::listed_blocks(const SpanRecord &span)
{
    const uint64_t begin = address_of_slice(span.slice);
    const uint32_t bytes = shapes[span.size_class].block_bytes;
    std::vector<bool> listed(span.capacity);
    const uint16_t discarded = span.paged ? discarded_pages(span.slice) : 0;
    const uint32_t free = span.fresh > span.handed_out ? span.fresh - span.handed_out : 0;
    const uint32_t unlisted = unlisted_blocks(span, discarded);
    uint64_t block = span.free_list;
    for (uint32_t left = free > unlisted ? free - unlisted : 0; left != 0; --left)
    {
        const uint64_t number = (block - begin) / bytes;
        if (number >= span.capacity || begin + number * bytes != block || listed[number])
            throw Damage("the list of free blocks of the span at " + hexadecimal(begin) + " leads astray, to " +
                         hexadecimal(block));
        listed[number] = true;
        block = next_of(block);
    }
    return listed;
}

uint64_t Heap::next_of(uint64_t block)
{
    return target.value<uint64_t>(block) ^ secret;
}

void Heap::visit_chain(uint64_t first, uint64_t bytes,
                       const std::function<bool(uint64_t block, const SpanRecord &of_block)> &visit)
{
    constexpr uint64_t steps_max = 1 << 20; // what a box says of its bytes may be nonsense, too
    uint64_t block = first;
    for (uint64_t steps = 0; block != 0 && contains(block) && steps < steps_max; ++steps)
    {
        const SpanRecord of_block = record((block - base) >> layout.slice_shift);
        if (of_block.owner == 0 || of_block.size_class >= shapes.size())
            return;
        const uint32_t block_bytes = shapes[of_block.size_class].block_bytes;
        if (block_bytes > bytes || !visit(block, of_block))
            return;
        bytes -= block_bytes;
        block = next_of(block);
    }
}

void Heap::visit_arenas(const std::function<void(Copy &&)> &visit)
{
    std::set<uint64_t> seen;
    uint64_t arena = word(root.registry, layout.registry_first);
    while (arena != 0)
    {
        if (!contains(arena) || record(((arena - base) >> layout.slice_shift)).kind != SpanKind::metadata)
            throw Damage("the list of arenas leads astray, to " + hexadecimal(arena));
        if (!seen.insert(arena).second)
            throw Damage("the list of arenas goes in a circle at " + hexadecimal(arena));
        Copy copy(target, arena, layout.arena_bytes);
        arena = copy.get<uint64_t>(layout.arena_next);
        visit(std::move(copy));
    }
}

std::vector<Copy> Heap::arenas()
{
    std::vector<Copy> arenas;
    visit_arenas([&](Copy &&arena) {
        target.effort().keep(layout.arena_bytes + sizeof arena);
        arenas.push_back(std::move(arena));
    });
    return arenas;
}

Copy Heap::node_heap(unsigned place)
{
    return Copy(target, address_in(root.node_heaps) + uint64_t{place} * layout.heap_stride, layout.heap_stride);
}

std::vector<unsigned> Heap::used_places()
{
    std::vector<unsigned> places;
    for (unsigned first = 0; first < layout.places; first += 64)
    {
        const uint64_t bits = word(root.used_nodes, first / 8);
        for (unsigned bit = 0; bit < 64 && first + bit < layout.places; ++bit)
            if ((bits >> bit & 1) != 0)
                places.push_back(first + bit);
    }
    return places;
}

uint64_t Heap::outside_table_bytes()
{
    const uint64_t capacity = word(root.outside, layout.outside_capacity);
    if (capacity > outside_capacity_max)
        throw Damage("the table of outside blocks has room for " + std::to_string(capacity));
    return capacity * layout.entry_stride;
}

void Heap::visit_outside_blocks(const std::function<bool(const OutsideBlock &)> &visit)
{
    const uint64_t entries = word(root.outside, layout.outside_entries);
    const uint64_t table_bytes = outside_table_bytes();
    const uint64_t piece_bytes = uint64_t{256} * layout.entry_stride;
    for (uint64_t done = 0; done < table_bytes; done += piece_bytes)
    {
        const Copy piece(target, entries + done, static_cast<uint32_t>(std::min(piece_bytes, table_bytes - done)));
        for (uint32_t slot = 0; slot < piece.bytes(); slot += layout.entry_stride)
        {
            const auto address = piece.get<uint64_t>(slot + layout.entry_address);
            const auto length = piece.get<uint64_t>(slot + layout.entry_bytes);
            OutsideBlock block = {address, length, std::nullopt};
            if (layout.entry_place != Layout::absent)
                block.place = piece.get<uint16_t>(element_member(slot, 0, 0, layout.entry_place));
            if (address != 0 && address + length >= address && !visit(block))
                return;
        }
    }
}

uint64_t Heap::times_locked()
{
    if (!target.is_running())
        return 0;
    target.forget();
    uint64_t sum = 0;
    try
    {
        sum = word(root.registry, layout.registry_times_locked) + word(root.window, layout.window_times_locked) +
              word(root.outside, layout.outside_times_locked);
        for (const unsigned place : used_places())
            sum += node_heap(place).get<uint64_t>(layout.heap_times_locked);
        visit_arenas([&](const Copy &arena) { sum += arena.get<uint64_t>(layout.arena_times_locked); });
    }
    catch (const Damage &)
    {
        // Who reads the same names it.
    }
    return sum;
}

bool Heap::look(const std::function<void()> &look_once)
{
    constexpr int attempts = 2;
    bool changed = true;
    for (int attempt = 0; changed && attempt < attempts; ++attempt)
    {
        const uint64_t before = times_locked();
        begin_to_look();
        look_once();
        changed = times_locked() != before;
    }
    return changed;
}

PageRow page_row_of(const ChunkRecord &chunk)
{
    if (chunk.pooled)
        return pooled_pages;
    if (chunk.broken)
        return broken_pages;
    return chunk.pages == PageKind::huge ? huge_pages : small_pages;
}

} // namespace fastalloc::tool
