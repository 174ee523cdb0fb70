// SPDX-License-Identifier: MIT
//
// ArenaGuard: holds an arena's lock; looks at the inbox again after unlocking, for a pusher that could not get the lock meanwhile.
// tests/models/inbox.cpp checks this protocol.
#pragma once

#include "arena/arena.h"

namespace fastalloc
{

class ArenaGuard
{
public:
    explicit ArenaGuard(Arena *arena) : arena_(arena), outcome_(arena->lock.lock(may_wait))
    {
    }

    ArenaGuard(Arena *arena, Guard::Try) : arena_(arena), outcome_(arena->lock.try_lock())
    {
    }

    ~ArenaGuard()
    {
        if (outcome_ != Lock::Outcome::taken)
            return;
        arena_->lock.unlock();
        // Sequentially consistent like the pusher's addition and its failed attempt at the lock: one of both sees the
        // other.
        if (FASTALLOC_UNLIKELY(arena_->inbox_bytes_.load() > inbox_bound))
            arena_->drain_if_full();
    }

    ArenaGuard(const ArenaGuard &) = delete;
    ArenaGuard &operator=(const ArenaGuard &) = delete;

    explicit operator bool() const
    {
        return outcome_ == Lock::Outcome::taken || outcome_ == Lock::Outcome::passed;
    }

private:
    Arena *arena_;
    Lock::Outcome outcome_;
};

} // namespace fastalloc
