// SPDX-License-Identifier: MIT
#include "watch/early_blocks.h"

#include "base/bits.h"
#include "os/pages.h"
#include "watch/heap_visit.h"

namespace fastalloc
{

constinit EarlyBlocks early_blocks;

void EarlyBlocks::note()
{
    HeapSnapshot snapshot;
    if (take_snapshot(&snapshot) != SnapshotState::taken)
        return;
    size_t blocks = 0;
    const auto count = [&](const fastalloc_block &) {
        ++blocks;
        return 0;
    };
    snapshot.visit(count);
    const size_t bytes = round_up(blocks * sizeof(void *), pages::page_bytes());
    blocks_ = bytes != 0 ? static_cast<const void **>(pages::map(bytes, 1)) : nullptr;
    if (blocks_ == nullptr)
        return;
    mapped_bytes_ = bytes;
    const auto keep = [&](const fastalloc_block &block) {
        blocks_[count_++] = block.address;
        sorted_ += in_window(reinterpret_cast<uintptr_t>(block.address));
        return 0;
    };
    snapshot.visit(keep);
}

bool EarlyBlocks::contains(const void *block) const
{
    size_t first = 0;
    for (size_t end = sorted_; first < end;)
    {
        const size_t middle = first + (end - first) / 2;
        if (blocks_[middle] < block)
            first = middle + 1;
        else
            end = middle;
    }
    if (first < sorted_ && blocks_[first] == block)
        return true;
    for (size_t index = sorted_; index < count_; ++index)
        if (blocks_[index] == block)
            return true;
    return false;
}

} // namespace fastalloc
