// SPDX-License-Identifier: MIT
//
// Statistics: figures gathered from every arena and node heap, under all locks at once. Nothing is counted on the fast
// path: what bins hold is their limit less their room.
//
// Any thread. A signal handler that interrupted the allocator may not wait for locks: it gets nothing, or figures as they
// are met, while things move on; nothing that is read then leads astray.
#pragma once

#include "base/size_class.h"
#include "fastalloc.h"
#include "os/topology.h"

namespace fastalloc
{

enum class Accuracy
{
    exact, // or nothing
    as_met,
};

// Holds all locks, if this thread holds none before.
class Standstill
{
public:
    Standstill();
    ~Standstill();
    Standstill(const Standstill &) = delete;
    Standstill &operator=(const Standstill &) = delete;

    // Whether figures of this accuracy can be had.
    bool serves(Accuracy wanted) const
    {
        return is_still_ || wanted == Accuracy::as_met;
    }

    bool is_still() const
    {
        return is_still_;
    }

private:
    bool is_still_;
};

// All: false where figures of this accuracy cannot be had.
bool gather_statistics(fastalloc_stats *stats, Accuracy wanted);
bool gather_node_statistics(Node place, fastalloc_node_stats *stats, Accuracy wanted);

// A row for each class, one for large blocks, one for outside blocks.
constexpr unsigned large_row = class_count;
constexpr unsigned outside_row = class_count + 1;
constexpr unsigned class_rows = class_count + 2;

// Of one place, without the row of outside blocks, or of every_place.
bool gather_class_statistics(Node of_place, fastalloc_class_stats (&rows)[class_rows], Accuracy wanted);

// At most `most` arenas from number `first` on. Says how many there were.
bool gather_arena_statistics(unsigned first, fastalloc_arena_stats *stats, unsigned most, unsigned *count,
                             Accuracy wanted);

} // namespace fastalloc
