// SPDX-License-Identifier: MIT
#include "arena/foreign.h"

#include "arena/misuse.h"
#include "os/options.h"

#include <dlfcn.h>

// libc's own, under the names that nobody replaces; absent in other C libraries and in static programs.
extern "C" void __libc_free(void *) __attribute__((weak));
extern "C" void *__libc_realloc(void *, size_t) __attribute__((weak));
extern "C" void *dlsym(void *, const char *) noexcept __attribute__((weak));

namespace fastalloc
{

constinit bool program_malloc_is_ours = true;

namespace
{

bool goes_to_libc()
{
    return !program_malloc_is_ours || options().foreign == Foreign::libc;
}

} // namespace

void foreign_release(Call call, void *block)
{
    if (!goes_to_libc() || __libc_free == nullptr)
        fatal_foreign(name_of(call), block);
    __libc_free(block);
}

void *foreign_reallocate(void *block, size_t size)
{
    if (!goes_to_libc() || __libc_realloc == nullptr)
        fatal_foreign("realloc", block);
    return __libc_realloc(block, size);
}

size_t foreign_usable(void *block)
{
    using Usable = size_t (*)(void *);
    const auto usable =
        goes_to_libc() && dlsym != nullptr ? reinterpret_cast<Usable>(dlsym(RTLD_NEXT, "malloc_usable_size")) : nullptr;
    if (usable == nullptr)
        fatal_foreign("malloc_usable_size", block);
    return usable(block);
}

} // namespace fastalloc
