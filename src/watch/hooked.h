// SPDX-License-Identifier: MIT
//
// What threads look at while somebody is told of blocks (watch/hooks.h).
//
//     every call:      malloc and free look at an arena without bins, which tells and then asks first_view() or the
//                      thread's own arena
//     samples only:    malloc looks at its arena's face (arena/lending.h), free at the arena itself, whose operations look
//                      blocks up that are nobody's own; the fast path does the rest
#pragma once

#include "arena/registry.h"
#include "watch/hooks.h"

namespace fastalloc
{

View view_for(const Subscribers &subscribers);

} // namespace fastalloc
