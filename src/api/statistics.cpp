// SPDX-License-Identifier: MIT
//
// The structures of figures, and all of them as JSON. Structures grow at their ends from version to version: a caller
// says how much of one he knows.
#include "watch/statistics.h"

#include "api/names.h"
#include "heap/node_heap.h"
#include "watch/statistics_report.h"
#include "watch/survey.h"

#include <cerrno>
#include <cstring>

using namespace fastalloc;

namespace
{

// As much of the figures as the caller knows; what he knows and we do not is 0.
template <typename Known>
int hand_out(bool gathered, const Known &known, Known *copy, size_t bytes)
{
    if (!gathered)
    {
        errno = EBUSY;
        return -1;
    }
    const size_t common = bytes < sizeof known ? bytes : sizeof known;
    memcpy(copy, &known, common);
    memset(reinterpret_cast<char *>(copy) + common, 0, bytes - common);
    return 0;
}

int no_such_row()
{
    errno = EINVAL;
    return -1;
}

} // namespace

extern "C" {

FASTALLOC_EXPORT int fastalloc_get_stats(struct fastalloc_stats *stats, size_t bytes) noexcept
{
    fastalloc_stats known;
    return hand_out(gather_statistics(&known, Accuracy::exact), known, stats, bytes);
}

FASTALLOC_EXPORT int fastalloc_get_node_stats(int node, struct fastalloc_node_stats *stats, size_t bytes) noexcept
{
    if (node < -1 || node >= static_cast<int>(node_limit))
        return no_such_row();
    fastalloc_node_stats known;
    const Node place = node == -1 ? unplaced : static_cast<Node>(node);
    return hand_out(gather_node_statistics(place, &known, Accuracy::exact), known, stats, bytes);
}

FASTALLOC_EXPORT int fastalloc_get_class_stats(unsigned row, struct fastalloc_class_stats *stats, size_t bytes) noexcept
{
    if (row >= class_rows)
        return no_such_row();
    fastalloc_class_stats known[class_rows];
    return hand_out(gather_class_statistics(every_place, known, Accuracy::exact), known[row], stats, bytes);
}

FASTALLOC_EXPORT int fastalloc_get_arena_stats(unsigned number, struct fastalloc_arena_stats *stats,
                                               size_t bytes) noexcept
{
    fastalloc_arena_stats known = {};
    unsigned count = 0;
    const bool gathered = gather_arena_statistics(number, &known, 1, &count, Accuracy::exact);
    return gathered && count == 0 ? no_such_row() : hand_out(gathered, known, stats, bytes);
}

FASTALLOC_EXPORT int fastalloc_stats_json(int fd) noexcept
{
    const int error = write_statistics_as_json(fd);
    if (error == 0)
        return 0;
    errno = error;
    return -1;
}

} // extern "C"
