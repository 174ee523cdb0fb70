// SPDX-License-Identifier: MIT
//
// refused_calls.c - the kernel says no to the n-th system call of a run, or to all from the n-th on, for every n that
// there is time for: `refused_calls [SEED [SECONDS]]`; the seed orders the n. Whatever fails, an allocation succeeds or
// is NULL with ENOMEM, blocks keep what was written, nothing is lost, and when calls succeed again so does everything.
//
// The run is a program of its own, this one with the argument "one of every kind" and the like: it does the same each time, with every kind of
// block, and its threads come one after the other on stacks of its own, so that all calls are the library's.
#include <sys/random.h>
#include <sys/resource.h>

#include "../support.h"

#include "../children.h"
#include "../filter.h"
#include "../tracer.h"

// ---- the run -----------------------------------------------------------------------------------------------------

enum
{
    slots = 40000,
    stack_bytes = 512 * 1024
};

struct held
{
    void *block;
    size_t size;
};

static struct held held[slots];
static size_t held_count;
static int must_succeed;

// Writes to a few places of a block, so that a run of large ones takes little time.
enum
{
    stamps = 8
};

static unsigned char stamp_of(size_t size)
{
    return (unsigned char)(size % 251 + 1);
}

static void stamp(void *block, size_t size)
{
    for (size_t index = 0; index <= stamps && size > 0; index++)
        ((unsigned char *)block)[(size - 1) / stamps * index] = stamp_of(size);
}

static int is_stamped(const void *block, size_t size)
{
    int same = 1;
    for (size_t index = 0; index <= stamps && size > 0; index++)
        same &= ((const unsigned char *)block)[(size - 1) / stamps * index] == stamp_of(size);
    return same;
}

// Notes a block, or that there was none.
static void hold(void *block, size_t size)
{
    if (!block)
    {
        require(errno == ENOMEM);
        require(!must_succeed);
        return;
    }
    stamp(block, size);
    require(held_count < slots);
    held[held_count++] = (struct held){block, size};
}

static void verify(const struct held *one)
{
    require(is_stamped(one->block, one->size));
    require(malloc_usable_size(one->block) >= one->size);
}

static void free_all(void)
{
    while (held_count > 0)
    {
        verify(&held[--held_count]);
        free(held[held_count].block);
    }
}

static void *allocate_in_thread(void *argument)
{
    const size_t base = (size_t)(uintptr_t)argument;
    errno = 0;
    for (size_t size = 16; size < 40000; size += size / 4 + base)
        hold(malloc(size), size);
    return NULL;
}

static void in_threads(void)
{
    static _Alignas(4096) char stack[stack_bytes];
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstack(&attributes, stack, sizeof stack);
    for (uintptr_t index = 1; index <= 3; index++)
    {
        pthread_t thread;
        if (pthread_create(&thread, &attributes, allocate_in_thread, (void *)(index * 16)) == 0)
            pthread_join(thread, NULL);
        else
            require(!must_succeed);
    }
}

static void grow(size_t from, size_t to, size_t step)
{
    struct held grown = {malloc(from), from};
    if (!grown.block)
    {
        hold(NULL, 0);
        return;
    }
    stamp(grown.block, from);
    for (size_t size = from + step; size <= to; size += step)
    {
        errno = 0;
        void *block = realloc(grown.block, size);
        verify(&(struct held){block ? block : grown.block, grown.size});
        if (!block)
        {
            require(errno == ENOMEM);
            require(!must_succeed);
            continue;
        }
        grown = (struct held){block, size};
        stamp(block, size);
    }
    for (size_t size = grown.size / 2; size > 100; size /= 3)
    {
        void *block = realloc(grown.block, size);
        if (!block)
            continue;
        grown.block = block;
        require(*(unsigned char *)block == stamp_of(grown.size));
        grown.size = size;
        stamp(block, size);
    }
    held[held_count++] = grown;
}

static void use_every_kind(void)
{
    errno = 0;
    for (size_t index = 0; index < 12000; index++) // more than the window's first steps
        hold(malloc(600), 600);
    for (size_t size = 100; size < 20 * mib; size += size / 2)
        hold(malloc(size), size);
    for (size_t size = 17000; size < 250000; size += 20000)
        hold(calloc(1, size), size);
    in_threads();
    hold(malloc(34 * mib), 34 * mib);
    hold(calloc(3, 12 * mib), 36 * mib);
    for (size_t index = 0; index < 3; index++)
        hold(aligned_alloc(4 * mib, 100000), 100000);
    grow(300 * kib, 50 * mib, 7 * mib);
    grow(35 * mib, 60 * mib, 8 * mib);
    malloc_trim(0);
}

// Enough outside blocks for their registry to grow.
static void use_many_mappings(void)
{
    errno = 0;
    for (size_t index = 0; index < 140; index++)
        hold(aligned_alloc(4 * mib, 100), 100);
}

