// SPDX-License-Identifier: MIT
#include "watch/memcheck.h"

#ifdef FASTALLOC_VALGRIND
// Its macros are C.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wold-style-cast"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wcast-qual"
#include <valgrind/memcheck.h>

namespace fastalloc::memcheck
{

bool is_any_tool()
{
    return RUNNING_ON_VALGRIND != 0;
}

// Others do not know the request and answer 0.
bool is_memcheck()
{
    const char byte = 0;
    char bits = 0;
    return VALGRIND_GET_VBITS(&byte, &bits, 1) != 0;
}

void complain(const Text &line, const void *block)
{
    VALGRIND_PRINTF_BACKTRACE("fastalloc: %s\n", line.string());
    char bytes[64];
    Text command(bytes, sizeof bytes);
    command.text("v.info location ").pointer(block);
    (void)VALGRIND_MONITOR_COMMAND(command.string());
}

} // namespace fastalloc::memcheck
#pragma GCC diagnostic pop

#else

namespace fastalloc::memcheck
{

bool is_any_tool()
{
    return false;
}

bool is_memcheck()
{
    return false;
}

void complain(const Text &, const void *)
{
}

} // namespace fastalloc::memcheck

#endif
