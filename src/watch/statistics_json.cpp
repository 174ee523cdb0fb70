// SPDX-License-Identifier: MIT
//
// One object: {"version": ..., "process": ..., "exact": ..., "totals": {...}, "nodes": [...], "classes": [...],
// "arenas": [...], "settings": {...}}. Names and values have no character that JSON would want escaped.
#include "base/version.h"
#include "heap/node_heap.h"
#include "os/keep_errno.h"
#include "os/options.h"
#include "os/writer.h"
#include "watch/figures.h"
#include "watch/statistics.h"
#include "watch/statistics_report.h"
#include "watch/survey.h"

#include <unistd.h>

namespace fastalloc
{
namespace
{

// Arenas that are asked for at once.
constexpr unsigned arenas_at_once = 16;

// Puts commas between the parts of a list.
class Commas
{
public:
    explicit Commas(Writer &out) : out_(out)
    {
    }

    Writer &next(const char *begin)
    {
        out_.text(is_first_ ? "" : ",").text(begin);
        is_first_ = false;
        return out_;
    }

private:
    Writer &out_;
    bool is_first_ = true;
};

template <typename Stats, size_t count>
void write_figures(Commas &members, const Stats &stats, const Figure<Stats> (&figures)[count])
{
    for (const Figure<Stats> &figure : figures)
        members.next("\n  \"").text(figure.name).text("\": ").decimal(stats.*figure.place);
}

void write_node(Writer &out, int64_t node)
{
    out.text("\n  \"node\": ");
    if (node < 0)
        out.text("-1");
    else
        out.decimal(static_cast<uint64_t>(node));
}

void write_nodes(Writer &out)
{
    Commas nodes(out);
    for_each_node_heap([&](const NodeHeap &heap) {
        fastalloc_node_stats stats;
        (void)gather_node_statistics(heap.place(), &stats, Accuracy::as_met);
        nodes.next("\n {");
        Commas members(out);
        members.next("");
        write_node(out, heap.place() == unplaced ? -1 : static_cast<int64_t>(heap.place()));
        write_figures(members, stats, node_figures);
        out.text("}");
    });
}

void write_classes(Writer &out)
{
    fastalloc_class_stats rows[class_rows];
    (void)gather_class_statistics(every_place, rows, Accuracy::as_met);
    Commas classes(out);
    for (const fastalloc_class_stats &row : rows)
    {
        classes.next("\n {");
        Commas members(out);
        write_figures(members, row, class_figures);
        out.text("}");
    }
}

void write_arenas(Writer &out)
{
    fastalloc_arena_stats rows[arenas_at_once];
    Commas arenas(out);
    unsigned count = arenas_at_once;
    for (unsigned first = 0; count == arenas_at_once; first += count)
    {
        (void)gather_arena_statistics(first, rows, arenas_at_once, &count, Accuracy::as_met);
        for (unsigned index = 0; index < count; ++index)
        {
            arenas.next("\n {");
            Commas members(out);
            members.next("");
            write_node(out, rows[index].node);
            write_figures(members, rows[index], arena_figures);
            out.text("}");
        }
    }
}

void write_settings(Writer &out)
{
    Commas settings(out);
    for (const Option &option : option_table())
    {
        char value[option_text_capacity];
        format_option(option, options(), value, sizeof value);
        settings.next("\n  \"").text(option.name).text("\": \"").text(value).text("\"");
    }
}

} // namespace

int write_statistics_as_json(int fd)
{
    const KeepErrno keep;
    Writer out(fd);
    out.text("{\"version\": \"").text(version).text("\",\n\"process\": ").decimal(static_cast<uint64_t>(getpid()));
    {
        fastalloc_stats stats;
        const bool is_exact = gather_statistics(&stats, Accuracy::exact);
        if (!is_exact)
            (void)gather_statistics(&stats, Accuracy::as_met);
        out.text(",\n\"exact\": ").text(is_exact ? "true" : "false").text(",\n\"totals\": {");
        Commas members(out);
        write_figures(members, stats, total_figures);
    }
    out.text("},\n\"nodes\": [");
    write_nodes(out);
    out.text("],\n\"classes\": [");
    write_classes(out);
    out.text("],\n\"arenas\": [");
    write_arenas(out);
    out.text("],\n\"settings\": {");
    write_settings(out);
    out.text("}}\n");
    return out.finish();
}

} // namespace fastalloc
