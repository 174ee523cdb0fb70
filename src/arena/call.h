// SPDX-License-Identifier: MIT
//
// Call: which function of the API a request came by. Arenas behind the fast path do not care; messages and whoever
// looks on do. The order is that of fastalloc_call in fastalloc.h.
#pragma once

#include <cstdint>

namespace fastalloc
{

enum class Call : uint8_t
{
    malloc,
    calloc,
    realloc,
    aligned_alloc,
    posix_memalign,
    memalign,
    valloc,
    pvalloc,
    new_single, // operator new
    new_array,  // operator new[]
    malloc_on,
    free,
    free_sized,
    free_aligned_sized,
    delete_single, // operator delete
    delete_array,  // operator delete[]
    malloc_usable_size,
};

inline constexpr const char *call_names[] = {
    "malloc",
    "calloc",
    "realloc",
    "aligned_alloc",
    "posix_memalign",
    "memalign",
    "valloc",
    "pvalloc",
    "operator new",
    "operator new[]",
    "fastalloc_malloc_on",
    "free",
    "free_sized",
    "free_aligned_sized",
    "operator delete",
    "operator delete[]",
    "malloc_usable_size",
};

constexpr const char *name_of(Call call)
{
    return call_names[static_cast<uint8_t>(call)];
}

} // namespace fastalloc
