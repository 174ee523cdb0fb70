// SPDX-License-Identifier: MIT
//
// The last words of a process whose heap is broken or whose program gave a pointer to free that cannot be freed. One
// line on standard error names the call, the pointer and the reason, then abort. Callable with any lock held; allocates
// nothing.
#pragma once

#include "base/hints.h"
#include "heap/span.h"

#include <cstddef>

namespace fastalloc
{

[[noreturn]] FASTALLOC_SLOW void fatal_foreign(const char *call, const void *block);
[[noreturn]] FASTALLOC_SLOW void fatal_double_free(const void *block, size_t bytes);
[[noreturn]] FASTALLOC_SLOW void fatal_freed(const char *call, const void *block, size_t bytes);
[[noreturn]] FASTALLOC_SLOW void fatal_inside(const char *call, const void *block, size_t bytes);
[[noreturn]] FASTALLOC_SLOW void fatal_wrong_size(const char *call, const void *block, size_t size, size_t usable);
[[noreturn]] FASTALLOC_SLOW void fatal_too_many_blocks(const Span *span);
[[noreturn]] FASTALLOC_SLOW void fatal_handed_out_twice(const void *block);
[[noreturn]] FASTALLOC_SLOW void fatal_written_when_free(const void *block);
[[noreturn]] FASTALLOC_SLOW void fatal_broken_invariant(const char *broken); // builds with checks only
[[noreturn]] FASTALLOC_SLOW void fatal_broken_link(const void *link);

} // namespace fastalloc
