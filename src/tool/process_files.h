// SPDX-License-Identifier: MIT
//
// The files that /proc has of a process, as text.
#pragma once

#include <string>

namespace fastalloc::tool
{

// "/proc/12/maps".
std::string path_of(int process, const std::string &file);

// Empty if it cannot be read.
std::string contents_of(const std::string &path);

// What follows "Key:" in a line of a file like /proc/PID/status, empty without one.
std::string field_of(const std::string &text, const std::string &key);

} // namespace fastalloc::tool
