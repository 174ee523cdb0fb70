// SPDX-License-Identifier: MIT
#include "os/barrier.h"

#include "os/keep_errno.h"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace fastalloc
{
namespace
{

bool membarrier(int command)
{
    return syscall(SYS_membarrier, command, 0, 0) == 0;
}

} // namespace

void barrier_in_all_threads()
{
    const KeepErrno keep;
    // A process must say once that it will do this, which the kernel remembers for us.
    if (!membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) && membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED))
        (void)membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
}

} // namespace fastalloc
