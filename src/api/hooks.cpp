// SPDX-License-Identifier: MIT
//
// Subscribing to what happens to blocks.
#include "watch/hooks.h"

#include "api/names.h"

#include <cerrno>

using namespace fastalloc;

namespace
{

int said(int error)
{
    if (error == 0)
        return 0;
    errno = error;
    return -1;
}

} // namespace

extern "C" {

FASTALLOC_EXPORT int fastalloc_hooks_add(const struct fastalloc_hooks *hooks) noexcept
{
    return said(add_hooks(hooks));
}

FASTALLOC_EXPORT int fastalloc_hooks_remove(const struct fastalloc_hooks *hooks) noexcept
{
    return said(remove_hooks(hooks));
}

} // extern "C"
