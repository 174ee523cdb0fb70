// SPDX-License-Identifier: MIT
#include "tool/page.h"

#include <algorithm>
#include <numeric>

namespace fastalloc::tool
{
namespace
{

constexpr unsigned amount_width = 11;
constexpr unsigned name_width = 16;

std::string amount(uint64_t bytes)
{
    return Screen::right(amount_width, Screen::bytes(bytes));
}

class Page
{
public:
    Page(const Heap &heap, const Figures &figures, const Screen &screen)
        : heap_(heap), figures_(figures), totals_(figures.totals), screen_(screen)
    {
    }

    void put_head();
    void put_totals();
    void put_classes(unsigned most);
    void put_nodes();
    void put_pages();
    void put_notes();

    std::vector<std::string> lines;

private:
    void put_bar(const char *name, uint64_t bytes, const std::vector<Part> &parts);
    void put_part(const std::string &sample, const char *name, uint64_t bytes, uint64_t whole, const char *meaning);
    void put_class(const std::string &name, const fastalloc_class_stats &row, uint64_t widest);
    bool knows_resident() const
    {
        return figures_.unknown.count("resident_bytes") == 0;
    }

    const Heap &heap_;
    const Figures &figures_;
    const fastalloc_stats &totals_;
    const Screen &screen_;
};

void Page::put_head()
{
    const Target &target = heap_.target;
    std::string head = target.program().empty() ? "?" : target.program();
    if (target.process() != 0)
        head += "[" + std::to_string(target.process()) + "]";
    if (!target.file().empty())
        head += " in " + harmless(target.file());
    std::string rest = "  libfastalloc " + heap_.version() + ", " + std::to_string(totals_.attached_threads) +
                       (totals_.attached_threads == 1 ? " thread, " : " threads, ") + std::to_string(totals_.arenas) +
                       (totals_.arenas == 1 ? " arena" : " arenas");
    lines.push_back(screen_.bold(head) + rest);
}

void Page::put_bar(const char *name, uint64_t bytes, const std::vector<Part> &parts)
{
    const unsigned room = screen_.room_beside(11 + amount_width + 2);
    lines.push_back(screen_.bold(Screen::left(11, name)) + amount(bytes) + "  " +
                    screen_.bar(parts, totals_.mapped_bytes, room));
}

void Page::put_part(const std::string &sample, const char *name, uint64_t bytes, uint64_t whole, const char *meaning)
{
    if (bytes != 0)
        lines.push_back("  " + sample + " " + Screen::left(name_width, name) + amount(bytes) +
                        Screen::right(8, Screen::percentage(bytes, whole)) + "  " + screen_.faint(meaning));
}

void Page::put_totals()
{
    const uint64_t live = totals_.live_bytes - std::min(totals_.outside_bytes, totals_.live_bytes);
    const uint64_t waiting = totals_.cached_bytes + totals_.inbox_bytes;
    const uint64_t in_spans = totals_.free_in_spans_bytes + totals_.tail_bytes;
    const uint64_t chunks =
        totals_.free_slice_bytes + totals_.slack_bytes + totals_.unbacked_bytes + totals_.lost_bytes;
    const uint64_t mapped = totals_.mapped_bytes;
    put_bar("mapped", mapped,
            {{Ink::live, live},
             {Ink::outside, totals_.outside_bytes},
             {Ink::waiting, waiting},
             {Ink::spans, in_spans},
             {Ink::chunks, chunks},
             {Ink::tables, totals_.metadata_bytes}});
    if (knows_resident())
        put_bar("resident", totals_.resident_bytes, {{Ink::plain, totals_.resident_bytes}});
    lines.emplace_back();
    const auto sample = [this](Ink ink) { return screen_.sample(ink); };
    put_part(sample(Ink::live), "live", live, mapped, "in blocks the program holds");
    put_part(sample(Ink::outside), "live outside", totals_.outside_bytes, mapped,
             "in blocks with a mapping of their own");
    put_part(sample(Ink::waiting), "in bins", totals_.cached_bytes, mapped, "free blocks kept by threads");
    put_part(sample(Ink::waiting), "in boxes", totals_.inbox_bytes, mapped, "on the way back to their thread");
    put_part(sample(Ink::spans), "free in spans", totals_.free_in_spans_bytes, mapped, "free blocks between others");
    put_part(sample(Ink::spans), "tails of spans", totals_.tail_bytes, mapped, "too little for another block");
    put_part(sample(Ink::chunks), "free slices", totals_.free_slice_bytes, mapped, "free parts of chunks in use");
    put_part(sample(Ink::chunks), "slack", totals_.slack_bytes, mapped, "free chunks that hold memory");
    put_part(sample(Ink::chunks), "unbacked", totals_.unbacked_bytes, mapped, "free chunks without memory");
    put_part(sample(Ink::chunks), "lost", totals_.lost_bytes, mapped, "freed inside the allocator");
    put_part(sample(Ink::tables), "metadata", totals_.metadata_bytes, mapped, "tables and arenas");
    if (!knows_resident())
        return;
    const uint64_t resident = totals_.resident_bytes;
    put_part(" ", "idle", totals_.idle_bytes, mapped, "nobody's: what has memory may go back");
    put_part(" ", "pinned", totals_.pinned_bytes, resident, "of resident: free beside blocks in use");
    if (figures_.huge_page_bytes)
        put_part(" ", "on huge pages", *figures_.huge_page_bytes, resident, "of resident");
    if (totals_.limit_bytes != 0)
        put_part(" ", "held", totals_.held_bytes, totals_.limit_bytes, "of the limit");
}

void Page::put_class(const std::string &name, const fastalloc_class_stats &row, uint64_t widest)
{
    const unsigned used = 12 + 10 + 4 * amount_width + 1;
    lines.push_back(Screen::right(12, name) + Screen::right(10, std::to_string(row.live_blocks)) +
                    amount(row.live_bytes) + amount(row.cached_bytes + row.boxed_bytes) +
                    amount(row.free_bytes + row.tail_bytes) + amount(row.pinned_bytes) + " " +
                    screen_.bar({{Ink::live, row.live_bytes},
                                 {Ink::waiting, row.cached_bytes + row.boxed_bytes},
                                 {Ink::spans, row.free_bytes + row.tail_bytes}},
                                widest, screen_.room_beside(used)));
}

void Page::put_classes(unsigned most)
{
    const auto &classes = figures_.classes;
    std::vector<size_t> order(classes.size());
    std::iota(order.begin(), order.end(), size_t{0});
    order.erase(std::remove_if(order.begin(), order.end(), [&](size_t index) { return classes[index].spans == 0; }),
                order.end());
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t one, size_t other) { return classes[one].live_bytes > classes[other].live_bytes; });
    if (order.empty())
        return;
    uint64_t widest = 0;
    for (const size_t index : order)
        widest = std::max(widest, classes[index].span_bytes);
    lines.emplace_back();
    lines.push_back(screen_.bold("  block size    blocks       live    in bins   in spans     pinned"));
    const size_t shown = order.size() <= most + 1 ? order.size() : most;
    for (size_t position = 0; position < shown; ++position)
    {
        const size_t index = order[position];
        const bool is_large = index == classes.size() - 2;
        const std::string name =
            index < classes.size() - 2 ? std::to_string(classes[index].block_bytes) : (is_large ? "large" : "outside");
        put_class(name, classes[index], widest);
    }
    fastalloc_class_stats rest = {};
    for (size_t position = shown; position < order.size(); ++position)
    {
        const fastalloc_class_stats &row = classes[order[position]];
        rest.live_blocks += row.live_blocks;
        rest.live_bytes += row.live_bytes;
        rest.cached_bytes += row.cached_bytes + row.boxed_bytes;
        rest.free_bytes += row.free_bytes + row.tail_bytes;
        rest.pinned_bytes += row.pinned_bytes;
    }
    if (shown < order.size())
        put_class(std::to_string(order.size() - shown) + " others", rest, widest);
}

