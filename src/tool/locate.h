// SPDX-License-Identifier: MIT
//
// Located: what is at an address of a target: a block, live or free, and of what; or which part of the allocator, or of
// the process.
//
// Whether a small block is free is written in many places: it was never handed out, or is in the list of its span, or
// its page was given back; or it waits in a bin of its arena, an outbox or an inbox. All of them are looked at. Of a
// process that goes on a block may be on its way from one to another: `changed` says that something was.
#pragma once

#include "tool/heap.h"

#include <optional>
#include <string>

namespace fastalloc::tool
{

struct Located
{
    uint64_t address = 0;
    std::string what; // "small", "medium", "large", "outside": a block; else what it is, in words
    bool is_block = false;
    bool is_live = false;
    std::string free_in;            // where a free block waits, in words
    uint64_t begin = 0;             // of the block
    uint64_t bytes = 0;             // that may be used of it
    std::optional<uint64_t> number; // of the block in its span, of `capacity`
    uint64_t capacity = 0;
    uint64_t span = 0; // where that begins
    std::optional<uint64_t> class_bytes;
    std::optional<int64_t> node;   // -1: asked from none in particular
    std::optional<uint64_t> arena; // its number
    uint64_t arena_address = 0;
    int thread = 0; // attached to the arena, 0 where there is none or it is not known
    std::optional<ChunkRecord> chunk;
    std::string mapping; // of what is not the allocator's
    bool changed = false;
};

// Throws Damage where what describes the address makes no sense.
Located locate(Heap &heap, uint64_t address);

} // namespace fastalloc::tool
