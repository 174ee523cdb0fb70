// SPDX-License-Identifier: MIT
//
// What threads look at while somebody is told of blocks (watch/hooks.h).
//
//     every call:      malloc and free look at an arena without bins, which tells and then asks first_view() or the
//                      thread's own arena
//     samples only:    malloc looks at an arena without bins, which counts bytes down to the next sample; free looks at
//                      the thread's own arena, whose operations look blocks up that are nobody's own
//     forwarding:      all threads are at empty_arena already (watch/forwarding.h), which tells and then forwards
#pragma once

#include "watch/hooks.h"

namespace fastalloc
{

// All threads look at what these need from now on, null for nobody. Requires: no lock held but that of subscribers.
void show_to_all(const Subscribers *subscribers);

} // namespace fastalloc
