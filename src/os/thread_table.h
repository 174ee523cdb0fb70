// SPDX-License-Identifier: MIT
//
// Blocks in which the C library keeps a thread's table of thread-local storage (its "dtv"). They are allocated when a
// stack is made for a thread and live as long as the stack, which glibc keeps for later threads when its thread has
// ended: a program cannot free them, and has not leaked them.
//
// A block is one only if this is proven: the table names the place of a module's variables, whose distance from the
// thread's control block is the same in all threads, and that control block names the table.
//
// Any thread, no lock; keeps errno.
#pragma once

#include <cstddef>

namespace fastalloc
{

// Requires: `block` holds `bytes` readable bytes.
bool is_thread_table(const void *block, size_t bytes);

} // namespace fastalloc
