// SPDX-License-Identifier: MIT
//
// latency.h - how long single calls take: the cycle counter, and a histogram that keeps every call
//
// A histogram counts in buckets: values below 64 one by one, above that 32 buckets per power of two, so a percentile
// is at most 3 % above the true value. Count and maximum are exact. One histogram has one writer; histograms of
// several threads are added up when the threads have ended.
//
// Reading the counter twice takes time itself, some 20 ns: latency_overhead measures it, and latency_tell takes it off.
#ifndef LATENCY_H
#define LATENCY_H

#include "bench.h"

enum
{
    LATENCY_STEP_SHIFT = 5, // 32 buckets per power of two
    LATENCY_EXACT = 2 << LATENCY_STEP_SHIFT,
    LATENCY_BUCKETS = (65 - LATENCY_STEP_SHIFT) << LATENCY_STEP_SHIFT
};

struct latency_histogram
{
    uint64_t count;
    uint64_t largest;
    uint64_t buckets[LATENCY_BUCKETS];
};

// ---- the counter ----

// Nothing after a reading starts before it, and nothing before it ends after it.
static inline uint64_t latency_now(void)
{
#if defined(__x86_64__)
    __builtin_ia32_lfence();
    const uint64_t ticks = __builtin_ia32_rdtsc();
    __builtin_ia32_lfence();
    return ticks;
#elif defined(__aarch64__)
    uint64_t ticks;
    __asm__ volatile("isb\n\tmrs %0, cntvct_el0\n\tisb" : "=r"(ticks) : : "memory");
    return ticks;
#else
    return bench_clock_ns(CLOCK_MONOTONIC);
#endif
}

// The least that two readings one after the other differ by.
static inline uint64_t latency_overhead(void)
{
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < 1000; ++i)
    {
        const uint64_t begin = latency_now();
        const uint64_t ticks = latency_now() - begin;
        least = ticks < least ? ticks : least;
    }
    return least;
}

// Ticks per nanosecond, by 20 ms of the clock.
static inline double latency_ticks_per_ns(void)
{
    const uint64_t begin_ns = bench_clock_ns(CLOCK_MONOTONIC);
    const uint64_t begin = latency_now();
    uint64_t now_ns;
    do
        now_ns = bench_clock_ns(CLOCK_MONOTONIC);
    while (now_ns - begin_ns < 20000000);
    return (double)(latency_now() - begin) / (double)(now_ns - begin_ns);
}

// ---- the histogram ----

static inline size_t latency_bucket(uint64_t value)
{
    if (value < LATENCY_EXACT)
        return (size_t)value;
    const unsigned shift = 63 - (unsigned)__builtin_clzll(value) - LATENCY_STEP_SHIFT;
    return ((size_t)shift << LATENCY_STEP_SHIFT) + (size_t)(value >> shift);
}

// The largest value that is counted there.
static inline uint64_t latency_bucket_end(size_t bucket)
{
    if (bucket < LATENCY_EXACT)
        return bucket;
    const unsigned shift = (unsigned)(bucket >> LATENCY_STEP_SHIFT) - 1;
    const uint64_t top = bucket - ((size_t)shift << LATENCY_STEP_SHIFT);
    return ((top + 1) << shift) - 1;
}

static inline void latency_record(struct latency_histogram *histogram, uint64_t value)
{
    ++histogram->count;
    if (value > histogram->largest)
        histogram->largest = value;
    ++histogram->buckets[latency_bucket(value)];
}

static inline void latency_add(struct latency_histogram *sum, const struct latency_histogram *other)
{
    sum->count += other->count;
    if (other->largest > sum->largest)
        sum->largest = other->largest;
    for (size_t b = 0; b < LATENCY_BUCKETS; ++b)
        sum->buckets[b] += other->buckets[b];
}

// The value that `per_10000` of 10 000 recorded values do not exceed, to the bucket's end; 0 where there are none.
static inline uint64_t latency_percentile(const struct latency_histogram *histogram, uint64_t per_10000)
{
    const uint64_t rank = (histogram->count * per_10000 + 9999) / 10000;
    uint64_t seen = 0;
    for (size_t b = 0; b < LATENCY_BUCKETS; ++b)
    {
        seen += histogram->buckets[b];
        if (seen >= rank && seen != 0)
            return latency_bucket_end(b) < histogram->largest ? latency_bucket_end(b) : histogram->largest;
    }
    return 0;
}

// ---- the report ----

struct latency_scale
{
    double ticks_per_ns;
    uint64_t overhead_ticks;
};

static inline struct latency_scale latency_calibrate(void)
{
    return (struct latency_scale){latency_ticks_per_ns(), latency_overhead()};
}

// Tells NAME_count, NAME_p50_ns, _p99_ns, _p999_ns, _p9999_ns and _max_ns. Tells nothing where nothing was recorded.
static inline void latency_tell(const char *name, const struct latency_histogram *histogram, struct latency_scale scale)
{
    static const struct
    {
        const char *name;
        uint64_t per_10000;
    } told[] = {{"p50_ns", 5000}, {"p99_ns", 9900}, {"p999_ns", 9990}, {"p9999_ns", 9999}, {"max_ns", 10000}};
    if (histogram->count == 0)
        return;
    bench_tell_part(name, "count", (double)histogram->count);
    for (size_t i = 0; i < sizeof told / sizeof told[0]; ++i)
    {
        const uint64_t ticks =
            told[i].per_10000 == 10000 ? histogram->largest : latency_percentile(histogram, told[i].per_10000);
        const uint64_t net = ticks > scale.overhead_ticks ? ticks - scale.overhead_ticks : 0;
        bench_tell_part(name, told[i].name, (double)net / scale.ticks_per_ns);
    }
}

#endif
