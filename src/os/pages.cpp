// SPDX-License-Identifier: MIT
#include "os/pages.h"

#include "base/bits.h"
#include "base/hints.h"

#include <atomic>
#include <cerrno>
#include <linux/mman.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

namespace fastalloc::pages
{
namespace
{

// 0 until the first question. Written with the same value by whoever asks first, so relaxed is enough.
constinit std::atomic<size_t> cached_page_bytes{0};

// Every call here is made inside malloc, which must not change errno when it succeeds.
class KeepErrno
{
public:
    KeepErrno() : saved_(errno)
    {
    }
    ~KeepErrno()
    {
        errno = saved_;
    }
    KeepErrno(const KeepErrno &) = delete;
    KeepErrno &operator=(const KeepErrno &) = delete;

private:
    int saved_;
};

void *address_of(uintptr_t address)
{
    return reinterpret_cast<void *>(address);
}

void *map_at(uintptr_t hint, size_t bytes, int protection, int flags)
{
    void *mapped = mmap(address_of(hint), bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
    return mapped == MAP_FAILED ? nullptr : mapped;
}

} // namespace

size_t page_bytes()
{
    size_t bytes = cached_page_bytes.load(std::memory_order_relaxed);
    if (FASTALLOC_UNLIKELY(bytes == 0))
    {
        bytes = getauxval(AT_PAGESZ);
        cached_page_bytes.store(bytes, std::memory_order_relaxed);
    }
    return bytes;
}

void set_page_bytes_for_tests(size_t bytes)
{
    cached_page_bytes.store(bytes, std::memory_order_relaxed);
}

void *reserve(uintptr_t hint, size_t bytes)
{
    KeepErrno keep;
    return map_at(hint, bytes, PROT_NONE, MAP_NORESERVE);
}

bool commit(uintptr_t address, size_t bytes)
{
    KeepErrno keep;
    return mprotect(address_of(address), bytes, PROT_READ | PROT_WRITE) == 0;
}

Aimed commit_aimed(uintptr_t address, size_t bytes)
{
    KeepErrno keep;
    void *mapped = map_at(address, bytes, PROT_READ | PROT_WRITE, MAP_FIXED_NOREPLACE);
    if (mapped == address_of(address))
        return Aimed::committed;
    if (mapped == nullptr)
        return errno == EEXIST ? Aimed::taken : Aimed::refused;
    munmap(mapped, bytes); // a kernel older than the flag took the address as a hint
    return Aimed::taken;
}

void *map(size_t bytes, size_t alignment)
{
    KeepErrno keep;
    if (alignment <= page_bytes())
        return map_at(0, bytes, PROT_READ | PROT_WRITE, 0);
    size_t whole;
    if (__builtin_add_overflow(bytes, alignment, &whole))
        return nullptr;
    const auto start = reinterpret_cast<uintptr_t>(map_at(0, whole, PROT_READ | PROT_WRITE, MAP_NORESERVE));
    if (start == 0)
        return nullptr;
    const uintptr_t aligned = round_up(start, alignment);
    if (aligned != start)
        munmap(address_of(start), aligned - start);
    if (aligned + bytes != start + whole)
        munmap(address_of(aligned + bytes), start + whole - aligned - bytes);
    return address_of(aligned);
}

void unmap(void *address, size_t bytes)
{
    KeepErrno keep;
    // Where unmapping would split a mapping, as the kernel joins neighbours, it may be one too many.
    if (munmap(address, bytes) != 0)
        madvise(address, bytes, MADV_DONTNEED);
}

bool discard(uintptr_t address, size_t bytes)
{
    KeepErrno keep;
    return madvise(address_of(address), bytes, MADV_DONTNEED) == 0;
}

bool resize(void *address, size_t old_bytes, size_t new_bytes)
{
    KeepErrno keep;
    return mremap(address, old_bytes, new_bytes, 0) != MAP_FAILED;
}

bool move(void *address, size_t old_bytes, void *to, size_t new_bytes)
{
    KeepErrno keep;
    return mremap(address, old_bytes, new_bytes, MREMAP_MAYMOVE | MREMAP_FIXED, to) != MAP_FAILED;
}

bool carry_out(uintptr_t from, size_t bytes, void *to)
{
    KeepErrno keep;
    constexpr int flags = MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP;
    return mremap(address_of(from), bytes, bytes, flags, to) != MAP_FAILED;
}

void advise_huge(uintptr_t address, size_t bytes)
{
    KeepErrno keep;
    madvise(address_of(address), bytes, MADV_HUGEPAGE);
}

void advise_small(uintptr_t address, size_t bytes)
{
    KeepErrno keep;
    madvise(address_of(address), bytes, MADV_NOHUGEPAGE);
}

bool address_space_is_limited()
{
    KeepErrno keep;
    rlimit limit;
    return getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
}

} // namespace fastalloc::pages
