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
        arena_->look_at_inbox();
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
