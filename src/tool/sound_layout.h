// SPDX-License-Identifier: MIT
//
// Whether the table of the layout that a target has can be one of any version of the library.
#pragma once

#include "heap/layout.h"

namespace fastalloc::tool
{

// Sizes are within plain bounds, and there is every member without which nothing could be said.
bool is_sound(const Layout &layout);

} // namespace fastalloc::tool
