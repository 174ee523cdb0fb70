// SPDX-License-Identifier: MIT
//
// bench.h - what every benchmark program shares: clock, random numbers, options, blocks, the report
//
// Each program is one workload. It calls malloc, free and realloc through the dynamic linker and links no allocator,
// so one and the same binary measures whatever LD_PRELOAD names, and glibc without it. A program takes its options
// as name=value, does an untimed warm-up unless its head says otherwise, times one loop and prints one line of key=value words.
//
// Everything is static inline and owned by nobody; stdio is used only before and after the time. The programs' own
// arrays come from bench_array (mmap), so that the allocator under test serves the workload and nothing else.
#ifndef BENCH_H
#define BENCH_H

#include "contention.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

// ---- failure ----

// One line on standard error, then exit 1. No benchmark goes on after an error: its figure would be worthless.
__attribute__((format(printf, 1, 2), noreturn, cold)) static inline void bench_fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

// ---- random numbers ----

// xorshift64* (Vigna 2014): three shifts and a multiply, so that it stays small beside an allocation. The state must
// not be 0; programs start from BENCH_SEED (plus a thread's number), so every arm sees the same sequence.
#define BENCH_SEED UINT64_C(0x9e3779b97f4a7c15)

static inline uint64_t bench_random(uint64_t *state)
{
    uint64_t x = *state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return x * UINT64_C(2685821657736338717);
}

// An index below count, which must be below 2^32. Uses bits 32-63 of the random number.
static inline size_t bench_pick(uint64_t random, size_t count)
{
    return (size_t)(((random >> 32) * count) >> 32);
}

// Sizes of blocks, from bits 14-31 of the random number: by table, because a branch on a random number would cost
// more than many an allocation. Of 16 blocks 10 have 8-135 bytes, 4 have 128-1151 bytes, 2 have 1-17 KiB.
static inline size_t bench_mixed_size(uint64_t random)
{
    static const struct
    {
        uint16_t base_bytes, mask_bytes;
    } kinds[16] = {{8, 127},    {8, 127},    {8, 127},      {8, 127},     {8, 127},    {8, 127},
                   {8, 127},    {8, 127},    {8, 127},      {8, 127},     {128, 1023}, {128, 1023},
                   {128, 1023}, {128, 1023}, {1024, 16383}, {1024, 16383}};
    const unsigned kind = (random >> 28) & 15;
    return kinds[kind].base_bytes + ((random >> 14) & kinds[kind].mask_bytes);
}

// The same without the blocks above 1151 bytes: 12 of 16 have 8-135 bytes, 4 have 128-1151 bytes.
static inline size_t bench_small_size(uint64_t random)
{
    const uint64_t offset = random >> 14;
    const uint64_t is_larger = ((random >> 28) & 3) == 0;
    return 8 + 120 * is_larger + (offset & (127 + 896 * is_larger));
}

// ---- blocks ----

// Keeps the compiler from seeing that a block is freed unused, or what is in it.
static inline void bench_escape(void *block)
{
    __asm__ volatile("" : : "r"(block) : "memory");
}

static inline void *bench_allocate(size_t bytes)
{
    void *block = malloc(bytes);
    if (__builtin_expect(block == NULL, 0))
        bench_fail("malloc(%zu) returned NULL", bytes);
    bench_escape(block);
    return block;
}

static inline void *bench_resize(void *block, size_t bytes)
{
    void *moved = realloc(block, bytes);
    if (__builtin_expect(moved == NULL, 0))
        bench_fail("realloc to %zu returned NULL", bytes);
    bench_escape(moved);
    return moved;
}

// Writes the first `bytes` bytes, the way a program would that fills its block.
static inline void bench_touch(void *block, size_t bytes)
{
    if (bytes != 0)
        memset(block, 0x5a, bytes);
    bench_escape(block);
}

static size_t bench_own_bytes; // of all arrays there were; atomic and relaxed, a figure

