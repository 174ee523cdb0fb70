// SPDX-License-Identifier: MIT
//
// What statistics ask of an arena: figures, and the blocks in its bins and boxes. All of it only reads. Its lock makes
// figures fit together, but for the private part, which its thread may be changing: what is read of that is a figure of
// some moment, and nothing read there is followed before it is looked at.
#include "arena/arena.h"

namespace fastalloc
{
namespace
{

// No box holds so many blocks but where a thread has slept for long: a walk that is longer may go in a circle.
constexpr uint64_t boxed_max = uint64_t{1} << 24;

// What its thread or the holder of its lock writes plainly: read once, whole.
template <typename Value>
Value seen(const Value &value)
{
    return __atomic_load_n(&value, __ATOMIC_RELAXED);
}

// The class of a block that belongs to an arena, no_class if there can be none at this address.
SizeClass class_of_owned(const void *block)
{
    Span *const record = record_of(block);
    if (record == nullptr || record->owner.load() == nullptr)
        return no_class;
    const Span *const head = head_of(record);
    const SpanKind kind = head->kind.load(std::memory_order_relaxed);
    const SizeClass size_class = seen(head->size_class);
    if ((kind != SpanKind::small && kind != SpanKind::medium) || size_class >= class_count)
        return no_class;
    const uintptr_t offset = reinterpret_cast<uintptr_t>(block) - address_of(head);
    const uintptr_t number = offset / class_bytes(size_class);
    const bool begins = number < shape_of(size_class).capacity && number * class_bytes(size_class) == offset;
    return begins ? size_class : no_class;
}

// Of the chain that begins with a block.
void count_chain(const void *block, const NodeHeap *of, uint64_t *blocks)
{
    for (uint64_t steps = 0; block != nullptr && steps < boxed_max; ++steps)
    {
        const SizeClass size_class = class_of_owned(block);
        if (size_class == no_class)
            return;
        if (of == nullptr || &node_heap_of(slice_of(record_of(block))) == of)
            ++blocks[size_class];
        block = next_of(block);
    }
}

} // namespace

uint32_t Arena::blocks_in_bin(unsigned index) const
{
    const uint32_t count = bins[index].count();
    const uint32_t active = count <= bins[index].limit ? count : 0; // its limit is being changed
    return active + backs_[index].spare_count.load(std::memory_order_relaxed);
}

uint64_t Arena::outbox_bytes_for(const Arena *owner) const
{
    uint64_t bytes = 0;
    for (const OutboxSlot &slot : outbox_)
        bytes += seen(slot.owner) == owner ? seen(slot.bytes) : 0;
    return bytes;
}

uint64_t Arena::outbox_bytes_on(Node of_place) const
{
    uint64_t bytes = 0;
    for (const OutboxSlot &slot : outbox_)
    {
        const Arena *const owner = seen(slot.owner);
        bytes += owner != nullptr && owner->place == of_place ? seen(slot.bytes) : 0;
    }
    return bytes;
}

void Arena::count_boxed(const NodeHeap *of, uint64_t *blocks) const
{
    count_chain(inbox_.load(std::memory_order_acquire), of, blocks);
    for (const OutboxSlot &slot : outbox_)
        count_chain(seen(slot.first), of, blocks);
}

Arena::Figures Arena::figures() const
{
    Figures figures{};
    figures.outbox_bytes = outbox_total_.load(std::memory_order_relaxed);
    figures.cached_bytes = bytes_in_bins() + figures.outbox_bytes;
    const int64_t in_inbox = inbox_bytes_.load(std::memory_order_relaxed);
    figures.inbox_bytes = in_inbox > 0 ? static_cast<uint64_t>(in_inbox) : 0;
    figures.refills = refills_;
    figures.overflows = overflows_;
    figures.remote_batches = remote_batches_.load(std::memory_order_relaxed);
    figures.remote_bytes = remote_bytes_.load(std::memory_order_relaxed);
    figures.charged_bytes = charged_;
    figures.handed_out_pending = handed_out_;
    figures.idle_pending = idle_;
    figures.held_bytes = held_;
    return figures;
}

} // namespace fastalloc
