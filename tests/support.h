// SPDX-License-Identifier: MIT
//
// support.h - what the tests of the built library share. Include it last: it ends with cmocka.h, whose macros disturb
// other headers. Works in C11 and C++20.
//
// A program is built in one of three arms. linked: against libfastalloc.so. preloaded: not linked with it, started with
// LD_PRELOAD; FASTALLOC_TEST_PRELOADED is defined and the library's own names are weak. static: with libfastalloc.a and
// -static; <cmocka.h> is then tests/standin/cmocka.h.
//
// cmocka's assertions leave the test by longjmp, so only the thread that runs the test may use them. Other threads and
// forked children use require(), which counts; the test ends with assert_requirements_met().
#ifndef TESTS_SUPPORT_H
#define TESTS_SUPPORT_H

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <fastalloc.h>

#ifdef FASTALLOC_TEST_PRELOADED
#include "weak_names.h"
#endif

#ifdef __cplusplus
extern "C" {
#endif
#include <cmocka.h>

// ISO C23; the C library of this system may not declare them.
void free_sized(void *block, size_t size) FASTALLOC_NOEXCEPT;
void free_aligned_sized(void *block, size_t alignment, size_t size) FASTALLOC_NOEXCEPT;

// The first members of the library's root record. Weak, so that it is read where the library has it: no copy of it is
// placed in the program.
struct root_prefix
{
    uint64_t magic;
    uint64_t layout_version;
    uint64_t window_base;
    uint64_t window_bytes;
};
extern const struct root_prefix fastalloc_root_prefix __asm__("fastalloc_root") __attribute__((weak));
#ifdef __cplusplus
}
#endif

// Whether blocks come from the library's own heap, and not, under Valgrind, from the tool's: what a claim says of memory
// holds for the first only.
static inline int heap_is_ours(void)
{
    return fastalloc_root_prefix.window_bytes != 0;
}

static const size_t kib = (size_t)1 << 10;
static const size_t mib = (size_t)1 << 20;
static const size_t gib = (size_t)1 << 30;

// ---- requirements of threads and children ------------------------------------------------------------------------

static int requirements_unmet;

static inline void note_requirement(int met, const char *claim, const char *file, int line)
{
    if (met || __atomic_fetch_add(&requirements_unmet, 1, __ATOMIC_RELAXED) >= 10)
        return;
    char text[512];
    int bytes = snprintf(text, sizeof text, "%s:%d: not so: %s\n", file, line, claim);
    if (write(STDERR_FILENO, text, (size_t)bytes) != bytes)
        return;
}

#define require(condition) note_requirement((condition) ? 1 : 0, #condition, __FILE__, __LINE__)

// Ends a test whose threads used require().
static inline void assert_requirements_met(void)
{
    assert_int_equal(__atomic_exchange_n(&requirements_unmet, 0, __ATOMIC_RELAXED), 0);
}

// ---- values the compiler cannot see through ----------------------------------------------------------------------

static inline size_t opaque_size(size_t size)
{
    __asm__ volatile("" : "+r"(size));
    return size;
}

static inline void *opaque_block(void *block)
{
    __asm__ volatile("" : "+r"(block) : : "memory");
    return block;
}

// ---- random numbers: splitmix64, one state per thread ------------------------------------------------------------

static inline uint64_t next_random(uint64_t *state)
{
    uint64_t word = *state += 0x9e3779b97f4a7c15u;
    word = (word ^ (word >> 30)) * 0xbf58476d1ce4e5b9u;
    word = (word ^ (word >> 27)) * 0x94d049bb133111ebu;
    return word ^ (word >> 31);
}

// 1 to 2^max_shift, each doubling equally often.
static inline size_t random_size(uint64_t *state, unsigned max_shift)
{
    uint64_t word = next_random(state);
    size_t top = (size_t)1 << ((word >> 48) % max_shift);
    return top + (word & (top - 1)) + 1;
}

// ---- filled blocks -----------------------------------------------------------------------------------------------

// Word `index` of the pattern of `seed`. Blocks of different seeds differ in every word.
static inline uint64_t pattern_word(uint64_t seed, size_t index)
{
    return (seed + index) * 0x9e3779b97f4a7c15u;
}

