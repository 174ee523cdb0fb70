// SPDX-License-Identifier: MIT
//
// Which library the command puts into LD_PRELOAD: the one it was installed, or built, together with.
//
// Where that lies in a folder of the dynamic linker's it is named without one, as by hand: so it is also found in a
// container, and by programs for which the linker takes no other names. In a prefix of its own and in a build it is named
// in full. A command that stands alone leaves it to the linker to find one.
//
// No state.
#pragma once

#include <string>

namespace fastalloc::tool
{

struct PreloadedLibrary
{
    std::string name; // what LD_PRELOAD is told
    std::string path; // where it lies; empty if that is not known
};

// Throws a Failure if it lies where LD_PRELOAD cannot name it.
PreloadedLibrary find_library();

// What LD_PRELOAD has to be, given what it is, null for nothing. A library of ours that it has already stays, and no
// other is added; else the name comes in front, for of two libraries that define malloc the first is used.
std::string merge_preload(const char *before, const std::string &name);

} // namespace fastalloc::tool
