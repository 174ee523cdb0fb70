// SPDX-License-Identifier: MIT
//
// fastalloc stat: where the memory of a process is, once.
#include "tool/command.h"
#include "tool/json.h"
#include "tool/page.h"
#include "tool/words.h"
#include "watch/figures.h"

#include <cstdio>
#include <unistd.h>

namespace fastalloc::tool
{
namespace
{

constexpr unsigned class_lines = 12; // of the page

template <typename Stats, size_t count>
void put_figures(Json &json, const Stats &stats, const Figure<Stats> (&figures)[count],
                 const std::set<std::string> &unknown)
{
    for (const Figure<Stats> &figure : figures)
        if (unknown.count(figure.name) == 0)
            json.key(figure.name).number(stats.*figure.place);
}

void put_node(Json &json, int64_t node)
{
    json.begin_object().key("node").signed_number(node);
}

void put_pages(Json &json, const Figures &figures, uint64_t chunk_bytes)
{
    json.key("pages").begin_list();
    for (unsigned index = 0; index < page_rows; ++index)
    {
        const PageFigures &row = figures.pages[index];
        json.begin_object().key("kind").text(page_names[index]).key("chunks").number(row.chunks);
        json.key("bytes").number(row.chunks * chunk_bytes).key("used_bytes").number(row.used_bytes);
        if (figures.has_resident)
            json.key("resident_bytes").number(row.resident_bytes);
        json.end();
    }
    json.end();
}

void put_head(Json &json, Heap &heap, const Figures &figures)
{
    const Target &target = heap.target;
    json.key("version").text(heap.version());
    json.key("process").number(static_cast<uint64_t>(target.process())).key("program").text(target.program());
    if (!target.file().empty())
        json.key("core").text(target.file()).key("fatal_line").text(heap.fatal_line());
    json.key("changed").boolean(figures.changed).key("damage").begin_list();
    for (const std::string &sentence : figures.damage)
        json.text(sentence);
    json.end();
}

void print_json(Heap &heap, const Figures &figures)
{
    Json json;
    json.begin_object();
    put_head(json, heap, figures);
    json.key("totals").begin_object();
    put_figures(json, figures.totals, total_figures, figures.unknown);
    if (figures.huge_page_bytes)
        json.key("huge_page_bytes").number(*figures.huge_page_bytes);
    json.end().key("nodes").begin_list();
    for (const auto &[node, stats] : figures.nodes)
    {
        put_node(json, node);
        put_figures(json, stats, node_figures, figures.unknown);
        json.end();
    }
    json.end().key("classes").begin_list();
    for (const fastalloc_class_stats &stats : figures.classes)
    {
        json.begin_object();
        put_figures(json, stats, class_figures, figures.unknown);
        json.end();
    }
    json.end().key("arenas").begin_list();
    for (const fastalloc_arena_stats &stats : figures.arenas)
    {
        put_node(json, stats.node);
        put_figures(json, stats, arena_figures, figures.unknown);
        json.end();
    }
    json.end();
    put_pages(json, figures, heap.chunk_bytes());
    json.end();
}

void print_text(Heap &heap, const Figures &figures)
{
    if (const std::string line = heap.fatal_line(); !line.empty())
        printf("%s\n", line.c_str());
    for (const std::string &line : page_of(heap, figures, Screen(STDOUT_FILENO), class_lines))
        puts(line.c_str());
}

} // namespace

int stat(Words words)
{
    WordReader reader(words, Operands::anywhere);
    const bool as_json = reader.asks_for_json();
    look_at(operands_of(reader, {"a process or core file"})[0], [&](Target &target) {
        Heap heap(target);
        heap.require_window();
        const Figures figures = gather_figures(heap);
        if (as_json)
            print_json(heap, figures);
        else
            print_text(heap, figures);
    });
    return exit_ok;
}

} // namespace fastalloc::tool
