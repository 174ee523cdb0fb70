// SPDX-License-Identifier: MIT
//
// What a program may ask about the allocator: glibc's functions, and fastalloc's own statistics and heap check.
#include "api/background.h"
#include "api/names.h"
#include "arena/purge.h"
#include "os/options.h"
#include "watch/heap_check.h"
#include "watch/statistics.h"

#include <cerrno>
#include <climits>
#include <cstring>
#include <unistd.h>

using namespace fastalloc;

namespace
{

constexpr size_t report_capacity = 256;

int saturated(uint64_t value)
{
    return value > INT_MAX ? INT_MAX : static_cast<int>(value);
}

// The part of the figures that has a place in glibc's structure.
struct mallinfo2 in_glibcs_form(const fastalloc_stats &stats)
{
    struct mallinfo2 info = {};
    info.arena = stats.open_bytes + stats.slack_bytes;
    info.ordblks = stats.arenas;
    info.hblks = stats.outside_blocks;
    info.hblkhd = stats.outside_bytes;
    info.fsmblks = stats.cached_bytes + stats.inbox_bytes;
    info.uordblks = stats.live_bytes - stats.outside_bytes;
    info.fordblks = info.arena > info.uordblks ? info.arena - info.uordblks : 0;
    info.keepcost = stats.slack_bytes;
    return info;
}

// The names and places of all figures, for the texts.
struct Figure
{
    const char *name;
    uint64_t fastalloc_stats::*place;
};

constexpr Figure figures[] = {
    {"live_bytes", &fastalloc_stats::live_bytes},
    {"cached_bytes", &fastalloc_stats::cached_bytes},
    {"inbox_bytes", &fastalloc_stats::inbox_bytes},
    {"open_bytes", &fastalloc_stats::open_bytes},
    {"slack_bytes", &fastalloc_stats::slack_bytes},
    {"committed_bytes", &fastalloc_stats::committed_bytes},
    {"metadata_bytes", &fastalloc_stats::metadata_bytes},
    {"outside_bytes", &fastalloc_stats::outside_bytes},
    {"outside_blocks", &fastalloc_stats::outside_blocks},
    {"lease_bytes", &fastalloc_stats::lease_bytes},
    {"demand_bytes", &fastalloc_stats::demand_bytes},
    {"returned_bytes", &fastalloc_stats::returned_bytes},
    {"arenas", &fastalloc_stats::arenas},
    {"attached_threads", &fastalloc_stats::attached_threads},
    {"regions", &fastalloc_stats::regions},
    {"huge_chunks", &fastalloc_stats::huge_chunks},
    {"refills", &fastalloc_stats::refills},
    {"overflows", &fastalloc_stats::overflows},
    {"remote_batches", &fastalloc_stats::remote_batches},
    {"lock_waits", &fastalloc_stats::lock_waits},
    {"shared_writes", &fastalloc_stats::shared_writes},
    {"idle_bytes", &fastalloc_stats::idle_bytes},
    {"broken_chunks", &fastalloc_stats::broken_chunks},
    {"charged_bytes", &fastalloc_stats::charged_bytes},
    {"held_bytes", &fastalloc_stats::held_bytes},
    {"limit_bytes", &fastalloc_stats::limit_bytes},
    {"returned_in_part_bytes", &fastalloc_stats::returned_in_part_bytes},
    {"promoted_chunks", &fastalloc_stats::promoted_chunks},
    {"huge_unused_bytes", &fastalloc_stats::huge_unused_bytes},
    {"pinned_bytes", &fastalloc_stats::pinned_bytes},
};
static_assert(sizeof figures / sizeof figures[0] == sizeof(fastalloc_stats) / sizeof(uint64_t),
              "every figure is named");

// As much of the figures as the caller knows; what he knows and we do not is 0.
template <typename Known>
void copy_known(const Known &known, Known *copy, size_t bytes)
{
    const size_t common = bytes < sizeof known ? bytes : sizeof known;
    memcpy(copy, &known, common);
    memset(reinterpret_cast<char *>(copy) + common, 0, bytes - common);
}

} // namespace

