// SPDX-License-Identifier: MIT
//
// Executable: a file that exec is about to start, and whether the dynamic linker will preload a library into it.
//
// What is looked at are the files as they lie there: the ELF header and the name of the linker, the rights, of a script
// its first line. A file that cannot be read raises no doubt; exec says what is wrong with it.
//
// No state.
#pragma once

#include "tool/library.h"

#include <string>

namespace fastalloc::tool
{

// Why a program will not be on the library. A clause, as "it is linked statically"; empty if nothing is known.
struct Obstacle
{
    std::string clause;
    bool is_fatal = false; // it would not even start
};

// The file that execvp(3) takes for this name. Empty if there is none.
std::string find_executable(const std::string &name);

Obstacle find_obstacle(const std::string &path, const PreloadedLibrary &library);

} // namespace fastalloc::tool
