// SPDX-License-Identifier: MIT
//
// The C++ operators new and delete, all 20 forms.
//
// The library is built without exceptions and needs no libstdc++; where memory runs out it asks the libstdc++ of the
// process for new_handler and bad_alloc: through weak references, and where these are null (a C program that loaded
// a C++ library) by name in a libstdc++ that is loaded already. A form that must not throw ends in libstdc++'s own,
// which calls the form that throws and catches.
//
// In the static archive both functions are ordinary references, and the nothrow forms of new are left to libstdc++.a,
// which builds them on ours. Who links this file gets our malloc with it: what libc itself allocates is to come from the
// same heap, also in programs that name nothing but new.
#include "api/sized.h"
#include "os/message.h"

#include <cstdlib>
#include <dlfcn.h>
#include <new>

using namespace fastalloc;

#ifdef FASTALLOC_STATIC
#define FASTALLOC_LIBSTDCXX
#else
#define FASTALLOC_LIBSTDCXX __attribute__((weak))
#endif

// std::get_new_handler() and std::__throw_bad_alloc().
extern "C" {
FASTALLOC_LIBSTDCXX std::new_handler _ZSt15get_new_handlerv();
FASTALLOC_LIBSTDCXX void _ZSt17__throw_bad_allocv();
}

namespace
{

#ifdef FASTALLOC_STATIC

[[gnu::used]] void *(*const linked_with_it)(size_t) = malloc;

std::new_handler new_handler()
{
    return _ZSt15get_new_handlerv();
}

void throw_bad_alloc()
{
    _ZSt17__throw_bad_allocv();
}

#else

// A function of the libstdc++ that this process has loaded, null if there is none. May take the loader's lock: failure
// path only.
template <typename Function>
Function in_libstdcxx(const char *name)
{
    void *const library = dlopen("libstdc++.so.6", RTLD_LAZY | RTLD_NOLOAD);
    return library == nullptr ? nullptr : reinterpret_cast<Function>(dlsym(library, name));
}

std::new_handler new_handler()
{
    auto *get = &_ZSt15get_new_handlerv;
    if (get == nullptr)
        get = in_libstdcxx<decltype(get)>("_ZSt15get_new_handlerv");
    return get == nullptr ? nullptr : get();
}

void throw_bad_alloc()
{
    auto *raise = &_ZSt17__throw_bad_allocv;
    if (raise == nullptr)
        raise = in_libstdcxx<decltype(raise)>("_ZSt17__throw_bad_allocv");
    if (raise != nullptr)
        raise();
}

#endif

// Until there is memory: new_handler's turn, bad_alloc where there is none (C++17, 16.4.6.4 and 17.6.2.1).
FASTALLOC_SLOW void *new_slow(size_t size, size_t alignment, Call call)
{
    for (;;)
    {
        if (void *const block = allocate_aligned(size, alignment, call))
            return block;
        const std::new_handler handler = new_handler();
        if (handler == nullptr)
            break;
        handler();
    }
    throw_bad_alloc();
    Message().text("operator new(").decimal(size).text("): out of memory, and no libstdc++ to throw bad_alloc").fatal();
}

// Functions of their own, so that the operators' slow twins are tail calls.
template <Call call>
FASTALLOC_SLOW void *new_slow_default(size_t size)
{
    return new_slow(size, default_alignment, call);
}

template <Call call>
FASTALLOC_INLINE void *new_any(size_t size)
{
    if (FASTALLOC_UNLIKELY(size > small_max))
        return new_slow_default<call>(size);
    void *const block = allocate_fast(size);
    if (FASTALLOC_UNLIKELY(block == nullptr))
        return new_slow_default<call>(size);
    return block;
}

FASTALLOC_INLINE void *new_aligned(size_t size, std::align_val_t alignment, Call call)
{
    return new_slow(size, static_cast<size_t>(alignment), call);
}

template <Call call>
FASTALLOC_SLOW void delete_slow(void *block)
{
    release(block, call);
}

template <Call call>
FASTALLOC_INLINE void delete_any(void *block)
{
    if (FASTALLOC_UNLIKELY(!release_fast(block)))
        delete_slow<call>(block);
}

FASTALLOC_INLINE void delete_aligned_sized(void *block, size_t size, std::align_val_t alignment, Call call)
{
    release_aligned_sized(call, block, size, static_cast<size_t>(alignment));
}

} // namespace