extern "C" {

FASTALLOC_EXPORT int malloc_trim(size_t pad) noexcept
{
    return purge(pad) != 0;
}

FASTALLOC_EXPORT int mallopt(int parameter, int value) noexcept
{
    switch (parameter)
    {
    case M_MXFAST:
        return value >= 0 && static_cast<size_t>(value) <= 80 * sizeof(size_t) / 4;
    case M_MMAP_THRESHOLD:
    case M_TRIM_THRESHOLD:
    case M_TOP_PAD:
    case M_MMAP_MAX:
    case M_CHECK_ACTION:
    case M_PERTURB:
    case M_ARENA_TEST:
    case M_ARENA_MAX:
        return 1;
    default:
        return 0;
    }
}

FASTALLOC_EXPORT void malloc_stats() noexcept
{
    fastalloc_stats stats;
    if (!gather_statistics(&stats))
        return;
    char bytes[2048];
    const int saved_errno = errno;
    // One write a line: a Text holds one line, and lines of other threads do not mix with it.
    for (const Figure &figure : figures)
    {
        Text line(bytes, sizeof bytes - 1);
        line.text("fastalloc: ").text(figure.name).text(" = ").decimal(stats.*figure.place);
        bytes[line.length()] = '\n';
        if (write(STDERR_FILENO, bytes, line.length() + 1) < 0)
            break;
    }
    errno = saved_errno;
}

FASTALLOC_EXPORT int malloc_info(int options_asked, FILE *stream) noexcept
{
    if (options_asked != 0)
    {
        errno = EINVAL;
        return -1;
    }
    fastalloc_stats stats;
    if (!gather_statistics(&stats))
    {
        errno = EBUSY;
        return -1;
    }
    fprintf(stream, "<malloc version=\"fastalloc-%s\">\n<statistics", fastalloc_version());
    for (const Figure &figure : figures)
        fprintf(stream, "\n  %s=\"%llu\"", figure.name, static_cast<unsigned long long>(stats.*figure.place));
    fprintf(stream, "/>\n<settings");
    for (const Option &option : option_table())
    {
        char value[option_text_capacity];
        format_option(option, options(), value, sizeof value);
        fprintf(stream, "\n  %s=\"%s\"", option.name, value);
    }
    fprintf(stream, "/>\n</malloc>\n");
    return 0;
}

FASTALLOC_EXPORT struct mallinfo2 mallinfo2() noexcept
{
    fastalloc_stats stats;
    return gather_statistics(&stats) ? in_glibcs_form(stats) : (struct mallinfo2){};
}

FASTALLOC_EXPORT struct mallinfo mallinfo() noexcept
{
    const struct mallinfo2 wide = mallinfo2();
    struct mallinfo info = {};
    info.arena = saturated(wide.arena);
    info.ordblks = saturated(wide.ordblks);
    info.hblks = saturated(wide.hblks);
    info.hblkhd = saturated(wide.hblkhd);
    info.fsmblks = saturated(wide.fsmblks);
    info.uordblks = saturated(wide.uordblks);
    info.fordblks = saturated(wide.fordblks);
    info.keepcost = saturated(wide.keepcost);
    return info;
}

FASTALLOC_TWIN(malloc_trim);
FASTALLOC_TWIN(mallopt);
FASTALLOC_TWIN(malloc_stats);
FASTALLOC_TWIN(malloc_info);
FASTALLOC_TWIN(mallinfo);
FASTALLOC_TWIN(mallinfo2);

FASTALLOC_EXPORT int fastalloc_get_stats(struct fastalloc_stats *stats, size_t bytes) noexcept
{
    fastalloc_stats known;
    if (!gather_statistics(&known))
    {
        errno = EBUSY;
        return -1;
    }
    copy_known(known, stats, bytes);
    return 0;
}

FASTALLOC_EXPORT int fastalloc_get_node_stats(int node, struct fastalloc_node_stats *stats, size_t bytes) noexcept
{
    if (node < -1 || node >= static_cast<int>(node_limit))
    {
        errno = EINVAL;
        return -1;
    }
    fastalloc_node_stats known;
    if (!gather_node_statistics(node == -1 ? unplaced : static_cast<Node>(node), &known))
    {
        errno = EBUSY;
        return -1;
    }
    copy_known(known, stats, bytes);
    return 0;
}

FASTALLOC_EXPORT int fastalloc_check_heap(char *message, size_t bytes) noexcept
{
    char own[report_capacity];
    Text report(own, sizeof own);
    const HeapState state = check_heap(&report);
    if (state == HeapState::busy)
    {
        errno = EBUSY;
        return -1;
    }
    if (bytes != 0)
    {
        const size_t length = report.length() < bytes - 1 ? report.length() : bytes - 1;
        memcpy(message, report.string(), length);
        message[length] = 0;
    }
    return state == HeapState::broken;
}

#define FASTALLOC_TEXT_OF(number) #number
#define FASTALLOC_TEXT(number) FASTALLOC_TEXT_OF(number)

FASTALLOC_EXPORT size_t fastalloc_purge() noexcept
{
    return purge(0);
}

FASTALLOC_EXPORT int fastalloc_observe(const struct fastalloc_observer *who) noexcept
{
    constexpr size_t first_version_bytes = offsetof(fastalloc_observer, memory_taken);
    if (who != nullptr && who->size < first_version_bytes)
    {
        errno = EINVAL;
        return -1;
    }
    observe(who);
    return 0;
}

FASTALLOC_EXPORT int fastalloc_background_thread_start() noexcept
{
    return background.start();
}

FASTALLOC_EXPORT int fastalloc_background_thread_stop() noexcept
{
    return background.stop();
}

FASTALLOC_EXPORT const char *fastalloc_version() noexcept
{
    return FASTALLOC_TEXT(FASTALLOC_VERSION_MAJOR) "." FASTALLOC_TEXT(FASTALLOC_VERSION_MINOR) "." FASTALLOC_TEXT(
        FASTALLOC_VERSION_PATCH);
}

} // extern "C"
