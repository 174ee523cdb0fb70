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

LargeBlock large_allocate(NodeHeap& heap, size_t size, size_t alignment)
{
    const unsigned slices = size == 0 ? 1 : slices_for(size);
    const unsigned aligned = alignment <= slice_bytes ? 1 : static_cast<unsigned>(alignment >> slice_shift);
    const NodeHeap::Run run = heap.take(slices, aligned);
    if (run.slice == no_slice)
        return {nullptr, false};
    Span* head = span_at(run.slice);
    head->slices = slices;
    head->back = 0;
    head->size_class = no_class;
    head->kind.store(SpanKind::large, std::memory_order_relaxed);
    heap.handed_out.fetch_add(slices * slice_bytes, std::memory_order_relaxed);
    return {reinterpret_cast<void*>(address_of_slice(run.slice)), run.zeroed};
}

bool large_release(Span* head, const void* block)
{
    const SliceIndex slice = slice_of(head);
    if (reinterpret_cast<uintptr_t>(block) != address_of_slice(slice))
        return false;
    const unsigned slices = head->slices;
    SpanKind expected = SpanKind::large;
    // Relaxed: the node heap's lock, taken next, orders the slices' way to their next owner.
    if (!head->kind.compare_exchange_strong(expected, SpanKind::free, std::memory_order_relaxed))
        return false;
    NodeHeap& heap = node_heap_of(slice);
    heap.handed_out.fetch_sub(slices * slice_bytes, std::memory_order_relaxed);
    heap.give(slice, slices);
    return true;
}

bool large_resize(Span* head, size_t size)
{
    const SliceIndex slice = slice_of(head);
    const unsigned before = head->slices;
    const unsigned after = slices_for(size);
    NodeHeap& heap = node_heap_of(slice);
    if (after > before)
    {
        if (!heap.take_exactly(slice + before, after - before))
            return false;
        head->slices = after;
        heap.handed_out.fetch_add((after - before) * slice_bytes, std::memory_order_relaxed);
    }
    else if (after < before)
    {
        head->slices = after;
        heap.handed_out.fetch_sub((before - after) * slice_bytes, std::memory_order_relaxed);
        heap.give(slice + after, before - after);
    }
    return true;
}

} // namespace fastalloc
