// SPDX-License-Identifier: MIT
//
// falling_limits.c - limits on addresses and data fall below what is in use while threads allocate, and rise again:
// `falling_limits [SEED [SECONDS]]`, longer where nothing was refused so far. Meanwhile an allocation succeeds or is NULL
// with ENOMEM and blocks keep what was written; when the limit has risen everything succeeds, and nothing is lost. The
// program starts itself for each limit: whether addresses are limited at the first allocation decides how the library
// reserves them.
#include <sys/resource.h>

#include "../support.h"

#include "../children.h"
#include "../parcel.h"

#include "storm.h"

enum
{
    workers = 3,
    held_by_each = 400,
    more_seconds = 30 // where nothing was refused so far
};

// ---- in the program that was started again -----------------------------------------------------------------------

// Which time it is that the limit is high and all must succeed, 0 while it is low.
static unsigned all_must_succeed;
static unsigned refused, served;

// `must`: all_must_succeed before the call. A thread that waited for a processor in between may have met a lower limit.
static void note(const void *block, unsigned must)
{
    __atomic_fetch_add(block ? &served : &refused, 1, __ATOMIC_RELAXED);
    if (block)
        return;
    require(errno == ENOMEM);
    require(must == 0 || must != __atomic_load_n(&all_must_succeed, __ATOMIC_ACQUIRE));
}

static size_t any_size(uint64_t *random)
{
    const unsigned kind = (unsigned)(next_random(random) % 64);
    return kind == 0 ? 33 * mib + next_random(random) % (8 * mib) : random_size(random, kind < 8 ? 22 : 15);
}

// A parcel of another size in place of `parcel`, if there is memory for it. Only the head of a large one is filled.
static struct parcel *resize(struct parcel *parcel, size_t bytes, uint64_t random)
{
    const unsigned must = __atomic_load_n(&all_must_succeed, __ATOMIC_ACQUIRE);
    require(parcel_is_whole(parcel));
    void *block = realloc(parcel, bytes);
    note(block, must);
    if (!block)
    {
        require(parcel_is_whole(parcel));
        return parcel;
    }
    return seal_parcel(block, bytes, random);
}

static void *work(void *argument)
{
    uint64_t random = seed_of_run ^ (uint64_t)(uintptr_t)argument << 32;
    struct parcel *held[held_by_each] = {NULL};
    while (!__atomic_load_n(&busy_stop, __ATOMIC_RELAXED))
    {
        struct parcel **slot = &held[next_random(&random) % held_by_each];
        const size_t size = any_size(&random) + sizeof(struct parcel);
        if (*slot && next_random(&random) % 4 == 0)
        {
            *slot = resize(*slot, size, random);
            continue;
        }
        open_parcel(*slot);
        const unsigned must = __atomic_load_n(&all_must_succeed, __ATOMIC_ACQUIRE);
        errno = 0;
        *slot = make_parcel(size, random);
        note(*slot, must);
    }
    for (size_t index = 0; index < held_by_each; index++)
        open_parcel(held[index]);
    return NULL;
}

// What the kernel counts against the limit.
static size_t counted_bytes(int resource)
{
    char text[128] = {0};
    unsigned long all = 0, data = 0;
    int file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (file >= 0 && read(file, text, sizeof text - 1) > 0)
        sscanf(text, "%lu %*u %*u %*u %*u %lu", &all, &data);
    close(file);
    return (resource == RLIMIT_AS ? all : data) * (size_t)sysconf(_SC_PAGESIZE);
}

static void set_limit(int resource, rlim_t bytes)
{
    struct rlimit limits;
    require(getrlimit((__rlimit_resource_t)resource, &limits) == 0);
    limits.rlim_cur = bytes;
    require(setrlimit((__rlimit_resource_t)resource, &limits) == 0);
}

// The limit begins at twice what is in use and falls to a quarter of it; then it is raised.
static void let_limit_fall(int resource, rlim_t raised)
{
    static unsigned times;
    const size_t in_use = counted_bytes(resource);
    for (size_t eighths = 16; eighths >= 2; eighths--)
    {
        set_limit(resource, in_use / 8 * eighths);
        sleep_milliseconds(3);
    }
    set_limit(resource, raised);
    __atomic_store_n(&all_must_succeed, ++times, __ATOMIC_RELEASE);
    sleep_milliseconds(20);
    __atomic_store_n(&all_must_succeed, 0, __ATOMIC_RELEASE);
}

static int is_over(double seconds)
{
    const int any_refused = __atomic_load_n(&refused, __ATOMIC_RELAXED) != 0;
    return requirements_unmet || seconds >= seconds_for_each + (any_refused ? 0 : more_seconds);
}

static int work_under(const char *what)
{
    const int resource = strcmp(what, "data") == 0 ? RLIMIT_DATA : RLIMIT_AS;
    struct rlimit limits;
    struct fastalloc_stats before, after;
    getrlimit((__rlimit_resource_t)resource, &limits);
    require(fastalloc_get_stats(&before, sizeof before) == 0);
    start_busy_threads(workers, work);
    const double begin = seconds_now();
    do
        let_limit_fall(resource, limits.rlim_cur);
    while (!is_over(seconds_now() - begin));
    stop_busy_threads();
    require_whole_heap();
    require(fastalloc_get_stats(&after, sizeof after) == 0);
    require(growth(before.live_bytes, after.live_bytes) <= 256 * kib);
    require(after.outside_blocks == 0 && after.outside_bytes == 0);
    fprintf(stderr, "# %u served, %u refused\n", served, refused);
    require(served > 100);
    require(refused > 0);
    return requirements_unmet ? 1 : 0;
}

// ---- the tests ---------------------------------------------------------------------------------------------------

static void allow_8_gib_of_addresses(void)
{
    struct rlimit limits;
    getrlimit(RLIMIT_AS, &limits);
    limits.rlim_cur = 8 * gib;
    setrlimit(RLIMIT_AS, &limits);
}

static void assert_survives(const char *what, void (*prepare)(void))
{
    struct finished_program finished;
    char seed[32], seconds[32];
    snprintf(seed, sizeof seed, "%ju", (uintmax_t)seed_of_run);
    snprintf(seconds, sizeof seconds, "%g", seconds_for_each);
    char *const arguments[] = {own_path, seed, seconds, (char *)what, NULL};
    run_program(&finished, arguments, prepare, (unsigned)seconds_for_each + 60);
    assert_succeeded(&finished);
    print_message("%s", finished.errors);
}

static void addresses_limited_from_the_start_may_fall(void **state)
{
    (void)state;
    assert_survives("addresses", allow_8_gib_of_addresses);
}

static void addresses_may_be_limited_later(void **state)
{
    (void)state;
    assert_survives("addresses", NULL);
}

static void the_limit_of_data_may_fall(void **state)
{
    (void)state;
    assert_survives("data", NULL);
}

int main(int count, char **arguments)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_limited_from_the_start_may_fall),
        cmocka_unit_test(addresses_may_be_limited_later),
        cmocka_unit_test(the_limit_of_data_may_fall),
    };
    begin_storm(count, arguments, count > 3 ? 1 : sizeof tests / sizeof *tests);
    if (count > 3)
        return work_under(arguments[3]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
