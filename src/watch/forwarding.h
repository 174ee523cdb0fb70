// SPDX-License-Identifier: MIT
//
// Forwarding: another malloc serves in place of ours, a tool's of Valgrind or a sanitizer's, whose reports rest on that it
// gives out the blocks.
//
//     under Valgrind     the next malloc after ours, which memcheck, helgrind, DRD, massif and DHAT replace; where they
//                        replace ours too (their default) only what they do not know comes here. A tool that replaces
//                        none (callgrind) sees ours at work.
//     under a sanitizer  the program's malloc. Only fastalloc_* and C23's frees come here.
//
// Settled by the process's first call, before a second thread, and never changed. Nothing of the window is used then: no
// thread is attached, nothing is counted or limited. Each call goes on to that malloc, which red zones, delays and
// describes blocks, and tells of misuse. What it cannot tell is said here, under memcheck: a block from operator new
// that is not given to the delete that belongs to it, and a size that is not the block's.
#pragma once

#include "arena/operations.h"

#include <cstddef>

namespace fastalloc
{

// The functions calls go to.
struct OtherMalloc
{
    void *(*malloc)(size_t);
    void *(*calloc)(size_t, size_t);
    void *(*realloc)(void *, size_t);
    void *(*memalign)(size_t, size_t);
    void (*free)(void *);
    size_t (*usable_size)(void *);
};

// What is said of misuse besides, by memcheck::complain.
enum class Complaints
{
    none,
    mismatch_and_size, // memcheck looks on
};

// An arena that forwards calls, null where none are forwarded. Settled after load_options_once().
Arena *forwarding_view();

// Every call goes to these from now on. Requires: the process has one thread, and no block yet.
void forward_to(const OtherMalloc &other, Complaints complaints);

} // namespace fastalloc
