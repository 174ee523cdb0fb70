// SPDX-License-Identifier: MIT
//
// What a program may ask and say about memory nodes.
#include "api/names.h"
#include "arena/allocate.h"
#include "arena/registry.h"
#include "heap/outside.h"
#include "os/topology.h"

#include <cerrno>

using namespace fastalloc;

namespace
{

// The place that memory at this address was asked from; unplaced also where it is not ours.
Node place_of(const void *address)
{
    const Span *const record = record_of(address);
    if (record != nullptr)
        return node_heap_of(slice_of(record)).place();
    const int place = outside.place_of(address);
    return place >= 0 ? static_cast<Node>(place) : unplaced;
}

} // namespace

extern "C" {

FASTALLOC_EXPORT void *fastalloc_malloc_on(int node, size_t size) noexcept
{
    load_options_once();
    Node place = unplaced;
    if (node < 0 || !topology::find_place(static_cast<unsigned>(node), &place))
    {
        errno = EINVAL;
        return nullptr;
    }
    void *const block = allocate_on(place, size).block;
    if (block == nullptr)
        errno = ENOMEM;
    return block;
}

FASTALLOC_EXPORT int fastalloc_node_of(const void *address) noexcept
{
    const Node place = place_of(address);
    const int node = place != unplaced ? place : topology::node_of_page(reinterpret_cast<uintptr_t>(address));
    if (node < 0)
        errno = ENOENT;
    return node;
}

FASTALLOC_EXPORT int fastalloc_thread_node() noexcept
{
    load_options_once();
    Arena *self = thread_words.self;
    if (self != nullptr && topology::has_homes())
        self = registry.follow(self);
    const Node place = self != nullptr ? self->place : topology::place_of_thread();
    return place != unplaced ? place : -1;
}

} // extern "C"
