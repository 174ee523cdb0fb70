// SPDX-License-Identifier: MIT
#include "api/leaks.h"

#include "api/names.h"
#include "os/message.h"
#include "os/options.h"
#include "watch/early_blocks.h"
#include "watch/heap_visit.h"
#include "watch/leak_report.h"

#include <cerrno>
#include <cstdlib>
#include <unistd.h>

using namespace fastalloc;

namespace
{

// exit() may be called anew from here: libc goes on with what is left to do and takes the last code.
void report_at_exit()
{
    const Leaks leaks = report_leaks(STDERR_FILENO, Verbosity::if_any);
    const auto code = static_cast<int>(options().leak_exit_code);
    if (leaks == Leaks::failed || leaks == Leaks::busy)
        Message().text("leak_check: the blocks in use could not be found out").warn();
    if (leaks == Leaks::some && code != 0)
        exit(code); // NOLINT(concurrency-mt-unsafe): libc lets one thread run it
}

int failed_with(int reason)
{
    errno = reason;
    return -1;
}

} // namespace

#ifdef FASTALLOC_STATIC

// What libstdc++ keeps for exceptions where there is no memory. In a static program it is taken after our start.
void free_resources() __asm__("_ZN9__gnu_cxx9__freeresEv") __attribute__((weak));

// Destructors without a priority, and those of objects, have run.
__attribute__((destructor(101))) static void process_ends()
{
    if (options().leak_check != LeakCheck::exit)
        return;
    if (free_resources != nullptr)
        free_resources();
    report_at_exit();
}

void fastalloc::leak_check_begins()
{
    if (options().leak_check == LeakCheck::exit)
        early_blocks.note();
}

#else

extern "C" int call_at_exit(void (*function)(void *), void *argument, void *library) noexcept __asm__("__cxa_atexit");

void fastalloc::leak_check_begins()
{
    if (options().leak_check == LeakCheck::exit)
        early_blocks.note();
    // Also where the program may ask for it later. Of no library: else it would run with our own destructors.
    const auto report_if_asked = [](void *) {
        if (options().leak_check == LeakCheck::exit)
            report_at_exit();
    };
    call_at_exit(report_if_asked, nullptr, nullptr);
}

#endif

extern "C" {

FASTALLOC_EXPORT int fastalloc_heap_visit(int (*visit)(void *context, const struct fastalloc_block *block),
                                          void *context) noexcept
{
    HeapSnapshot snapshot;
    const SnapshotState state = take_snapshot(&snapshot);
    if (state != SnapshotState::taken)
        return failed_with(state == SnapshotState::busy ? EBUSY : ENOMEM);
    if (const int told = snapshot.visit([=](const fastalloc_block &block) { return visit(context, &block); }))
        return told;
    return snapshot.broken() == nullptr ? 0 : failed_with(EUCLEAN);
}

FASTALLOC_EXPORT int fastalloc_leak_report(int file) noexcept
{
    switch (report_leaks(file, Verbosity::always))
    {
    case Leaks::none:
        return 0;
    case Leaks::some:
        return 1;
    case Leaks::busy:
        return failed_with(EBUSY);
    case Leaks::failed:
        break;
    }
    return failed_with(ENOMEM);
}

} // extern "C"
