// SPDX-License-Identifier: MIT
//
// message.cpp - how a line leaves the process
//
// Everything here must work while the rest of the allocator is broken or half built: it needs the stack, a few
// system calls and libc's abort.
#include "os/message.h"

#include "os/quiet_write.h"

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <unistd.h>

namespace fastalloc
{

constinit char fatal_line_bytes[line_capacity] = {};

namespace
{

// A program's name is shortened to this much, so that it leaves room for what the line is about.
constexpr size_t program_name_max = 40;

// Set by the first thread in fatal(); taken by exchange, so that exactly one thread writes fatal_line_bytes.
constinit std::atomic<bool> fatal_line_taken{false};

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
    (void)quiet_write(file, bytes_, line_.length() + 1);
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
