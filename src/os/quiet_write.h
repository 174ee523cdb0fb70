// SPDX-License-Identifier: MIT
//
// quiet_write: bytes to a file descriptor, whole, from any place inside the allocator.
//
// It allocates nothing, takes no lock, keeps errno and is no cancellation point, so it may be used by any thread with
// any lock held, in a signal handler and between fork and exec. A descriptor that is a pipe without a reader raises no
// SIGPIPE: the one that the write raises is taken back, one that was pending before stays pending.
#pragma once

#include <cstddef>

namespace fastalloc
{

// 0, or the errno of the write that failed: what could be written before is. Interrupted writes go on.
int quiet_write(int fd, const char *bytes, size_t count);

} // namespace fastalloc
