// SPDX-License-Identifier: MIT
//
// Word: a machine word that the fast path reads as cheaply as a plain variable while another thread may write it, or
// the other way round.
//
// A relaxed atomic is what it is: aligned words of up to 8 bytes are read and written whole on amd64 and arm64. But
// compilers keep every atomic access an instruction of its own, never the operand of a comparison or an addition, which
// cost malloc and free 6 instructions together and 5 to 13 % in bench/pair, bulk and churn. So the fast path's accesses
// (get, set, add) are plain ones; each is used once per call, so there is nothing for a compiler to read again.
// Everybody else uses load and store, which are relaxed atomics. Under ThreadSanitizer all are.
//
// But for publish and observe it orders nothing: see the places that use it for what makes a value read here
// meaningful.
#pragma once

#include "base/config.h"
#include "base/hints.h"

#include <atomic>

namespace fastalloc
{

template <typename Value>
class Word
{
public:
    constexpr Word() = default;
    explicit constexpr Word(Value value) : value_(value)
    {
    }
    Word(const Word &) = delete;
    Word &operator=(const Word &) = delete;

    // The fast path.
    FASTALLOC_INLINE Value get() const
    {
        if constexpr (thread_sanitizer)
            return load();
        else
            return value_;
    }

    FASTALLOC_INLINE void set(Value value)
    {
        if constexpr (thread_sanitizer)
            store(value);
        else
            value_ = value;
    }

    FASTALLOC_INLINE void add(Value value)
    {
        if constexpr (thread_sanitizer)
            store(load() + value);
        else
            value_ += value;
    }

    // Everybody else.
    Value load() const
    {
        return __atomic_load_n(&value_, __ATOMIC_RELAXED);
    }

    void store(Value value)
    {
        __atomic_store_n(&value_, value, __ATOMIC_RELAXED);
    }

    // With release and acquire: who observes a value sees what its publisher wrote before.
    Value observe() const
    {
        return __atomic_load_n(&value_, __ATOMIC_ACQUIRE);
    }

    void publish(Value value)
    {
        __atomic_store_n(&value_, value, __ATOMIC_RELEASE);
    }

private:
    static_assert(std::atomic<Value>::is_always_lock_free);
    Value value_ = Value{};
};

// A plain word that another thread may be writing to: a value it has had. For those who look at running threads from
// outside, and check what they find.
template <typename Value>
__attribute__((no_sanitize("thread"))) inline Value peek(const Value *place)
{
    return __atomic_load_n(place, __ATOMIC_ACQUIRE);
}

} // namespace fastalloc
