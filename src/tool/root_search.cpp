// SPDX-License-Identifier: MIT
#include "tool/root_search.h"

#include <algorithm>
#include <cstring>

namespace fastalloc::tool
{
namespace
{

// Programs with more variables than that would take seconds to read.
constexpr uint64_t searched_of_a_mapping = uint64_t{256} << 20;
constexpr uint64_t piece_bytes = 1 << 20;
constexpr uint64_t page_bytes = 4096; // at least

struct Search
{
    explicit Search(Target &its_target) : target(its_target)
    {
    }

    void look_at_all();
    void look_at(const Range &range);
    bool look_at_piece(uint64_t begin, uint64_t bytes);
    void consider(uint64_t address);
    bool read_layout(FoundRoot *found);

    Target &target;
    std::vector<uint64_t> words = std::vector<uint64_t>(piece_bytes / sizeof(uint64_t));
    std::optional<FoundRoot> best;
    uint64_t other_layout_version = 0;
    bool lacks_table = false;
};

void Search::look_at_all()
{
    const Mapping *before = nullptr; // data of a file, and what lies right behind it
    for (const Mapping &mapping : target.mappings())
    {
        const bool is_behind = before != nullptr && before->end == mapping.begin && mapping.name.empty();
        const bool is_data = mapping.writable && mapping.is_private && (mapping.has_file || is_behind);
        before = is_data || mapping.has_file ? &mapping : nullptr;
        if (is_data)
            for (const Range &range : target.written_ranges(
                     mapping.begin, mapping.begin + std::min(mapping.end - mapping.begin, searched_of_a_mapping)))
                look_at(range);
    }
}

// Where a piece cannot be read as a whole, some of its pages may be.
void Search::look_at(const Range &range)
{
    for (uint64_t piece = range.begin; piece < range.end; piece += std::min(piece_bytes, range.end - piece))
    {
        const uint64_t bytes = std::min(piece_bytes, range.end - piece);
        if (look_at_piece(piece, bytes))
            continue;
        for (uint64_t page = 0; page < bytes; page += page_bytes)
            look_at_piece(piece + page, std::min(page_bytes, bytes - page));
    }
}

bool Search::look_at_piece(uint64_t begin, uint64_t bytes)
{
    target.effort().spend(Effort::of_reading + bytes);
    if (!target.read(begin, words.data(), bytes))
        return false;
    const auto end = words.begin() + static_cast<std::ptrdiff_t>(bytes / sizeof(uint64_t));
    for (auto word = std::find(words.begin(), end, root_magic); word != end;
         word = std::find(word + 1, end, root_magic))
        consider(begin + static_cast<uint64_t>(word - words.begin()) * sizeof(uint64_t));
    return true;
}

void Search::consider(uint64_t address)
{
    FoundRoot found = {};
    found.address = address;
    target.effort().spend(3 * Effort::of_reading);
    if (!target.read(address, &found.root, sizeof found.root))
        return;
    const Root &root = found.root;
    if (root.layout_version != root_layout_version)
    {
        other_layout_version = root.layout_version;
        return;
    }
    if (root.layout == nullptr)
    {
        lacks_table = true;
        return;
    }
    if (read_layout(&found) && (!best || best->root.window_base == 0))
        best = found;
}

bool Search::read_layout(FoundRoot *found)
{
    const uint64_t address = address_in(found->root.layout);
    struct
    {
        uint64_t magic;
        uint32_t bytes;
    } head;
    if (!target.read(address, &head, sizeof head) || head.magic != Layout::known_magic || head.bytes < sizeof head)
        return false;
    // Of all bits set is an offset that is absent.
    constexpr uint64_t none = UINT64_MAX;
    memset(static_cast<void *>(&found->layout), 0xff, sizeof found->layout);
    if (!target.read(address, &found->layout, std::min<size_t>(head.bytes, sizeof found->layout)))
        return false;
    for (const void **pointer :
         {&found->layout.limits, &found->layout.leased_bytes, &found->layout.purges, &found->layout.live_blocks,
          &found->layout.asked_sizes, &found->layout.early_blocks_bytes, &found->layout.samples_capacity})
        if (address_in(*pointer) == none)
            *pointer = nullptr;
    found->layout.version[sizeof found->layout.version - 1] = 0;
    if (found->layout.bounds_base == Layout::absent)
        return true; // who reads on says what is wrong
    uint64_t base;
    return target.read(address_in(found->root.window_bounds) + found->layout.bounds_base, &base, sizeof base) &&
           base == found->root.window_base;
}

} // namespace

FoundRoot find_root(Target &target)
{
    Search search(target);
    search.look_at_all();
    if (search.best)
        return *search.best;
    if (search.other_layout_version != 0)
        throw Failure(target.description() + " runs on a libfastalloc whose structures this command does not know: " +
                      "its layout version is " + std::to_string(search.other_layout_version) + ", not " +
                      std::to_string(root_layout_version) + "; use that version's command");
    if (search.lacks_table)
        throw Failure(target.description() + " runs on a libfastalloc that does not say where its structures are: it "
                                             "is older than this command can read");
    if (target.is_cut_off())
        throw Failure(target.description() + " is cut off: what it has left does not run on libfastalloc");
    throw Failure(target.description() + " does not run on libfastalloc");
}

} // namespace fastalloc::tool
