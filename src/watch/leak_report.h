// SPDX-License-Identifier: MIT
//
// Leak report: the blocks that are in use, summed up by size, and the largest ones by name, a line each.
//
// Left out is what libraries keep for as long as the process lives and a program has no call to free: the buffers of the
// three standard streams, libc's tables of threads (os/thread_table.h), and with leak_check=exit what was there before
// the program began (watch/early_blocks.h). Nothing is allocated but the snapshot (watch/heap_visit.h), which is no
// block.
//
// Any thread, but not a signal handler inside the allocator.
#pragma once

namespace fastalloc
{

enum class Leaks
{
    none,
    some,
    busy,   // see SnapshotState
    failed, // the same
};

enum class Verbosity
{
    always,
    if_any, // not a word where there is none
};

Leaks report_leaks(int file, Verbosity verbosity);

} // namespace fastalloc
