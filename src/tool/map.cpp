// SPDX-License-Identifier: MIT
//
// fastalloc map: a picture of a process's chunks. Each is a square, filled from below as far as it is in use; its colour
// says which pages it uses. They stand in the order of their addresses, node by node.
#include "tool/figures.h"
#include "tool/screen.h"
#include "tool/svg.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <map>

namespace fastalloc::tool
{
namespace
{

constexpr unsigned page_width = 980;
constexpr unsigned margin = 20;
constexpr unsigned line_height = 22;
constexpr const char *empty_fill = "#eef1f4";
constexpr const char *slack_fill = "#cfd6dd";
constexpr const char *outline = "#b6c0ca";

// Of blocks, and darker of large ones.
struct Colours
{
    const char *blocks;
    const char *large;
};
constexpr Colours colours[page_rows] = {
    {"#4c8fd1", "#27619c"}, // small
    {"#3aa76d", "#1f7347"}, // huge
    {"#e0953a", "#a9641a"}, // broken
    {"#9a6fc2", "#694393"}, // pool
};
constexpr const char *legend[page_rows] = {"small pages", "huge pages", "huge pages, a part given back",
                                           "huge pages of the pool"};

// So large that a few chunks are worth looking at, and thousands fit a page or two.
unsigned side_for(size_t chunks)
{
    if (chunks <= 100)
        return 44;
    if (chunks <= 800)
        return 24;
    return chunks <= 4000 ? 12 : 8;
}

class Drawing
{
public:
    Drawing(const Heap &heap, const Figures &figures)
        : heap_(heap), figures_(figures), side_(side_for(figures.chunks.size()))
    {
    }

    std::string draw();

private:
    void draw_head(const std::string &title);
    void draw_legend();
    void draw_node(int64_t node, const std::vector<const ChunkFigures *> &chunks);
    void draw_chunk(const ChunkFigures &chunk, double x, double y);
    std::string words_for(const ChunkFigures &chunk) const;

