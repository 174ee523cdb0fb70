// SPDX-License-Identifier: MIT
#include "os/pages.h"

#include "base/bits.h"
#include "base/config.h"
#include "base/hints.h"
#include "os/keep_errno.h"
#include "os/small_file.h"

#include <atomic>
#include <bit>
#include <cerrno>
#include <cstring>
#include <linux/mman.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#define PR_SET_VMA_ANON_NAME 0
#endif

namespace fastalloc::pages
{
namespace
{

constexpr const char *mapping_name = "fastalloc"; // in /proc/PID/maps: [anon:fastalloc]

// 0 until the first question. Written with the same value by whoever asks first, so relaxed is enough.
constinit std::atomic<size_t> cached_page_bytes{0};

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
    void *const reserved = map_at(hint, bytes, PROT_NONE, MAP_NORESERVE);
    if (reserved == nullptr)
        return nullptr;
    // The kernel's own dumps leave out what was never written; those that debuggers write do not, and all of it is read.
    madvise(reserved, bytes, MADV_DONTDUMP);
    // What is committed later inherits the name, and so joins its neighbours.
    prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, reserved, bytes, mapping_name);
    return reserved;
}

bool commit(uintptr_t address, size_t bytes)
{
    KeepErrno keep;
    if (mprotect(address_of(address), bytes, PROT_READ | PROT_WRITE) != 0)
        return false;
    madvise(address_of(address), bytes, MADV_DODUMP);
    return true;
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

size_t resident_pages(uintptr_t address, size_t bytes)
{
    KeepErrno keep;
    constexpr size_t at_once = 512;
    unsigned char present[at_once];
    size_t count = 0;
    for (const uintptr_t end = address + bytes; address < end; address += at_once * page_bytes())
    {
        const size_t left = (end - address) / page_bytes();
        const size_t pages = left < at_once ? left : at_once;
        if (mincore(address_of(address), pages * page_bytes(), present) != 0)
            return count;
        for (size_t page = 0; page < pages; ++page)
            count += present[page] & 1;
    }
    return count;
}

// Looking at a part of a huge page makes the kernel split it; what MADV_COLD is for is the least of side effects.
void split(uintptr_t address, size_t bytes)
{
    KeepErrno keep;
    madvise(address_of(address), bytes, MADV_COLD);
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

// Mapped elsewhere first: an older kernel that finds the pool empty leaves a hole where the range was.
bool take_from_pool(uintptr_t address, size_t bytes)
{
    KeepErrno keep;
    constexpr int size_of_page = std::countr_zero(chunk_bytes) << MAP_HUGE_SHIFT;
    void *const mapped = map_at(0, bytes, PROT_READ | PROT_WRITE, MAP_HUGETLB | size_of_page);
    if (mapped == nullptr)
        return false;
    if (mremap(mapped, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, address_of(address)) != MAP_FAILED)
        return true;
    munmap(mapped, bytes);
    return false;
}

bool leave_pool(uintptr_t address, size_t bytes)
{
    KeepErrno keep;
    return map_at(address, bytes, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_NORESERVE) != nullptr;
}

void make_huge(uintptr_t address, size_t bytes)
{
    KeepErrno keep;
    madvise(address_of(address), bytes, MADV_COLLAPSE);
}

bool huge_pages_are_forbidden()
{
    KeepErrno keep;
    char modes[64];
    read_begin("/sys/kernel/mm/transparent_hugepage/enabled", modes, sizeof modes);
    return strstr(modes, "[never]") != nullptr;
}

bool address_space_is_limited()
{
    KeepErrno keep;
    rlimit limit;
    return getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
}

} // namespace fastalloc::pages
