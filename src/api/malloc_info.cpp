// SPDX-License-Identifier: MIT
//
// What glibc has for statistics, in glibc's forms: mallinfo and mallinfo2, malloc_info, malloc_stats.
//
// A heap of glibc's is the memory of one node here; blocks with a mapping of their own are what glibc calls mmapped; blocks
// in bins and boxes are its fast ones. As with glibc, what is in use is the difference:
//
//     arena = uordblks + fordblks                                       of all but mapped blocks
//     current = in use + fast + rest                                    of each heap, and of the total
#include "api/names.h"
#include "base/config.h"
#include "heap/node_heap.h"
#include "watch/statistics.h"
#include "watch/statistics_report.h"
#include "watch/survey.h"

#include <cerrno>
#include <climits>
#include <unistd.h>

using namespace fastalloc;

namespace
{

// Of free memory: in how many pieces it is, and how much.
struct Pieces
{
    uint64_t count;
    uint64_t bytes;

    Pieces &operator+=(const Pieces &other)
    {
        count += other.count;
        bytes += other.bytes;
        return *this;
    }
};

// What glibc would say of a heap.
struct Heap
{
    uint64_t current; // that is in use, or holds memory
    uint64_t committed;
    uint64_t live;
    Pieces fast;
    Pieces rest;
};

unsigned long long wide(uint64_t value)
{
    return value;
}

int saturated(uint64_t value)
{
    return value > INT_MAX ? INT_MAX : static_cast<int>(value);
}

// All but blocks with a mapping of their own. Only free blocks are counted; what else is free has no pieces.
Heap heap_of(uint64_t held, uint64_t committed, uint64_t live, const fastalloc_class_stats (&rows)[class_rows])
{
    Heap heap{held, committed, live, {0, 0}, {0, 0}};
    for (unsigned row = 0; row < class_count; ++row)
    {
        const uint64_t fast = rows[row].cached_bytes + rows[row].boxed_bytes;
        heap.fast += {fast / rows[row].block_bytes, fast};
        heap.rest.count += rows[row].free_bytes / rows[row].block_bytes;
    }
    const uint64_t used = live + heap.fast.bytes;
    heap.rest.bytes = held > used ? held - used : 0;
    return heap;
}

// As fastalloc_stats has it, and the rows.
bool gather_all(fastalloc_stats *stats, fastalloc_class_stats (&rows)[class_rows])
{
    return gather_class_statistics(every_place, rows, Accuracy::exact) && gather_statistics(stats, Accuracy::exact);
}

Heap whole_heap(const fastalloc_stats &stats, const fastalloc_class_stats (&rows)[class_rows])
{
    return heap_of(stats.open_bytes + stats.slack_bytes, stats.committed_bytes, stats.live_bytes - stats.outside_bytes,
                   rows);
}

void print_pieces(FILE *stream, const Heap &heap)
{
    fprintf(
        stream,
        "<total type=\"fast\" count=\"%llu\" size=\"%llu\"/>\n<total type=\"rest\" count=\"%llu\" size=\"%llu\"/>\n",
        wide(heap.fast.count), wide(heap.fast.bytes), wide(heap.rest.count), wide(heap.rest.bytes));
}

// The most there ever was is not known of each heap: what is committed is at least as much.
void print_system(FILE *stream, const Heap &heap)
{
    fprintf(stream,
            "<system type=\"current\" size=\"%llu\"/>\n<system type=\"max\" size=\"%llu\"/>\n"
            "<aspace type=\"total\" size=\"%llu\"/>\n<aspace type=\"mprotect\" size=\"%llu\"/>\n",
            wide(heap.current), wide(heap.committed), wide(heap.committed), wide(heap.committed));
}

void print_sizes(FILE *stream, const fastalloc_class_stats (&rows)[class_rows])
{
    uint64_t from = 1;
    for (unsigned row = 0; row < class_count; ++row)
    {
        const uint64_t to = rows[row].block_bytes;
        const uint64_t bytes = rows[row].cached_bytes + rows[row].boxed_bytes + rows[row].free_bytes;
        if (bytes != 0)
            fprintf(stream, "  <size from=\"%llu\" to=\"%llu\" total=\"%llu\" count=\"%llu\"/>\n", wide(from), wide(to),
                    wide(bytes), wide(bytes / to));
        from = to + 1;
    }
}

} // namespace