    const Heap &heap_;
    const Figures &figures_;
    const unsigned side_;
    Svg svg_;
    double y_ = margin;
};

std::string Drawing::draw()
{
    const std::string title = "Memory of " + heap_.target.description();
    draw_head(title);
    draw_legend();
    std::map<int64_t, std::vector<const ChunkFigures *>> nodes;
    for (const ChunkFigures &chunk : figures_.chunks)
        nodes[chunk.node].push_back(&chunk);
    for (const auto &[node, chunks] : nodes)
        draw_node(node, chunks);
    return svg_.document(page_width, static_cast<unsigned>(y_) + margin, title);
}

void Drawing::draw_head(const std::string &title)
{
    const fastalloc_stats &totals = figures_.totals;
    y_ += 16;
    svg_.text(margin, y_, 20, Svg::Weight::bold, title);
    y_ += line_height + 4;
    std::string words = std::to_string(figures_.chunks.size()) + " chunks of " + Screen::bytes(heap_.chunk_bytes()) +
                        ", " + Screen::bytes(totals.committed_bytes) + " committed, " +
                        Screen::bytes(totals.live_bytes - std::min(totals.live_bytes, totals.outside_bytes)) + " live";
    if (figures_.unknown.count("resident_bytes") == 0)
        words += ", " + Screen::bytes(totals.resident_bytes) + " resident in all";
    words += "; libfastalloc " + heap_.version();
    svg_.text(margin, y_, 14, Svg::Weight::normal, words);
    if (totals.outside_blocks != 0)
    {
        y_ += line_height;
        svg_.text(margin, y_, 14, Svg::Weight::normal,
                  "Not drawn: " + std::to_string(totals.outside_blocks) +
                      (totals.outside_blocks == 1 ? " block with a mapping of its own, "
                                                  : " blocks with mappings of their own, ") +
                      Screen::bytes(totals.outside_bytes));
    }
    if (figures_.changed || !figures_.damage.empty())
    {
        y_ += line_height;
        svg_.text(margin, y_, 14, Svg::Weight::normal,
                  figures_.damage.empty() ? "It changed while it was read." : "Damaged: " + figures_.damage[0]);
    }
    y_ += line_height;
}

// What is in the picture, and only that.
void Drawing::draw_legend()
{
    double x = margin;
    const auto entry = [&](const char *fill, const std::string &words) {
        const double width = 26 + 7.2 * static_cast<double>(words.size());
        if (x + width > page_width - margin)
        {
            x = margin;
            y_ += line_height;
        }
        svg_.rectangle({x, y_, 14, 14}, fill, outline);
        svg_.text(x + 19, y_ + 12, 13, Svg::Weight::normal, words);
        x += width;
    };
    bool any_large = false;
    bool any_slack = false;
    bool any_unbacked = false;
    for (const ChunkFigures &chunk : figures_.chunks)
    {
        any_large |= chunk.large_bytes != 0;
        any_slack |= chunk.record.state == ChunkState::free && chunk.record.written != 0;
        any_unbacked |= !chunk.record.is_held();
    }
    for (unsigned row = 0; row < page_rows; ++row)
        if (figures_.pages[row].chunks != 0)
            entry(colours[row].blocks, legend[row]);
    if (any_large)
        entry(colours[small_pages].large, "darker: large blocks");
    entry(empty_fill, "free in a chunk in use");
    if (any_slack)
        entry(slack_fill, "free chunk, holds memory");
    if (any_unbacked)
        entry("#ffffff", "free chunk without memory");
    y_ += line_height + 4;
}

void Drawing::draw_node(int64_t node, const std::vector<const ChunkFigures *> &chunks)
{
    uint64_t used = 0;
    uint64_t held = 0;
    for (const ChunkFigures *const chunk : chunks)
    {
        used += chunk->used_bytes();
        held += chunk->record.is_held() ? heap_.chunk_bytes() : 0;
    }
    y_ += 20;
    svg_.text(margin, y_, 15, Svg::Weight::bold,
              (node < 0 ? std::string("No node in particular") : "Node " + std::to_string(node)) + ": " +
                  std::to_string(chunks.size()) + (chunks.size() == 1 ? " chunk, " : " chunks, ") +
                  Screen::percentage(used, held) + " of " + Screen::bytes(held) + " in use");
    y_ += 10;
    const unsigned gap = side_ >= 24 ? 3 : 1;
    const unsigned columns = (page_width - 2 * margin + gap) / (side_ + gap);
    const unsigned step = side_ + gap;
    for (size_t position = 0; position < chunks.size(); ++position)
    {
        const size_t row = position / columns;
        const size_t column = position % columns;
        draw_chunk(*chunks[position], margin + static_cast<double>(column * step),
                   y_ + static_cast<double>(row * step));
    }
    const size_t rows = (chunks.size() + columns - 1) / columns;
    y_ += static_cast<double>(rows * step) + 6;
}

std::string Drawing::words_for(const ChunkFigures &chunk) const
{
    std::string words = "chunk " + std::to_string(chunk.record.number) + " at " +
                        hexadecimal(heap_.base + chunk.record.number * heap_.chunk_bytes()) + ": " +
                        page_names[page_row_of(chunk.record)] + " pages, ";
    if (chunk.record.state == ChunkState::open)
        words += Screen::percentage(chunk.used_bytes(), heap_.chunk_bytes()) + " in use (" +
                 Screen::bytes(chunk.used_bytes()) + ")";
    else
        words += chunk.record.is_held() ? "free, holds memory" : "free, without memory";
    if (chunk.resident_bytes)
        words += ", " + Screen::bytes(*chunk.resident_bytes) + " resident";
    return words;
}

void Drawing::draw_chunk(const ChunkFigures &chunk, double x, double y)
{
    const ChunkRecord &record = chunk.record;
    const double side = side_;
    svg_.begin_group(words_for(chunk));
    const bool is_open = record.state == ChunkState::open;
    svg_.rectangle({x, y, side, side}, is_open ? empty_fill : (record.is_held() ? slack_fill : "#ffffff"), outline);
    const auto height_of = [&](uint64_t bytes) {
        const double exact = side * static_cast<double>(bytes) / static_cast<double>(heap_.chunk_bytes());
        return bytes == 0 ? 0.0 : std::clamp(exact, 1.0, side);
    };
    const Colours &colour = colours[page_row_of(record)];
    const double used = height_of(chunk.used_bytes());
    const double large = std::min(height_of(chunk.large_bytes), used);
    if (used > 0)
        svg_.rectangle({x, y + side - used, side, used}, colour.blocks);
    if (large > 0)
        svg_.rectangle({x, y + side - large, side, large}, colour.large);
    svg_.end_group();
}

void write_file(const char *path, const std::string &contents)
{
    FILE *const file = fopen(path, "w");
    bool written = file != nullptr && fwrite(contents.data(), 1, contents.size(), file) == contents.size();
    const int error = errno;
    if (file != nullptr)
        written = fclose(file) == 0 && written;
    if (!written)
        throw Failure(std::string("cannot write ") + path + ": " + strerror(error != 0 ? error : errno));
}

} // namespace

int map(Words words)
{
    const char *path = nullptr;
    WordReader reader(words, Operands::anywhere);
    while (reader.next())
        if (reader.is("-o"))
            path = reader.value();
        else
            reader.refuse();
    const auto operands = operands_of(reader, {"a process or core file"});
    if (path == nullptr)
        throw UsageFailure("where to? -o FILE.svg is missing");
    std::string picture;
    look_at(operands[0], [&](Target &target) {
        Heap heap(target);
        heap.require_window();
        const Figures figures = gather_figures(heap);
        picture = Drawing(heap, figures).draw();
    });
    if (strcmp(path, "-") == 0)
        fputs(picture.c_str(), stdout);
    else
        write_file(path, picture);
    return exit_ok;
}

} // namespace fastalloc::tool
