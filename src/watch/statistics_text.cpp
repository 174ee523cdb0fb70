// SPDX-License-Identifier: MIT
//
// What a person wants to know first: how much there is, what it is for, and which nodes and sizes have it. Rows of zeros
// are left out.
#include "heap/node_heap.h"
#include "os/keep_errno.h"
#include "os/writer.h"
#include "watch/statistics.h"
#include "watch/statistics_report.h"
#include "watch/survey.h"

#include <cerrno>
#include <unistd.h>

namespace fastalloc
{
namespace
{

constexpr unsigned name_width = 22;
constexpr unsigned column_width = 11;

class Cell
{
public:
    Text &write()
    {
        return text_;
    }

    const Text &read() const
    {
        return text_;
    }

private:
    char bytes_[32];
    Text text_{bytes_, sizeof bytes_};
};

// In MiB with two decimals.
void put_mebibytes(Writer &out, uint64_t bytes)
{
    Cell cell;
    const uint64_t hundredths = (bytes % mebibyte * 100) / mebibyte;
    cell.write().decimal(bytes / mebibyte).text(hundredths < 10 ? ".0" : ".").decimal(hundredths);
    out.right(column_width, cell.read());
}

void put_number(Writer &out, uint64_t value)
{
    Cell cell;
    cell.write().decimal(value);
    out.right(column_width, cell.read());
}

// Parts per thousand as a percentage.
void put_share(Writer &out, uint64_t thousandths)
{
    Cell cell;
    cell.write().decimal(thousandths / 10).text(".").decimal(thousandths % 10).text("%");
    out.right(column_width, cell.read());
}

void put_name(Writer &out, const char *name)
{
    Cell cell;
    cell.write().text(name);
    out.left(name_width, cell.read());
}

void put_heads(Writer &out, const char *first, const char *const (&heads)[8])
{
    out.text("\n");
    put_name(out, first);
    for (const char *head : heads)
    {
        Cell cell;
        cell.write().text(head);
        out.right(column_width, cell.read());
    }
    out.text("\n");
}

void put_amount(Writer &out, const char *name, uint64_t bytes, const char *meaning)
{
    put_name(out, name);
    put_mebibytes(out, bytes);
    out.text("   ").text(meaning).text("\n");
}

void put_part(Writer &out, const char *name, uint64_t bytes, const char *meaning)
{
    if (bytes != 0)
        put_amount(out, name, bytes, meaning);
}

// What is held beyond what programs hold, in parts of the latter.
uint64_t overhead(uint64_t held, uint64_t live)
{
    return live == 0 || held <= live ? 0 : (held - live) * 1000 / live;
}

void put_overhead(Writer &out, const char *name, uint64_t held, uint64_t live)
{
    put_name(out, name);
    put_share(out, overhead(held, live));
    Cell first;
    Cell second;
    first.write().bytes(held);
    second.write().bytes(live);
    out.text("   ").text(first.read().string()).text(" held for ").text(second.read().string()).text(" live\n");
}

void put_totals(Writer &out, const fastalloc_stats &stats)
{
    put_name(out, "total");
    out.text("        MiB\n");
    put_amount(out, "mapped", stats.mapped_bytes, "writable address range, the sum of these:");
    put_amount(out, "  live", stats.live_bytes, "in blocks the program holds");
    put_part(out, "  in bins", stats.cached_bytes, "free blocks kept by threads");
    put_part(out, "  in boxes", stats.inbox_bytes, "on the way back to the thread they belong to");
    put_part(out, "  free in spans", stats.free_in_spans_bytes, "free blocks between others, with memory or without");
    put_part(out, "  tails of spans", stats.tail_bytes, "too little for another block");
    put_part(out, "  free slices", stats.free_slice_bytes, "free parts of chunks in use");
    put_part(out, "  slack", stats.slack_bytes, "free chunks that hold memory");
    put_part(out, "  unbacked", stats.unbacked_bytes, "free chunks without memory");
    put_part(out, "  lost", stats.lost_bytes, "freed by a signal handler inside the allocator");
    put_part(out, "  metadata", stats.metadata_bytes, "tables and arenas");
    put_amount(out, "resident", stats.resident_bytes, "has memory behind it; of that:");
    put_part(out, "  metadata", stats.metadata_resident_bytes, "of tables and arenas");
    put_part(out, "  idle", stats.idle_bytes, "nobody's, may go back");
    put_part(out, "  pinned", stats.pinned_bytes, "free blocks that share pages with blocks in use");
    put_part(out, "limit", stats.limit_bytes, "for what is held");
    put_overhead(out, "overhead now", stats.held_bytes, stats.live_bytes);
    put_overhead(out, "overhead at the peak", stats.peak_held_bytes, stats.live_at_peak_bytes);
    put_name(out, "on huge pages");
    put_share(out, stats.huge_share);
    out.text("   of open chunks\n");
    put_name(out, "threads");
    put_number(out, stats.attached_threads);
    out.text("   with ").decimal(stats.arenas).text(" arenas\n");
    put_name(out, "so far");
    put_number(out, stats.refills);
    out.text("   refills, ").decimal(stats.overflows).text(" overflows, ").decimal(stats.remote_batches);
    out.text(" batches of remote frees, ").decimal(stats.purges).text(" purges\n");
    put_part(out, "", stats.returned_bytes, "given back");
}

// Of a node: its number in the first column.
void put_nodes(Writer &out)
{
    static constexpr const char *heads[] = {"committed", "resident", "live",  "in bins",
                                            "in boxes",  "pinned",   "slack", "huge"};
    put_heads(out, "node, MiB", heads);
    for_each_node_heap([&](const NodeHeap &heap) {
        fastalloc_node_stats stats;
        (void)gather_node_statistics(heap.place(), &stats, Accuracy::as_met);
        if (stats.committed_bytes == 0)
            return;
        Cell name;
        if (heap.place() == unplaced)
            name.write().text("none");
        else
            name.write().decimal(heap.place());
        out.left(name_width, name.read());
        for (const uint64_t bytes : {stats.committed_bytes, stats.resident_bytes, stats.live_bytes, stats.cached_bytes,
                                     stats.boxed_bytes, stats.pinned_bytes, stats.slack_bytes})
            put_mebibytes(out, bytes);
        put_share(out, stats.huge_share);
        out.text("\n");
    });
}

// The sizes that have anything.
void put_classes(Writer &out)
{
    static constexpr const char *heads[] = {"blocks",   "live", "in bins", "in boxes",
                                            "in spans", "free", "pinned",  "tails"};
    put_heads(out, "block size, MiB", heads);
    fastalloc_class_stats rows[class_rows];
    (void)gather_class_statistics(every_place, rows, Accuracy::as_met);
    for (unsigned row = 0; row < class_rows; ++row)
    {
        const fastalloc_class_stats &stats = rows[row];
        if (stats.spans == 0)
            continue;
        Cell name;
        if (row == large_row)
            name.write().text("larger");
        else if (row == outside_row)
            name.write().text("above 32 MiB and such");
        else
            name.write().decimal(stats.block_bytes);
        out.left(name_width, name.read());
        put_number(out, stats.live_blocks);
        for (const uint64_t bytes : {stats.live_bytes, stats.cached_bytes, stats.boxed_bytes, stats.span_bytes,
                                     stats.free_bytes, stats.pinned_bytes, stats.tail_bytes})
            put_mebibytes(out, bytes);
        out.text("\n");
    }
}

} // namespace

int write_statistics_as_text(int fd)
{
    const KeepErrno keep;
    Writer out(fd);
    {
        fastalloc_stats stats;
        const bool is_exact = gather_statistics(&stats, Accuracy::exact);
        if (!is_exact)
            (void)gather_statistics(&stats, Accuracy::as_met);
        const char *const program = program_invocation_short_name;
        Cell name;
        name.write().text(program != nullptr && *program != 0 ? program : "?");
        out.text("fastalloc: ").text(name.read().string()).text("[");
        out.decimal(static_cast<uint64_t>(getpid())).text("]: where the memory is");
        out.text(is_exact ? "\n" : ", about: inside a call of the allocator\n");
        put_totals(out, stats);
    }
    put_nodes(out);
    put_classes(out);
    out.text("\n");
    return out.finish();
}

} // namespace fastalloc
