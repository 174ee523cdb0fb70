// SPDX-License-Identifier: MIT
#include "heap/large.h"

namespace fastalloc
{
namespace
{

unsigned slices_for(size_t size)
{
    return static_cast<unsigned>(divide_up(size, slice_bytes));
}

} // namespace

LargeBlock large_allocate(NodeHeap &heap, size_t size, size_t alignment)
{
    const unsigned slices = size == 0 ? 1 : slices_for(size);
    const unsigned aligned = alignment <= slice_bytes ? 1 : static_cast<unsigned>(alignment >> slice_shift);
    Guard guard(heap.lock, may_wait_for_heap);
    if (!guard)
        return {nullptr, false};
    const NodeHeap::Run run = heap.take_locked(slices, aligned, NodeHeap::Blocks::larger);
    if (run.slice == no_slice)
        return {nullptr, false};
    Span *head = span_at(run.slice);
    head->slices = slices;
    head->back = 0;
    head->size_class = no_class;
    head->kind.store(SpanKind::large, std::memory_order_relaxed);
    heap.count_large(static_cast<int64_t>(slices * slice_bytes));
    return {reinterpret_cast<void *>(address_of_slice(run.slice)), run.zeroed};
}

bool large_release(Span *head, const void *block)
{
    const SliceIndex slice = slice_of(head);
    if (reinterpret_cast<uintptr_t>(block) != address_of_slice(slice))
        return false;
    NodeHeap &heap = node_heap_of(slice);
    {
        Guard guard(heap.lock, may_wait_for_heap);
        if (!guard)
            return true; // a signal handler inside this heap: the block is lost
        if (head->kind.load(std::memory_order_relaxed) != SpanKind::large)
            return false;
        head->kind.store(SpanKind::free, std::memory_order_relaxed);
        heap.count_large(-static_cast<int64_t>(head->slices * slice_bytes));
        heap.give_locked(slice, head->slices);
    }
    heap.return_excess();
    return true;
}

bool large_resize(Span *head, size_t size)
{
    const SliceIndex slice = slice_of(head);
    const unsigned after = slices_for(size);
    NodeHeap &heap = node_heap_of(slice);
    {
        Guard guard(heap.lock, may_wait_for_heap);
        const unsigned before = head->slices;
        if (!guard || (after > before && size >= chunk_bytes && large_place(head) != heap.place()))
            return false;
        if (after > before && !heap.take_exactly(slice + before, after - before))
            return false;
        if (after < before)
            heap.give_locked(slice + after, before - after);
        head->slices = after;
        heap.count_large((int64_t{after} - before) * static_cast<int64_t>(slice_bytes));
    }
    heap.return_excess();
    return true;
}

} // namespace fastalloc
