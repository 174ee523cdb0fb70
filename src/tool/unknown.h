// SPDX-License-Identifier: MIT
//
// Unknown: the figures that cannot be had of a library whose structures have not all members.
#pragma once

#include "heap/layout.h"

#include <set>
#include <string>

namespace fastalloc::tool
{

// By their names in fastalloc.h; what a heap cannot be read without is no matter of this.
std::set<std::string> unknown_in(const Layout &layout);

} // namespace fastalloc::tool
