// SPDX-License-Identifier: MIT
//
// What a program may ask of the allocator beside statistics: glibc's malloc_trim and mallopt, and fastalloc's own check of
// the heap, purge, observer, background thread and version.
#include "api/background.h"
#include "api/names.h"
#include "arena/allocate.h"
#include "arena/purge.h"
#include "base/version.h"
#include "watch/heap_check.h"

#include <cerrno>
#include <cstring>

using namespace fastalloc;

namespace
{

constexpr size_t report_capacity = 256;

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

FASTALLOC_TWIN(malloc_trim);
FASTALLOC_TWIN(mallopt);

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
    load_options_once();
    return background.obey(BackgroundThread::on);
}

FASTALLOC_EXPORT int fastalloc_background_thread_stop() noexcept
{
    load_options_once();
    return background.obey(BackgroundThread::off);
}

FASTALLOC_EXPORT const char *fastalloc_version() noexcept
{
    return version;
}

} // extern "C"
