// SPDX-License-Identifier: MIT
//
// Statistics as texts: for programs, JSON with every figure there is; for people, a page that says where the memory is.
//
// Both gather list after list, so that 12 KiB of stack are enough, and write as they go (os/writer.h). Nothing is
// allocated, errno is kept. Any thread, also a signal handler that interrupted the allocator: then figures are
// as they are met, and the text says so.
#pragma once

namespace fastalloc
{

// 0, or the errno of the write that failed.
int write_statistics_as_json(int fd);
int write_statistics_as_text(int fd);

} // namespace fastalloc
