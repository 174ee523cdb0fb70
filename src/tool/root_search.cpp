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
constexpr uint64_t step_bytes = 1 << 20;

struct Search
{
    explicit Search(Target &its_target) : target(its_target)
    {
    }

    void look_at_all();
    void look_at(uint64_t begin, uint64_t end);
    void consider(uint64_t address);
    bool read_layout(FoundRoot *found);

    Target &target;
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
            look_at(mapping.begin, std::min(mapping.end, mapping.begin + searched_of_a_mapping));
    }
}

void Search::look_at(uint64_t begin, uint64_t end)
{
    std::vector<uint64_t> words(step_bytes / sizeof(uint64_t));
    for (uint64_t place = begin; place < end; place += step_bytes)
    {
        const uint64_t bytes = std::min(step_bytes, end - place);
        if (!target.read(place, words.data(), bytes))
            return;
        const auto behind = words.begin() + static_cast<std::ptrdiff_t>(bytes / sizeof(uint64_t));
        for (auto word = std::find(words.begin(), behind, root_magic); word != behind;
             word = std::find(word + 1, behind, root_magic))
            consider(place + static_cast<uint64_t>(word - words.begin()) * sizeof(uint64_t));
    }
}

void Search::consider(uint64_t address)
{
    FoundRoot found = {};
    found.address = address;
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
    throw Failure(target.description() + " does not run on libfastalloc");
}

} // namespace fastalloc::tool
