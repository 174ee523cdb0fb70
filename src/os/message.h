// SPDX-License-Identifier: MIT
//
// message.h - one line to standard error, from any place inside the allocator
//
// A Message is built word by word and then either warned with or died with:
//
//     Message().text("free of ").pointer(block).text(": no block begins there").fatal();
//
//     fastalloc: PROGRAM[PID]: free of 0x7f10: no block begins there
//
// It allocates nothing, takes no lock, uses no stdio and no locale, keeps errno and is no cancellation
// point, so it may be used by any thread with any lock held, in a signal handler and between fork and exec.
// The line leaves by one write, so lines of several threads do not mix. If standard error is closed, full or
// a pipe without a reader, nothing is written and nothing happens: no errno, no SIGPIPE.
//
// A line has at most line_capacity - 2 characters; a longer one is cut and ends in "...".
#pragma once

#include "base/hints.h"
#include "base/text.h"

#include <cstddef>
#include <cstdint>

namespace fastalloc
{

// Bytes of a line's buffer, its newline and final 0 included: three lines of a terminal.
inline constexpr size_t line_capacity = 256;

// Written once, by the first thread that dies; read through fatal_line().
extern char fatal_line_bytes[line_capacity];

// The line the process died with, without its newline; empty as long as it lives. For the root record, so
// that a core file names its reason.
constexpr const char *fatal_line()
{
    return fatal_line_bytes;
}

class Message
{
public:
    // Begins the line with "fastalloc: PROGRAM[PID]: ".
    FASTALLOC_SLOW Message();

    Message(const Message &) = delete;
    Message &operator=(const Message &) = delete;

    // Each adds to the line as the function of the same name in base/text.h does.
    Message &text(const char *string)
    {
        line_.text(string);
        return *this;
    }

    Message &text(const char *string, size_t count)
    {
        line_.text(string, count);
        return *this;
    }

    Message &decimal(uint64_t value)
    {
        line_.decimal(value);
        return *this;
    }

    Message &hexadecimal(uint64_t value)
    {
        line_.hexadecimal(value);
        return *this;
    }

    Message &pointer(const void *value)
    {
        line_.pointer(value);
        return *this;
    }

    Message &bytes(uint64_t value)
    {
        line_.bytes(value);
        return *this;
    }

    // Ends the line and writes it; the process goes on. Requires: nothing is called on the message afterwards.
    FASTALLOC_SLOW void warn();

    // The same to another file.
    FASTALLOC_SLOW void write(int file);

    // Keeps the line for fatal_line(), writes it and ends the process with SIGABRT.
    [[noreturn]] FASTALLOC_SLOW void fatal();

private:
    char bytes_[line_capacity];
    Text line_; // over bytes_ without its last byte, which the newline needs
};

} // namespace fastalloc
