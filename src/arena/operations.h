// SPDX-License-Identifier: MIT
//
// ArenaOperations: what an arena does when the fast path falls out of it. Modes exchange arenas, and with them these
// tables, so that no slow path asks which mode is on.
#pragma once

#include "arena/call.h"
#include "base/size_class.h"
#include "os/topology.h"

#include <atomic>
#include <cstddef>

namespace fastalloc
{

class Arena;

struct Allocation
{
    void *block; // null: out of memory
    bool zeroed; // known to be zero already

    explicit operator bool() const
    {
        return block != nullptr;
    }
};

// What is known of a live block.
struct BlockShape
{
    size_t usable;
    SizeClass size_class; // no_class: large or outside
    bool foreign;         // libc's: nothing else is known
};

// The functions take the arena the words named.
struct ArenaOperations
{
    Allocation (*allocate)(Arena *arena, size_t size, size_t alignment, Call call);
    // As allocate, from memory of `place`, whatever the thread's own.
    Allocation (*allocate_on)(Arena *arena, Node place, size_t size);
    void (*release)(Arena *arena, void *block, Call call);
    // As release, and the program says with which size and alignment it asked for the block, which is not null.
    void (*release_sized)(Arena *arena, void *block, size_t size, size_t alignment, Call call);
    // As realloc(3). The block is not null, the size not 0. Null: out of memory, and the block is untouched.
    void *(*reallocate)(Arena *arena, void *block, size_t size);
    // Of a block that stays or moves; ends the process, naming `call`, if it is known to be none.
    BlockShape (*shape)(Arena *arena, Call call, const void *block);
};

// The table an arena goes by. Another one may be given to it while its thread runs: then a call goes by either.
class CurrentOperations
{
public:
    constexpr explicit CurrentOperations(const ArenaOperations *table) : table_(table)
    {
    }

    const ArenaOperations *operator->() const
    {
        return table_.load(std::memory_order_relaxed);
    }

    const ArenaOperations *table() const
    {
        return table_.load(std::memory_order_relaxed);
    }

    void set(const ArenaOperations *table)
    {
        table_.store(table, std::memory_order_relaxed);
    }

private:
    std::atomic<const ArenaOperations *> table_;
};
// Defined in watch/: where another malloc has to serve in place of ours, gives empty_arena other operations. No thread
// looks at another arena yet, and none will.
void forward_where_needed();

} // namespace fastalloc
