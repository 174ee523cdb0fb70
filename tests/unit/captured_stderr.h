// SPDX-License-Identifier: MIT
//
// What a piece of a test writes to standard error, as a string: standard error is a file of its own while the
// piece runs, so nothing can fill up and no reader is needed.
//
// For tests of what the library prints. Used by the test's one thread; a captured function must return (a
// failed assert of cmocka would jump over the restoring), so asserts come after, on the result.
#pragma once

#include "../emulator.h"

#include <cstddef>
#include <cstring>
#include <sys/mman.h>
#include <unistd.h>

namespace fastalloc_test
{

struct Captured
{
    char text[1024];
    size_t length;

    unsigned lines() const
    {
        unsigned count = 0;
        for (size_t i = 0; i < length; i++)
        {
            count += text[i] == '\n' ? 1u : 0u;
        }
        return count;
    }

    bool has(const char *part) const
    {
        return strstr(text, part) != nullptr;
    }
};

// Standard error stands for `descriptor` while `run` runs.
template <typename Run>
void with_standard_error(int descriptor, Run run)
{
    const int before = dup(STDERR_FILENO);
    dup2(descriptor, STDERR_FILENO);
    run();
    dup2(before, STDERR_FILENO);
    close(before);
}

template <typename Run>
Captured capture(Run run)
{
    Captured captured = {};
    const int file = memfd_create("stderr", 0);
    with_standard_error(file, run);
    const ssize_t count = pread(file, captured.text, sizeof(captured.text) - 1, 0);
    captured.text[count > 0 ? count : 0] = 0;
    remove_emulators_line(captured.text);
    captured.length = strlen(captured.text);
    close(file);
    return captured;
}

} // namespace fastalloc_test
