// SPDX-License-Identifier: MIT
//
// Large blocks: runs of slices in the window, above 256 KiB up to 32 MiB (or smaller with an alignment above 64 KiB).
//
// A large block belongs to nobody's arena. Its first record says what it is; the others say "free, nobody", which a
// pointer into its inside is told apart by. Any thread frees it, under the node heap's lock, so a double free is seen
// at the call whoever makes it.
#pragma once

#include "heap/node_heap.h"

namespace fastalloc
{

struct LargeBlock
{
    void *block; // null: memory is refused
    bool zeroed;
};

// Requires: size <= large_max, alignment a power of two <= chunk_bytes.
LargeBlock large_allocate(NodeHeap &heap, size_t size, size_t alignment);

// False if `head` is not the record of a live large block whose first byte is `block`.
bool large_release(Span *head, const void *block);

inline size_t large_usable(const Span *head)
{
    return size_t{head->slices} << slice_shift;
}

// The place of what such a block grows by where it does not lie: its own if it was put there on purpose, which above a
// chunk it was.
inline Node large_place(const Span *head)
{
    const bool on_purpose = head->slices > slices_per_chunk;
    return on_purpose ? node_heap_of(slice_of(head)).place() : topology::common_place();
}

// Makes the block hold `size` where it lies, giving back or taking slices behind it. False if it cannot, or if a
// block of whole chunks should not lie there.
// Requires: size <= large_max.
bool large_resize(Span *head, size_t size);

} // namespace fastalloc
