// SPDX-License-Identifier: MIT
#include "api/process.h"

#include "api/background.h"
#include "api/leaks.h"
#include "api/names.h"
#include "api/reports.h"
#include "arena/allocate.h"
#include "arena/foreign.h"
#include "arena/registry.h"
#include "heap/window.h"
#include "os/options.h"
#include "os/topology.h"
#include "watch/forwarding.h"
#include "watch/hooks.h"
#include "watch/probe_calls.h"

#include <dlfcn.h>
#include <pthread.h>

extern "C" void *dlsym(void *, const char *) noexcept __attribute__((weak));

using namespace fastalloc;

namespace
{

// Static programs have no dlsym, and no malloc but ours.
bool ask_whose_malloc()
{
    if (dlsym == nullptr)
        return true;
    void *const programs = dlsym(RTLD_DEFAULT, "malloc");
    return programs == nullptr || programs == reinterpret_cast<void *>(&fastalloc_malloc);
}

void fork_child()
{
    const bool all_taken = registry.fork_child();
    hooks_after_fork_in_child();
    background.after_fork_in_child(all_taken);
}

} // namespace

__attribute__((constructor)) void fastalloc::fastalloc_process_starts()
{
    load_options_once();
    program_malloc_is_ours = forwarding_view() == nullptr && ask_whose_malloc();
    // Asked of the system once: before main, where a filter may be laid.
    if (program_malloc_is_ours)
    {
        (void)topology::has_homes();
        window.place_once();
        leak_check_begins();
    }
    prepare_reports();
    // Registered early, so run last before a fork and first after it: other handlers may allocate.
    pthread_atfork([] { registry.fork_prepare(); }, [] { registry.fork_parent(); }, fork_child);
    if (options().probes == Probes::on)
        probe_calls();
    if (program_malloc_is_ours && options().background_thread == BackgroundThread::on)
        background.start();
}
