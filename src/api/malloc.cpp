// SPDX-License-Identifier: MIT
//
// malloc's family under the names of libc, and each once more with the prefix fastalloc_. What they promise stands in
// fastalloc.h.
#include "api/names.h"
#include "api/process.h"
#include "api/sized.h"
#include "arena/allocate.h"
#include "os/pages.h"

#include <cerrno>
#include <cstring>

using namespace fastalloc;

namespace
{

__attribute__((used)) void (*const with_malloc)() = fastalloc_process_starts;

// Its own function, so that malloc and calloc share one fast path. No frame: everything else is a tail call.
FASTALLOC_INLINE void *allocate_any(size_t size)
{
    if (FASTALLOC_UNLIKELY(size > small_max))
        return allocate_slow(size);
    void *const block = allocate_fast(size);
    if (FASTALLOC_UNLIKELY(block == nullptr))
        return allocate_slow(size);
    return block;
}

void *out_of_memory()
{
    errno = ENOMEM;
    return nullptr;
}

// A power of two at least as large as `alignment`, 0 if there is none.
size_t rounded_alignment(size_t alignment)
{
    return alignment > size_t{1} << 63 ? 0 : std::bit_ceil(alignment);
}

} // namespace

extern "C" {

FASTALLOC_EXPORT void *malloc(size_t size) noexcept
{
    return allocate_any(size);
}

FASTALLOC_EXPORT void free(void *block) noexcept
{
    if (FASTALLOC_UNLIKELY(!release_fast(block)))
        release_slow(block);
}

FASTALLOC_EXPORT void *calloc(size_t count, size_t size) noexcept
{
    size_t bytes;
    if (FASTALLOC_UNLIKELY(multiply_overflows(count, size, &bytes)))
        return out_of_memory();
    if (FASTALLOC_LIKELY(bytes <= small_max))
        if (void *const block = allocate_fast(bytes))
            return memset(block, 0, bytes);
    const Allocation allocation = allocate(bytes, default_alignment, Call::calloc);
    if (FASTALLOC_UNLIKELY(allocation.block == nullptr))
        return out_of_memory();
    return allocation.zeroed ? allocation.block : memset(allocation.block, 0, bytes);
}

FASTALLOC_EXPORT void *realloc(void *block, size_t size) noexcept
{
    if (block == nullptr)
        return allocate_any(size);
    if (size != 0)
        return reallocate(block, size);
    if (!release_fast(block))
        release_slow(block);
    return nullptr;
}

FASTALLOC_EXPORT void *reallocarray(void *block, size_t count, size_t size) noexcept
{
    size_t bytes;
    return multiply_overflows(count, size, &bytes) ? out_of_memory() : realloc(block, bytes);
}

FASTALLOC_EXPORT void *aligned_alloc(size_t alignment, size_t size) noexcept
{
    if (FASTALLOC_LIKELY(is_power_of_two(alignment)))
        return allocate_aligned(size, alignment, Call::aligned_alloc);
    errno = EINVAL;
    return nullptr;
}

FASTALLOC_EXPORT int posix_memalign(void **block, size_t alignment, size_t size) noexcept
{
    if (!is_power_of_two(alignment) || alignment % sizeof(void *) != 0)
        return EINVAL;
    const int saved_errno = errno;
    void *const aligned = allocate_aligned(size, alignment, Call::posix_memalign);
    errno = saved_errno;
    if (aligned == nullptr)
        return ENOMEM;
    *block = aligned;
    return 0;
}

FASTALLOC_EXPORT void *memalign(size_t alignment, size_t size) noexcept
{
    const size_t rounded = rounded_alignment(alignment);
    if (rounded != 0)
        return allocate_aligned(size, rounded, Call::memalign);
    errno = EINVAL;
    return nullptr;
}

FASTALLOC_EXPORT void *valloc(size_t size) noexcept
{
    return allocate_aligned(size, pages::page_bytes(), Call::valloc);
}

FASTALLOC_EXPORT void *pvalloc(size_t size) noexcept
{
    const size_t page = pages::page_bytes();
    const size_t rounded = round_up(size, page);
    return rounded < size ? out_of_memory() : allocate_aligned(rounded, page, Call::pvalloc);
}

FASTALLOC_EXPORT size_t malloc_usable_size(void *block) noexcept
{
    return block == nullptr ? 0 : usable_size(Call::malloc_usable_size, block);
}

FASTALLOC_EXPORT void free_sized(void *block, size_t size) noexcept
{
    release_sized(Call::free_sized, block, size);
}

FASTALLOC_EXPORT void free_aligned_sized(void *block, size_t alignment, size_t size) noexcept
{
    release_aligned_sized(Call::free_aligned_sized, block, size, alignment);
}

FASTALLOC_TWIN(malloc);
FASTALLOC_TWIN(free);
FASTALLOC_TWIN(calloc);
FASTALLOC_TWIN(realloc);
FASTALLOC_TWIN(reallocarray);
FASTALLOC_TWIN(aligned_alloc);
FASTALLOC_TWIN(posix_memalign);
FASTALLOC_TWIN(memalign);
FASTALLOC_TWIN(valloc);
FASTALLOC_TWIN(pvalloc);
FASTALLOC_TWIN(malloc_usable_size);
FASTALLOC_TWIN(free_sized);
FASTALLOC_TWIN(free_aligned_sized);

} // extern "C"
