// SPDX-License-Identifier: MIT
//
// The settings while the process runs: fastalloc_option_set and fastalloc_option_get.
//
// A setting that may change is one word that is read where it is consulted, so a new value is in force when it is written.
// The few of which something else has to know are told apart here.
#include "api/background.h"
#include "api/names.h"
#include "arena/allocate.h"
#include "heap/limits.h"
#include "os/option_list.h"

#include <cerrno>
#include <cstring>

using namespace fastalloc;

namespace
{

// All nodes that there can be, every other one of them named, are 3 KiB.
constexpr size_t value_capacity = 4096;

int failed_with(int reason)
{
    errno = reason;
    return -1;
}

bool is_called(const Option *option, const char *name)
{
    return option == find_option(name);
}

} // namespace

extern "C" {

FASTALLOC_EXPORT int fastalloc_option_set(const char *name, const char *value) noexcept
{
    load_options_once(); // or they would replace this one
    const Option *const option = name != nullptr ? find_option(name) : nullptr;
    if (option == nullptr)
        return failed_with(ENOENT);
    if (option->changes == Changes::at_start)
        return failed_with(EPERM);
    Options wanted = options();
    if (value == nullptr || apply_option(*option, {value, strlen(value)}, Origin::call, wanted) != Verdict::taken)
        return failed_with(EINVAL);
    if (is_called(option, "background_thread"))
        return background.obey(wanted.background_thread);
    change_option(*option, option->read(wanted));
    if (is_called(option, "soft_limit"))
        limits.forget_soft_limit_was_passed();
    if (is_called(option, "demand_half_life"))
        background.look_again();
    return 0;
}

FASTALLOC_EXPORT int fastalloc_option_get(const char *name, char *buffer, size_t capacity) noexcept
{
    load_options_once();
    const Option *const option = name != nullptr ? find_option(name) : nullptr;
    if (option == nullptr)
        return failed_with(ENOENT);
    char value[value_capacity];
    const size_t length = format_option(*option, options(), value, sizeof value);
    if (capacity != 0)
    {
        const size_t copied = length < capacity ? length : capacity - 1;
        memcpy(buffer, value, copied);
        buffer[copied] = 0;
    }
    return static_cast<int>(length);
}

} // extern "C"
