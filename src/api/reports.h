// SPDX-License-Identifier: MIT
//
// Reports: statistics that are printed without a call, where the settings stats_print and stats_signal want it.
//
// At the end of the process: by a destructor of this library, which runs behind atexit handlers and the destructors of
// C++ objects, and behind destructors of whatever was linked with the library. On a signal: by a handler that waits for
// no lock that the interrupted code may hold (watch/statistics.h).
#pragma once

namespace fastalloc
{

// Called once, by the constructor. A signal that somebody handles or ignores already stays as it is.
void prepare_reports();

} // namespace fastalloc