static inline void fill_block(void *block, size_t bytes, uint64_t seed)
{
    unsigned char *to = (unsigned char *)block;
    size_t index = 0;
    for (; (index + 1) * 8 <= bytes; index++)
    {
        uint64_t word = pattern_word(seed, index);
        memcpy(to + index * 8, &word, 8);
    }
    uint64_t word = pattern_word(seed, index);
    memcpy(to + index * 8, &word, bytes % 8);
}

static inline int block_is_filled(const void *block, size_t bytes, uint64_t seed)
{
    const unsigned char *from = (const unsigned char *)block;
    size_t index = 0;
    uint64_t difference = 0;
    for (; (index + 1) * 8 <= bytes; index++)
    {
        uint64_t word;
        memcpy(&word, from + index * 8, 8);
        difference |= word ^ pattern_word(seed, index);
    }
    uint64_t word = pattern_word(seed, index);
    return difference == 0 && memcmp(from + index * 8, &word, bytes % 8) == 0;
}

// As above for blocks too big to fill: one word at the start of every 16 KiB, and the last byte.
static inline void stamp_block(void *block, size_t bytes, uint64_t seed)
{
    unsigned char *to = (unsigned char *)block;
    for (size_t at = 0; at + 8 <= bytes; at += 16 * kib)
    {
        uint64_t word = pattern_word(seed, at);
        memcpy(to + at, &word, 8);
    }
    to[bytes - 1] = (unsigned char)seed;
}

// Whether the first `bytes` of a block that stamp_block() stamped are whole; its last byte is not looked at.
static inline int block_is_stamped(const void *block, size_t bytes, uint64_t seed)
{
    const unsigned char *from = (const unsigned char *)block;
    uint64_t difference = 0;
    for (size_t at = 0; at + 8 <= bytes; at += 16 * kib)
    {
        uint64_t word;
        memcpy(&word, from + at, 8);
        difference |= word ^ pattern_word(seed, at);
    }
    return difference == 0;
}

static inline int block_is_zero(const void *block, size_t bytes)
{
    const unsigned char *from = (const unsigned char *)block;
    return bytes == 0 || (from[0] == 0 && memcmp(from, from + 1, bytes - 1) == 0);
}

static inline int is_aligned(const void *block, size_t alignment)
{
    return (uintptr_t)block % alignment == 0;
}

// What malloc owes to a block of this size.
static inline size_t alignment_due(size_t size)
{
    return size <= 8 ? 8 : 16;
}

// ---- the process and the allocator -------------------------------------------------------------------------------

// Resident bytes of this process, read without allocating; 0 where the environment says that they are not to be judged.
static inline size_t resident_bytes(void)
{
    const char *judged = getenv("FASTALLOC_TESTS_JUDGE_MEMORY");
    if (judged && strcmp(judged, "no") == 0)
        return 0;
    char text[128] = {0};
    unsigned long pages = 0, resident = 0;
    int file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (file >= 0 && read(file, text, sizeof text - 1) > 0)
        sscanf(text, "%lu %lu", &pages, &resident);
    close(file);
    return resident * (size_t)sysconf(_SC_PAGESIZE);
}

static inline struct fastalloc_stats stats_now(void)
{
    struct fastalloc_stats stats;
    memset(&stats, 0xff, sizeof stats);
    assert_int_equal(fastalloc_get_stats(&stats, sizeof stats), 0);
    return stats;
}

static inline void assert_heap_is_whole(void)
{
    char message[256] = "";
    if (fastalloc_check_heap(message, sizeof message) != 0)
        fail_msg("fastalloc_check_heap: %s", message);
}

// The same for threads and children.
static inline void require_whole_heap(void)
{
    char message[256] = "";
    require(fastalloc_check_heap(message, sizeof message) == 0);
    if (message[0])
        fprintf(stderr, "# fastalloc_check_heap: %s\n", message);
}

// Bytes by which `now` exceeds `before`; 0 if it does not.
static inline uint64_t growth(uint64_t before, uint64_t now)
{
    return now > before ? now - before : 0;
}

static inline void sleep_milliseconds(long milliseconds)
{
    struct timespec wait = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    nanosleep(&wait, NULL);
}

static inline pthread_t start_thread(void *(*body)(void *), void *argument)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, body, argument), 0);
    return thread;
}

static inline void join_thread(pthread_t thread)
{
    assert_int_equal(pthread_join(thread, NULL), 0);
}

#endif // TESTS_SUPPORT_H
