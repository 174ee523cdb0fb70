// SPDX-License-Identifier: MIT
//
// Lending: how somebody can have a look before a block is handed out, now and then, while frees stay on the fast path.
//
// Behind each arena, in the next page of its slice, lies its *face*: an arena without spans. While blocks are lent a
// thread's malloc looks at the face and its free at the arena itself. Whole stacks pass from the arena's bins to the
// face's, so malloc comes by once a stack; each block that malloc hands out has passed here exactly once.
//
//     malloc  <--pop-- [ lent ] <--when it is empty: the active stack-- [ active ] [ spare ] <--push--  free
//
// Who looks says how many bytes of a class may be handed out before the next look (left_bytes); blocks that come back
// without having been handed out count again.
//
// Owner: as the arena's bins, the attached thread. A stack on its way has two names for a moment, as for stacks that
// change places.
#pragma once

#include "arena/arena.h"

namespace fastalloc
{

constexpr size_t face_offset = 4096; // the arena's own page
static_assert(sizeof(Arena) <= face_offset);

// Of the face's bins, of which none is ever full: what they hold is limit less room, as everywhere.
constexpr uint32_t lent_limit = uint32_t{1} << 30;

struct Face
{
    explicit Face(const ArenaOperations *operations) : arena(operations)
    {
        arena.link_secret = window_bounds.link_secret;
        for (unsigned index = 0; index < class_count; ++index)
        {
            arena.bins[index].limit = lent_limit;
            arena.bins[index].room.store(lent_limit);
        }
    }

    Arena arena;
    uint64_t left_bytes[class_count] = {};
    uint64_t said_for = 0; // the look they were said for: whoever looks knows
};

// Requires: has_face, but for making it.
inline Face *face_of(Arena *arena)
{
    return reinterpret_cast<Face *>(reinterpret_cast<char *>(arena) + face_offset);
}

inline const Face *face_of(const Arena *arena)
{
    return reinterpret_cast<const Face *>(reinterpret_cast<const char *>(arena) + face_offset);
}

inline Arena *owner_of(Arena *face)
{
    return reinterpret_cast<Arena *>(reinterpret_cast<char *>(face) - face_offset);
}

} // namespace fastalloc
