// SPDX-License-Identifier: MIT
//
// Probes on every allocation and free, with probes=on: a subscriber like any other (watch/hooks.h), so that without it
// there is no probe on the fast path.
#pragma once

namespace fastalloc
{

// From now on. Requires: a process that starts.
void probe_calls();

} // namespace fastalloc
