// SPDX-License-Identifier: MIT
//
// message.cpp - how a line leaves the process
//
// Everything here must work while the rest of the allocator is broken or half built: it needs the stack, a few
// system calls and libc's abort. The write is the bare system call: libc's is a cancellation point, and a
// thread must not be cancelled inside malloc.
#include "os/message.h"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace fastalloc
{

constinit char fatal_line_bytes[line_capacity] = {};

namespace
{

// A program's name is shortened to this much, so that it leaves room for what the line is about.
constexpr size_t program_name_max = 40;

// What the kernel takes for the size of a signal set, whatever the size of libc's.
constexpr size_t kernel_signal_set_bytes = 8;

// Set by the first thread in fatal(); taken by exchange, so that exactly one thread writes fatal_line_bytes.
constinit std::atomic<bool> fatal_line_taken{false};

// Writes all of it; gives up at the first error but EINTR. Returns that error or 0.
int write_whole(int file, const char *bytes, size_t count)
{
    while (count != 0)
    {
        const long written = syscall(SYS_write, file, bytes, count);
        if (written < 0 && errno == EINTR)
        {
            continue;
        }
        if (written <= 0)
        {
            return written < 0 ? errno : EIO;
        }
        bytes += written;
        count -= static_cast<size_t>(written);
    }
    return 0;
}

// Writes the line with SIGPIPE held back, and takes back the one that this write raised, so that a program
// whose standard error lost its reader is not killed by a warning. One that was pending before stays pending.
void write_line(int file, const char *bytes, size_t count)
{
    const int errno_before = errno;
    sigset_t broken_pipe;
    sigset_t blocked_before;
    sigset_t pending_before;
    sigemptyset(&broken_pipe);
    sigaddset(&broken_pipe, SIGPIPE);
    sigemptyset(&pending_before);
    pthread_sigmask(SIG_BLOCK, &broken_pipe, &blocked_before);
    sigpending(&pending_before);

    if (write_whole(file, bytes, count) == EPIPE && sigismember(&pending_before, SIGPIPE) == 0)
    {
        const timespec no_wait = {};
        while (syscall(SYS_rt_sigtimedwait, &broken_pipe, nullptr, &no_wait, kernel_signal_set_bytes) < 0 &&
               errno == EINTR)
        {
        }
    }
    pthread_sigmask(SIG_SETMASK, &blocked_before, nullptr);
    errno = errno_before;
}

} // namespace

Message::Message() : line_(bytes_, sizeof(bytes_) - 1)
{
    const char *name = program_invocation_short_name; // null or empty until libc has seen argv
    if (name == nullptr || *name == 0)
    {
        name = "?";
    }
    text("fastalloc: ").text(name, program_name_max);
    text("[").decimal(static_cast<uint64_t>(getpid())).text("]: ");
}

void Message::warn()
{
    write(STDERR_FILENO);
}

void Message::write(int file)
{
    bytes_[line_.length()] = '\n';
    write_line(file, bytes_, line_.length() + 1);
}

void Message::fatal()
{
    if (!fatal_line_taken.exchange(true, std::memory_order_relaxed))
    {
        memcpy(fatal_line_bytes, bytes_, line_.length() + 1);
    }
    warn();
    abort();
}

} // namespace fastalloc
