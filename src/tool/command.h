// SPDX-License-Identifier: MIT
//
// Command: one of the words behind `fastalloc`, as `fastalloc stat`. The table of them is in main.cpp.
//
// The program is no part of the library: it may use what C++ has, exceptions too. A command returns the exit code; what
// it cannot do it throws as a Failure, which main() prints as "fastalloc: ..." on standard error. A sentence that begins
// with a small letter, without a full stop, that says what was wanted and, in brackets or behind a colon, why it failed.
//
// No state, one thread.
#pragma once

#include <span>
#include <stdexcept>
#include <string>

namespace fastalloc::tool
{

// Exit codes, as in the manual page.
constexpr int exit_ok = 0;
constexpr int exit_failed = 1; // it was understood, and could not be done
constexpr int exit_usage = 2;  // it was not understood
// Of `run`, as of env(1) and nohup(1); else its code is the program's.
constexpr int exit_cannot_invoke = 126;
constexpr int exit_not_found = 127;

// The words behind the command's own.
using Words = std::span<const char *const>;

struct Command
{
    const char *name;
    const char *synopsis; // what follows the name
    const char *sentence; // what it does, for `fastalloc help`
    int (*run)(Words words);
    const char *options = ""; // a line or more for each, for `fastalloc help NAME`
};

struct Failure : std::runtime_error
{
    explicit Failure(const std::string &sentence, int code = exit_failed)
        : std::runtime_error(sentence), exit_code(code)
    {
    }

    int exit_code;
};

// The words themselves are wrong: main() points to the synopsis.
struct UsageFailure : Failure
{
    explicit UsageFailure(const std::string &sentence) : Failure(sentence, exit_usage)
    {
    }
};

// Each in a file of its own.
int run(Words words);
int conf(Words words);
int stat(Words words);
int top(Words words);
int where(Words words);
int map(Words words);
int numa(Words words);

} // namespace fastalloc::tool
