// SPDX-License-Identifier: MIT
//
// Root: the one record from which every structure of the allocator is reachable by address, exported as
// `fastalloc_root`. Debuggers, core files and tools start here, and find it by its magic where they have no symbols.
// Its size and the meaning of its members are fixed for a layout version; room is left for more, and 0 means that a
// library had none yet. What lies behind the pointers may change with each version of the library: `layout` says where
// everything is in this one (heap/layout.h), so that a layout version lasts as long as that table can tell. Written when
// the window is placed and when the first arena is made, under their locks; otherwise constant.
#pragma once

#include <cstdint>

namespace fastalloc
{

struct Layout; // heap/layout.h

struct Root
{
    uint64_t magic;
    uint64_t layout_version;
    uint64_t window_base;  // 0 before the window is placed
    uint64_t window_bytes; // reserved or aimed at
    const void *window_bounds;
    const void *window;
    const void *node_heaps; // an array by node number
    const void *used_nodes; // a bit per element of it
    const void *outside;
    const void *registry; // null before the first arena
    const void *options;
    const char *fatal_line; // empty while the process lives
    const Layout *layout;
    uint64_t reserved[19];
};
static_assert(sizeof(Root) == 256);

constexpr uint64_t root_magic = 0x636f6c6c61747366; // "fstalloc" in memory
constexpr uint64_t root_layout_version = 1;

} // namespace fastalloc

extern "C" __attribute__((visibility("default"))) fastalloc::Root fastalloc_root;
