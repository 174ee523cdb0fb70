// SPDX-License-Identifier: MIT
#include "os/quiet_write.h"

#include "os/keep_errno.h"

#include <cerrno>
#include <csignal>
#include <ctime>
#include <sys/syscall.h>
#include <unistd.h>

namespace fastalloc
{
namespace
{

// What the kernel takes for the size of a signal set, whatever the size of libc's.
constexpr size_t kernel_signal_set_bytes = 8;

// Gives up at the first error but EINTR. Returns that error or 0. By the bare system call: libc's is a cancellation
// point, and a thread must not be cancelled inside malloc.
int write_whole(int fd, const char *bytes, size_t count)
{
    while (count != 0)
    {
        const long written = syscall(SYS_write, fd, bytes, count);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return written < 0 ? errno : EIO;
        bytes += written;
        count -= static_cast<size_t>(written);
    }
    return 0;
}

} // namespace

int quiet_write(int fd, const char *bytes, size_t count)
{
    const KeepErrno keep;
    sigset_t broken_pipe;
    sigset_t blocked_before;
    sigset_t pending_before;
    sigemptyset(&broken_pipe);
    sigaddset(&broken_pipe, SIGPIPE);
    sigemptyset(&pending_before);
    pthread_sigmask(SIG_BLOCK, &broken_pipe, &blocked_before);
    sigpending(&pending_before);
    const int error = write_whole(fd, bytes, count);
    if (error == EPIPE && sigismember(&pending_before, SIGPIPE) == 0)
    {
        const timespec no_wait = {};
        while (syscall(SYS_rt_sigtimedwait, &broken_pipe, nullptr, &no_wait, kernel_signal_set_bytes) < 0 &&
               errno == EINTR)
            ;
    }
    pthread_sigmask(SIG_SETMASK, &blocked_before, nullptr);
    return error;
}

} // namespace fastalloc
