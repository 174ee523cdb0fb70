// SPDX-License-Identifier: MIT
//
// The small files by which the kernel tells its settings. Any thread; may change errno.
#pragma once

#include <cstddef>

namespace fastalloc
{

// The begin of a file as a string of at most capacity - 1 characters, empty if it cannot be read. By bare system calls:
// libc's are cancellation points, which malloc is not.
void read_begin(const char *path, char *bytes, size_t capacity);

} // namespace fastalloc