extern "C" {

FASTALLOC_EXPORT void malloc_stats() noexcept
{
    (void)write_statistics_as_text(STDERR_FILENO);
}

FASTALLOC_EXPORT int malloc_info(int options_asked, FILE *stream) noexcept
{
    fastalloc_stats stats;
    fastalloc_class_stats rows[class_rows];
    if (options_asked != 0 || !gather_all(&stats, rows))
    {
        errno = options_asked != 0 ? EINVAL : EBUSY;
        return -1;
    }
    const Heap whole = whole_heap(stats, rows);
    // The stream may allocate meanwhile: heaps are as they are when it is their turn.
    fprintf(stream, "<malloc version=\"1\">\n");
    unsigned number = 0;
    for_each_node_heap([&](const NodeHeap &node_heap) {
        fastalloc_node_stats node;
        if (!gather_class_statistics(node_heap.place(), rows, Accuracy::exact) ||
            !gather_node_statistics(node_heap.place(), &node, Accuracy::exact))
            return;
        const Heap heap = heap_of(node.open_bytes + node.slack_bytes, node.committed_bytes, node.live_bytes, rows);
        fprintf(stream, "<heap nr=\"%u\">\n<sizes>\n", number++);
        print_sizes(stream, rows);
        fprintf(stream, "</sizes>\n");
        print_pieces(stream, heap);
        print_system(stream, heap);
        fprintf(stream, "</heap>\n");
    });
    print_pieces(stream, whole);
    fprintf(stream, "<total type=\"mmap\" count=\"%llu\" size=\"%llu\"/>\n", wide(stats.outside_blocks),
            wide(stats.outside_bytes));
    print_system(stream, whole);
    fprintf(stream, "</malloc>\n");
    return 0;
}

FASTALLOC_EXPORT struct mallinfo2 mallinfo2() noexcept
{
    fastalloc_stats stats;
    fastalloc_class_stats rows[class_rows];
    struct mallinfo2 info = {};
    if (!gather_all(&stats, rows))
        return info;
    const Heap heap = whole_heap(stats, rows);
    info.arena = heap.current;
    info.ordblks = heap.rest.count;
    info.smblks = heap.fast.count;
    info.hblks = stats.outside_blocks;
    info.hblkhd = stats.outside_bytes;
    info.fsmblks = heap.fast.bytes;
    info.uordblks = heap.live;
    info.fordblks = heap.fast.bytes + heap.rest.bytes;
    info.keepcost = stats.slack_bytes;
    return info;
}

FASTALLOC_EXPORT struct mallinfo mallinfo() noexcept
{
    const struct mallinfo2 wide_info = mallinfo2();
    struct mallinfo info = {};
    info.arena = saturated(wide_info.arena);
    info.ordblks = saturated(wide_info.ordblks);
    info.smblks = saturated(wide_info.smblks);
    info.hblks = saturated(wide_info.hblks);
    info.hblkhd = saturated(wide_info.hblkhd);
    info.fsmblks = saturated(wide_info.fsmblks);
    info.uordblks = saturated(wide_info.uordblks);
    info.fordblks = saturated(wide_info.fordblks);
    info.keepcost = saturated(wide_info.keepcost);
    return info;
}

FASTALLOC_TWIN(malloc_stats);
FASTALLOC_TWIN(malloc_info);
FASTALLOC_TWIN(mallinfo);
FASTALLOC_TWIN(mallinfo2);

} // extern "C"
