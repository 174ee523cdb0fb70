// SPDX-License-Identifier: MIT
//
// What is asked of Valgrind: whether the process runs under it, under which kind of tool, and that it prints a line of
// ours with the stack of the caller. The only file but its .cpp that knows Valgrind's header.
//
// A request is a few instructions that do nothing outside of Valgrind. Built without the header (option `valgrind`) all
// answer no. Any thread, any time; nothing is allocated.
#pragma once

#include "base/text.h"

namespace fastalloc::memcheck
{

// Whether any tool of Valgrind runs the process.
bool is_any_tool();

// Whether it is memcheck, which looks at every access and tells the sizes of blocks to the byte.
bool is_memcheck();

// Prints a line and the stack, and what is known of the block: where it was allocated. The process goes on.
void complain(const Text &line, const void *block);

} // namespace fastalloc::memcheck