// An array of `count` zeroed elements outside the allocator under test.
static inline void *bench_array(size_t count, size_t element_bytes)
{
    __atomic_fetch_add(&bench_own_bytes, count * element_bytes, __ATOMIC_RELAXED);
    void *array = mmap(NULL, count * element_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (array == MAP_FAILED)
        bench_fail("mmap of %zu bytes: %s", count * element_bytes, strerror(errno));
    return array;
}

static inline size_t bench_smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

// ---- clock ----

// Two clocks: wall_ns is what a user waits, cpu_ns (all threads of the process) is steadier on a busy machine.
struct bench_time
{
    uint64_t wall_ns;
    uint64_t cpu_ns;
};

static inline uint64_t bench_clock_ns(clockid_t clock)
{
    struct timespec now;
    if (clock_gettime(clock, &now) != 0)
        bench_fail("clock_gettime: %s", strerror(errno));
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static inline uint64_t bench_timeval_ns(struct timeval time)
{
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_usec * 1000;
}

static inline struct bench_time bench_now(void)
{
    return (struct bench_time){bench_clock_ns(CLOCK_MONOTONIC), bench_clock_ns(CLOCK_PROCESS_CPUTIME_ID)};
}

static inline struct bench_time bench_since(struct bench_time start)
{
    const struct bench_time now = bench_now();
    return (struct bench_time){now.wall_ns - start.wall_ns, now.cpu_ns - start.cpu_ns};
}

// ---- options ----

struct bench_option
{
    const char *name;         // given as name=value
    uint64_t value;           // the default; bench_parse replaces it. For words: the index of the word
    const char *const *words; // NULL for a number, else the words it may be, ended by NULL
};

static inline int bench_is_named(const struct bench_option *option, const char *text, size_t length)
{
    return strlen(option->name) == length && strncmp(option->name, text, length) == 0;
}

static inline void bench_parse(int argc, char **argv, struct bench_option *options, size_t count)
{
    for (int i = 1; i < argc; ++i)
    {
        const char *text = strchr(argv[i], '=');
        size_t o = 0;
        while (text != NULL && o < count && !bench_is_named(&options[o], argv[i], (size_t)(text - argv[i])))
            ++o;
        if (text == NULL || o == count)
        {
            fprintf(stderr, "%s: \"%s\" is no option. Options:", argv[0], argv[i]);
            for (o = 0; o < count; ++o)
                fprintf(stderr, " %s=", options[o].name);
            bench_fail(" ");
        }
        ++text;
        char *end = NULL;
        if (options[o].words == NULL)
        {
            options[o].value = strtoull(text, &end, 10);
            if (*text == 0 || *end != 0)
                bench_fail("%s: %s is no number", argv[0], argv[i]);
            continue;
        }
        uint64_t word = 0;
        while (options[o].words[word] != NULL && strcmp(options[o].words[word], text) != 0)
            ++word;
        if (options[o].words[word] == NULL)
            bench_fail("%s: unknown word in %s", argv[0], argv[i]);
        options[o].value = word;
    }
}

// ---- the timed part ----

static struct contention bench_at_start;
static struct contention bench_contention; // of all timed parts since the last report

// What the allocator tells is read outside the time. The reading takes locks itself, so it is done twice: the second
// less the first is what one costs.
static inline struct bench_time bench_start(void)
{
    const struct contention before = contention_now();
    bench_at_start = contention_now();
    bench_at_start.lock_waits += bench_at_start.lock_waits - before.lock_waits;
    bench_at_start.shared_writes += bench_at_start.shared_writes - before.shared_writes;
    return bench_now();
}

static inline uint64_t bench_beyond(uint64_t now, uint64_t start)
{
    return now > start ? now - start : 0;
}

static inline struct bench_time bench_stop(struct bench_time start)
{
    const struct bench_time elapsed = bench_since(start);
    const struct contention now = contention_now();
    bench_contention.is_told = now.is_told;
    bench_contention.lock_waits += bench_beyond(now.lock_waits, bench_at_start.lock_waits);
    bench_contention.shared_writes += bench_beyond(now.shared_writes, bench_at_start.shared_writes);
    return elapsed;
}

// ---- report ----

static char bench_told[2048]; // what bench_tell was given, for bench_report

// The number behind `key` in a text of /proc; 0 where it is not there.
static inline uint64_t bench_kib_of(const char *text, const char *key)
{
    const char *line = strstr(text, key);
    return line == NULL ? 0 : strtoull(line + strlen(key), NULL, 10);
}

// A line of /proc/self/status in KiB, such as "VmRSS:" (resident now) or "VmHWM:" (the most so far).
static inline uint64_t bench_status_kib(const char *key)
{
    char text[4096];
    const int file = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    const ssize_t length = file < 0 ? -1 : read(file, text, sizeof text - 1);
    if (length <= 0)
        bench_fail("/proc/self/status: %s", strerror(errno));
    close(file);
    text[length] = 0;
    return bench_kib_of(text, key);
}

// A further word of the report: NAME=value, or NAME_PART=value where there is a part.
static inline void bench_tell_part(const char *name, const char *part, double value)
{
    const size_t used = strlen(bench_told);
    const size_t room = sizeof bench_told - used;
    const int length = snprintf(bench_told + used, room, " %s%s%s=%.6g", name, *part == 0 ? "" : "_", part, value);
    if (length < 0 || (size_t)length >= room)
        bench_fail("too much to tell: %s", name);
}

static inline void bench_tell(const char *name, double value)
{
    bench_tell_part(name, "", value);
}

// A line of what was measured; most programs print one. malloc_from is the file malloc really came from: the proof that a preload took effect.
// `rss_kib` is taken here: call it while the workload's live blocks are still there.
static inline void bench_report(const char *program, const struct bench_option *options, size_t count,
                                uint64_t operations, struct bench_time elapsed)
{
    const uint64_t rss_kib = bench_status_kib("VmRSS:");
    Dl_info origin = {0};
    void *address = dlsym(RTLD_DEFAULT, "malloc");
    if (address == NULL || dladdr(address, &origin) == 0)
        bench_fail("cannot tell where malloc comes from");
    printf("%s", program);
    for (size_t o = 0; o < count; ++o)
        if (options[o].words != NULL)
            printf(" %s=%s", options[o].name, options[o].words[options[o].value]);
        else
            printf(" %s=%" PRIu64, options[o].name, options[o].value);
    printf(" timed=%" PRIu64 " ns_per_op=%.4f cpu_ns_per_op=%.4f rss_kib=%" PRIu64, operations,
           (double)elapsed.wall_ns / (double)operations, (double)elapsed.cpu_ns / (double)operations, rss_kib);
    if (bench_contention.is_told)
        printf(" lock_waits_per_1000=%.4f shared_writes_per_1000=%.4f",
               1000.0 * (double)bench_contention.lock_waits / (double)operations,
               1000.0 * (double)bench_contention.shared_writes / (double)operations);
    printf(" own_kib=%zu%s malloc_from=%s\n", bench_own_bytes / 1024, bench_told, origin.dli_fname);
    bench_contention = (struct contention){0};
    bench_told[0] = 0;
}

#endif
