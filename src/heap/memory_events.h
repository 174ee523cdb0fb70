// SPDX-License-Identifier: MIT
//
// MemoryEvents: what happened to memory as a whole, kept until somebody can be told, for it happens under locks.
//
//     under locks:     post    --> queue and news (heap/limits.h)
//     without locks:   take    <-- slow paths that heed news, purges (arena/purge.h)
//
// What is taken and returned adds up to what is held, as the limits count. Where the queue is full, and for who cannot
// wait for its lock, sums go on being right: what has no place is told without an address when the queue is empty.
//
// Owner: its lock; nothing is taken under it.
#pragma once

#include "os/lock.h"
#include "os/topology.h"

#include <atomic>
#include <cstdint>

namespace fastalloc
{

struct MemoryEvent
{
    enum class Kind : uint8_t
    {
        taken,    // bytes from `address` on are held from now on
        returned, // they are not any more
        purged,   // bytes went back by a purge
        refused,  // bytes would have been more than the hard limit lets
    };

    Kind kind;
    Node place;
    uintptr_t address; // 0: of several pieces
    uint64_t bytes;
};

class MemoryEvents
{
public:
    // Somebody wants to be told from now on, nobody any more: what is in the queue is forgotten.
    enum class Wanted
    {
        no,
        yes,
    };
    void set_wanted(Wanted wanted);

    // Any thread, any lock but its own. Where nobody wants it, one load.
    void post(MemoryEvent::Kind kind, uintptr_t address, uint64_t bytes, Node place)
    {
        if (wanted_.load(std::memory_order_relaxed))
            put({kind, place, address, bytes});
    }

    // The oldest. False if there is none.
    bool take(MemoryEvent *event);

    bool is_empty();

    Lock lock;

private:
    static constexpr unsigned capacity = 256;
    static constexpr unsigned kinds = 4;

    void put(const MemoryEvent &event);

    std::atomic<bool> wanted_{false};
    MemoryEvent queue_[capacity] = {};
    uint64_t first_ = 0;                               // numbers of events; under the lock, as the next two
    uint64_t end_ = 0;                                 //
    std::atomic<uint64_t> unplaced_bytes_[kinds] = {}; // of those that had no place; any thread (relaxed)
};

extern MemoryEvents memory_events;

// Memory is held from now on, is not any more: to the observer, and to who traces probes.
void tell_taken(uintptr_t address, uint64_t bytes, Node place);
void tell_returned(uintptr_t address, uint64_t bytes, Node place);

} // namespace fastalloc
