// SPDX-License-Identifier: MIT
//
// What api/ calls when the fast path does not do: allocation with all its parameters, and what can be known and done
// about a block that exists. Any thread; errno is the caller's business except where a function says so.
#pragma once

#include "arena/arena.h"

#include <cstdint>

namespace fastalloc
{

constexpr size_t default_alignment = 8; // what malloc asks for: blocks of more than 8 bytes have 16 by their class
constexpr size_t size_max = PTRDIFF_MAX;

// Requires: alignment is a power of two, at least default_alignment.
Allocation allocate(size_t size, size_t alignment, Call call);

// As malloc, from memory of a place.
Allocation allocate_on(Node place, size_t size);

// allocate() for the usual case that a bin has it. Requires: alignment is a power of two. Null and errno ENOMEM: out of
// memory.
void *allocate_aligned(size_t size, size_t alignment, Call call);

// free for a block that is not on the fast path; null is ignored.
void release(void *block, Call call);

// The settings count from the process's first call on, be it malloc's or the constructor's; both come before a second
// thread.
void load_options_once();

// The shape of a live block, ending the process if `block` is none. Foreign blocks that go to libc are said to be.
BlockShape shape_of_block(Call call, const void *block);

// Its usable size; foreign blocks that go to libc are asked about there.
size_t usable_size(Call call, void *block);

// Whether a block of this shape may have been asked for with this size and alignment. realloc keeps a block in place if
// and only if this holds, so sized free accepts what realloc left:
//     size <= usable, and malloc would choose this class, or size > usable / 2
bool accepted(const BlockShape &shape, size_t size, size_t alignment);

// realloc for a block that is not null and a size that is not 0. Null and ENOMEM if there is no memory: the block is
// untouched.
void *reallocate(void *block, size_t size);

// ---- what operations tables are made of ----------------------------------------------------------------------------

// The same for a block in the window, in the registry of outside blocks, or libc's, whoever looks on.
BlockShape plain_shape(Arena *, Call call, const void *block);
void *plain_reallocate(Arena *, void *block, size_t size);
// Ends the process if the size is not accepted for the block.
void plain_release_sized(Arena *, void *block, size_t size, size_t alignment, Call call);

} // namespace fastalloc
