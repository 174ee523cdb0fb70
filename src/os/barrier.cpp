// SPDX-License-Identifier: MIT
#include "os/barrier.h"

#include "os/keep_errno.h"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace fastalloc::barrier
{

constinit std::atomic<bool> both_full{true};

namespace
{

bool membarrier(int command)
{
    const KeepErrno keep_errno;
    return syscall(SYS_membarrier, command, 0, 0) == 0;
}

} // namespace

void prepare()
{
    if (both_full.load(std::memory_order_relaxed) && membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED))
        both_full.store(false, std::memory_order_relaxed);
}

void heavy()
{
    full();
    // A process must say once that it will do this, and the child of a fork may have to again.
    if (!membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) && membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED))
        membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
}

} // namespace fastalloc::barrier