static size_t address_bytes(void)
{
    char text[128] = {0};
    unsigned long pages = 0;
    int file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (file >= 0 && read(file, text, sizeof text - 1) > 0)
        sscanf(text, "%lu", &pages);
    close(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void require_nothing_is_lost(size_t resident, size_t addresses)
{
    struct fastalloc_stats stats;
    require_whole_heap();
    require(fastalloc_get_stats(&stats, sizeof stats) == 0);
    require(stats.outside_blocks == 0 && stats.outside_bytes == 0);
    require(stats.live_bytes < 256 * kib);
    // The memory of a block that munmap is refused for is given back, its addresses stay; a kernel that takes nothing
    // back at all keeps it.
    require(growth(resident, resident_bytes()) < 8 * mib);
    require(growth(addresses, address_bytes()) < 8 * mib);
}

// "one" of all calls is refused, or "all" from one on; the run holds blocks of "every kind" or "many" mappings.
static int work(const char *what)
{
    void (*const use)(void) = strstr(what, "many") ? use_many_mappings : use_every_kind;
    memset(held, 1, sizeof held); // resident from here on
    size_t resident = resident_bytes();
    mark(mark_begin);
    use();
    free_all();
    mark(mark_heal);
    if (strstr(what, "all"))
        resident = resident_bytes();
    must_succeed = 1;
    use();
    free_all();
    malloc_trim(0);
    const size_t addresses = address_bytes();
    use();
    free_all();
    malloc_trim(0);
    require_nothing_is_lost(resident, addresses);
    return requirements_unmet ? 1 : 0;
}

// ---- the refusals ------------------------------------------------------------------------------------------------

static uint64_t seed;
static double seconds_for_each = 2;

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void limit_addresses(void)
{
    struct rlimit limits = {4 * gib, 4 * gib};
    setrlimit(RLIMIT_AS, &limits);
}

// Runs with refusals that begin at each call, in an order that the seed gives, and last for one call or for all.
static void assert_survives(const char *mode, void (*prepare)(void))
{
    const int for_all = strstr(mode, "all") != NULL;
    struct refusals refusals = {0, 0, 0, 0};
    const int unharmed = trace(mode, &refusals, prepare, 60);
    if (unharmed == -1 || (WIFEXITED(unharmed) && WEXITSTATUS(unharmed) == 126))
    {
        print_message("# not tried: this system does not let a program be traced\n");
        return;
    }
    assert_int_equal(unharmed, 0);
    const unsigned calls = refusals.seen;
    assert_true(calls > 20);
    uint64_t random = seed;
    const double end = seconds_now() + seconds_for_each;
    unsigned tried = 0;
    // Steps of a stride without a common divisor with a prime above the number of calls come by every one.
    unsigned prime = calls + 1;
    for (unsigned divisor = 2; divisor * divisor <= prime; divisor++)
        if (prime % divisor == 0)
        {
            prime++;
            divisor = 1;
        }
    const unsigned stride = 1 + (unsigned)(next_random(&random) % (prime - 1));
    unsigned place = (unsigned)(next_random(&random) % prime);
    for (unsigned step = 0; step < prime && seconds_now() < end; step++)
    {
        place = (place + stride) % prime;
        if (place == 0 || place > calls)
            continue;
        refusals.first = place;
        refusals.last = for_all ? UINT32_MAX : place;
        const int status = trace(mode, &refusals, prepare, 60);
        tried++;
        if (status != 0)
            fail_msg("%s: %s refused as call %u%s: wait status 0x%x; seed %ju", mode,
                     name_of_call(refusals.refused_call), place, for_all ? " and all after it" : "", (unsigned)status,
                     (uintmax_t)seed);
    }
    print_message("# %u of %u calls refused\n", tried, calls);
}

static void any_one_call_may_fail(void **state)
{
    (void)state;
    assert_survives("one of every kind", NULL);
}

static void all_calls_may_fail_from_any_on(void **state)
{
    (void)state;
    assert_survives("all of every kind", NULL);
}

static void any_one_call_may_fail_where_addresses_are_limited(void **state)
{
    (void)state;
    assert_survives("one of every kind", limit_addresses);
}

static void all_calls_may_fail_where_addresses_are_limited(void **state)
{
    (void)state;
    assert_survives("all of every kind", limit_addresses);
}

static void any_one_call_may_fail_among_many_mappings(void **state)
{
    (void)state;
    assert_survives("one of many", NULL);
}

static void all_calls_may_fail_among_many_mappings(void **state)
{
    (void)state;
    assert_survives("all of many", NULL);
}

int main(int count, char **arguments)
{
    own_path = arguments[0];
    if (count > 1 && strstr(arguments[1], " of "))
        return work(arguments[1]);
    if (count > 1)
        seed = strtoull(arguments[1], NULL, 0);
    if (seed == 0 && getrandom(&seed, 4, 0) != 4)
        seed = (uint64_t)time(NULL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_one_call_may_fail),
        cmocka_unit_test(all_calls_may_fail_from_any_on),
        cmocka_unit_test(any_one_call_may_fail_where_addresses_are_limited),
        cmocka_unit_test(all_calls_may_fail_where_addresses_are_limited),
        cmocka_unit_test(any_one_call_may_fail_among_many_mappings),
        cmocka_unit_test(all_calls_may_fail_among_many_mappings),
    };
    if (count > 2)
        seconds_for_each = strtod(arguments[2], NULL) / (double)(sizeof tests / sizeof *tests);
    printf("# seed %ju\n", (uintmax_t)seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