void *operator new(size_t size)
{
    return new_any<Call::new_single>(size);
}

void *operator new[](size_t size)
{
    return new_any<Call::new_array>(size);
}

void *operator new(size_t size, std::align_val_t alignment)
{
    return new_aligned(size, alignment, Call::new_single);
}

void *operator new[](size_t size, std::align_val_t alignment)
{
    return new_aligned(size, alignment, Call::new_array);
}

#ifndef FASTALLOC_STATIC

namespace
{

template <Call call>
FASTALLOC_SLOW void *new_nothrow_slow(size_t size)
{
    if (void *const block = allocate_aligned(size, default_alignment, call))
        return block;
    using Nothrow = void *(*)(size_t, const std::nothrow_t &);
    const auto theirs = in_libstdcxx<Nothrow>("_ZnwmRKSt9nothrow_t");
    return theirs == nullptr ? nullptr : theirs(size, std::nothrow_t{});
}

template <Call call>
FASTALLOC_INLINE void *new_nothrow(size_t size)
{
    if (FASTALLOC_UNLIKELY(size > small_max))
        return new_nothrow_slow<call>(size);
    void *const block = allocate_fast(size);
    if (FASTALLOC_UNLIKELY(block == nullptr))
        return new_nothrow_slow<call>(size);
    return block;
}

FASTALLOC_SLOW void *new_nothrow_aligned(size_t size, std::align_val_t alignment, Call call)
{
    if (void *const block = allocate_aligned(size, static_cast<size_t>(alignment), call))
        return block;
    using Nothrow = void *(*)(size_t, std::align_val_t, const std::nothrow_t &);
    const auto theirs = in_libstdcxx<Nothrow>("_ZnwmSt11align_val_tRKSt9nothrow_t");
    return theirs == nullptr ? nullptr : theirs(size, alignment, std::nothrow_t{});
}

} // namespace

void *operator new(size_t size, const std::nothrow_t &) noexcept
{
    return new_nothrow<Call::new_single>(size);
}

void *operator new[](size_t size, const std::nothrow_t &) noexcept
{
    return new_nothrow<Call::new_array>(size);
}

void *operator new(size_t size, std::align_val_t alignment, const std::nothrow_t &) noexcept
{
    return new_nothrow_aligned(size, alignment, Call::new_single);
}

void *operator new[](size_t size, std::align_val_t alignment, const std::nothrow_t &) noexcept
{
    return new_nothrow_aligned(size, alignment, Call::new_array);
}

#endif

void operator delete(void *block) noexcept
{
    delete_any<Call::delete_single>(block);
}

void operator delete[](void *block) noexcept
{
    delete_any<Call::delete_array>(block);
}

void operator delete(void *block, const std::nothrow_t &) noexcept
{
    delete_any<Call::delete_single>(block);
}

void operator delete[](void *block, const std::nothrow_t &) noexcept
{
    delete_any<Call::delete_array>(block);
}

void operator delete(void *block, size_t size) noexcept
{
    release_sized(Call::delete_single, block, size);
}

void operator delete[](void *block, size_t size) noexcept
{
    release_sized(Call::delete_array, block, size);
}

void operator delete(void *block, std::align_val_t) noexcept
{
    delete_any<Call::delete_single>(block);
}

void operator delete[](void *block, std::align_val_t) noexcept
{
    delete_any<Call::delete_array>(block);
}

void operator delete(void *block, std::align_val_t, const std::nothrow_t &) noexcept
{
    delete_any<Call::delete_single>(block);
}

void operator delete[](void *block, std::align_val_t, const std::nothrow_t &) noexcept
{
    delete_any<Call::delete_array>(block);
}

void operator delete(void *block, size_t size, std::align_val_t alignment) noexcept
{
    delete_aligned_sized(block, size, alignment, Call::delete_single);
}

void operator delete[](void *block, size_t size, std::align_val_t alignment) noexcept
{
    delete_aligned_sized(block, size, alignment, Call::delete_array);
}