void Page::put_nodes()
{
    lines.emplace_back();
    lines.push_back(screen_.bold("        node  committed   resident       live    in bins      slack     pinned"));
    for (const auto &[node, stats] : figures_.nodes)
    {
        if (stats.committed_bytes == 0)
            continue;
        lines.push_back(Screen::right(12, node < 0 ? "none" : std::to_string(node)) + amount(stats.committed_bytes) +
                        (knows_resident() ? amount(stats.resident_bytes) : Screen::right(amount_width, "?")) +
                        amount(stats.live_bytes) + amount(stats.cached_bytes + stats.boxed_bytes) +
                        amount(stats.slack_bytes) + amount(stats.pinned_bytes));
    }
}

void Page::put_pages()
{
    lines.emplace_back();
    lines.push_back(screen_.bold("       pages     chunks     in use   resident"));
    for (unsigned index = 0; index < page_rows; ++index)
    {
        const PageFigures &row = figures_.pages[index];
        if (row.chunks == 0)
            continue;
        const uint64_t bytes = row.chunks * heap_.chunk_bytes();
        lines.push_back(
            Screen::right(12, page_names[index]) + Screen::right(amount_width, std::to_string(row.chunks)) +
            amount(row.used_bytes) +
            (knows_resident() ? amount(row.resident_bytes) : Screen::right(amount_width, "?")) + "  " +
            screen_.bar({{Ink::live, row.used_bytes}, {Ink::chunks, bytes - std::min(bytes, row.used_bytes)}},
                        totals_.mapped_bytes, screen_.room_beside(12 + 3 * amount_width + 2)));
    }
}

void Page::put_notes()
{
    if (figures_.changed)
        lines.push_back("It changed while it was read: the sums are about right.");
    if (figures_.damage.empty())
        return;
    lines.push_back(screen_.bold("What makes no sense, and was left out:"));
    for (const std::string &sentence : figures_.damage)
        lines.push_back("  " + sentence);
}

} // namespace

std::vector<std::string> page_of(const Heap &heap, const Figures &figures, const Screen &screen, unsigned most_classes)
{
    Page page(heap, figures, screen);
    page.put_head();
    page.put_notes();
    page.put_totals();
    page.put_classes(most_classes);
    page.put_nodes();
    page.put_pages();
    return page.lines;
}

} // namespace fastalloc::tool
