// SPDX-License-Identifier: MIT
#include "os/small_file.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace fastalloc
{

void read_begin(const char *path, char *bytes, size_t capacity)
{
    bytes[0] = 0;
    const long file = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return;
    const long count = syscall(SYS_read, file, bytes, capacity - 1);
    syscall(SYS_close, file);
    bytes[count > 0 ? count : 0] = 0;
}

} // namespace fastalloc
