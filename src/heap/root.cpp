// SPDX-License-Identifier: MIT
#include "heap/root.h"

#include "heap/layout.h"
#include "heap/node_heap.h"
#include "heap/outside.h"
#include "heap/window.h"
#include "os/message.h"
#include "os/options.h"

constinit fastalloc::Root fastalloc_root{
    .magic = fastalloc::root_magic,
    .layout_version = fastalloc::root_layout_version,
    .window_base = 0,
    .window_bytes = 0,
    .window_bounds = &fastalloc::window_bounds,
    .window = &fastalloc::window,
    .node_heaps = fastalloc::node_heaps,
    .used_nodes = fastalloc::used_nodes,
    .outside = &fastalloc::outside,
    .registry = nullptr,
    .options = &fastalloc::current_options,
    .fatal_line = fastalloc::fatal_line_bytes,
    .layout = &fastalloc::library_layout,
    .reserved = {},
};
