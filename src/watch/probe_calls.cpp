// SPDX-License-Identifier: MIT
#include "watch/probe_calls.h"

#include "base/probes.h"
#include "watch/hooks.h"

namespace fastalloc
{
namespace
{

void allocated(void *, const fastalloc_event *event)
{
    FASTALLOC_PROBE4(allocated, event->block, event->asked, event->given, event->call);
}

void freeing(void *, const fastalloc_event *event)
{
    FASTALLOC_PROBE3(freeing, event->block, event->given, event->call);
}

void reallocated(void *, const fastalloc_event *event)
{
    FASTALLOC_PROBE4(reallocated, event->old_block, event->block, event->asked, event->given);
}

constexpr fastalloc_hooks hooks{
    .size = sizeof hooks,
    .context = nullptr,
    .sample_interval = 0,
    .allocated = allocated,
    .freeing = freeing,
    .reallocated = reallocated,
};

} // namespace

void probe_calls()
{
    add_hooks(&hooks); // the first of all, so there is room
}

} // namespace fastalloc
