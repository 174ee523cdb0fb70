// SPDX-License-Identifier: MIT
//
// memory_events.c - what an observer is told was taken and returned adds up to what is held, in every kind of memory, and
// purges are told; threads may take and return memory while one of them tells.
#include <stdatomic.h>

#include "../support.h"

static atomic_llong held_more;
static atomic_int purges, pieces;

static uint64_t held_bytes(void)
{
    struct fastalloc_stats stats;
    return fastalloc_get_stats(&stats, sizeof stats) == 0 ? stats.held_bytes : 0;
}

static void on_taken(void *context, void *address, uint64_t bytes, int node)
{
    require(context == &held_more && bytes > 0 && node >= -1);
    require(!address || (uintptr_t)address % (size_t)sysconf(_SC_PAGESIZE) == 0);
    atomic_fetch_add(&held_more, (long long)bytes);
    atomic_fetch_add(&pieces, 1);
    free(malloc(3 * mib)); // an observer may
}

static void on_returned(void *context, void *address, uint64_t bytes)
{
    (void)address;
    require(context == &held_more && bytes > 0);
    atomic_fetch_sub(&held_more, (long long)bytes);
}

static void on_purged(void *context, uint64_t bytes)
{
    (void)bytes;
    require(context == &held_more);
    atomic_fetch_add(&purges, 1);
}

static const struct fastalloc_observer observer = {.size = sizeof observer,
                                                   .context = &held_more,
                                                   .memory_taken = on_taken,
                                                   .memory_returned = on_returned,
                                                   .purged = on_purged};

static void use_all_kinds(unsigned seed)
{
    enum
    {
        count = 40
    };
    static const size_t sizes[] = {100, 5000, 70000, 300000, 3000000, 9000000, 40000000};
    void *blocks[count] = {0};
    for (int turn = 0; turn < 400; turn++)
    {
        seed = seed * 1103515245 + 12345;
        const size_t place = seed >> 16 & 31;
        const size_t size = sizes[(seed >> 8) % (turn % 50 == 0 ? 7 : 6)];
        if (seed >> 24 & 1)
        {
            free(blocks[place]);
            blocks[place] = malloc(size);
        }
        else
        {
            void *resized = realloc(blocks[place], size);
            require(resized != NULL);
            blocks[place] = resized;
        }
    }
    for (int place = 0; place < count; place++)
        free(blocks[place]);
}

// Nothing is waiting to be told afterwards.
static long long told(void)
{
    fastalloc_purge();
    return atomic_load(&held_more);
}

static void what_is_told_adds_up_to_what_is_held(void **state)
{
    (void)state;
    fastalloc_purge();
    const uint64_t before = held_bytes();
    assert_int_equal(fastalloc_observe(&observer), 0);
    use_all_kinds(1);
    void *kept = malloc(50000000);
    void *chunks = malloc(7000000);
    const long long more = told();
    assert_int_equal((long long)held_bytes() - (long long)before, more);
    assert_true(more >= 57000000);
    free(kept);
    free(chunks);
    const long long after = told();
    assert_int_equal((long long)held_bytes() - (long long)before, after);
    assert_true(after < 57000000);
    assert_true(atomic_load(&purges) >= 2);
    assert_int_equal(fastalloc_observe(NULL), 0);
    assert_requirements_met();
}

static void *use_in_a_thread(void *seed)
{
    use_all_kinds((unsigned)(uintptr_t)seed);
    return NULL;
}

static void what_threads_do_adds_up_too(void **state)
{
    (void)state;
    pthread_t crew[4];
    fastalloc_purge();
    const uint64_t before = held_bytes();
    atomic_store(&held_more, 0);
    assert_int_equal(fastalloc_observe(&observer), 0);
    for (uintptr_t number = 0; number < 4; number++)
        assert_int_equal(pthread_create(&crew[number], NULL, use_in_a_thread, (void *)(number + 3)), 0);
    for (int number = 0; number < 4; number++)
        pthread_join(crew[number], NULL);
    const long long more = told();
    assert_int_equal((long long)held_bytes() - (long long)before, more);
    assert_int_equal(fastalloc_observe(NULL), 0);
    assert_requirements_met();
}

static void nobody_is_told_when_the_observer_has_gone(void **state)
{
    (void)state;
    const int before = atomic_load(&pieces);
    use_all_kinds(9);
    fastalloc_purge();
    assert_int_equal(atomic_load(&pieces), before);
}

// ---- whose addresses they are ------------------------------------------------------------------------------

// The chunks that were told as taken, and not as returned since.
enum
{
    told_limit = 1024
};
static uintptr_t told_chunks[told_limit];

static uintptr_t *entry_of(uintptr_t chunk)
{
    for (size_t entry = 0; entry < told_limit; entry++)
        if (told_chunks[entry] == chunk)
            return &told_chunks[entry];
    return NULL;
}

static int is_in_chunks(const void *address, uint64_t bytes)
{
    return (uintptr_t)address % (2 * mib) == 0 && bytes % (2 * mib) == 0;
}

static void enter_chunks(void *context, void *address, uint64_t bytes, int node)
{
    (void)context;
    (void)node;
    require(address && is_in_chunks(address, bytes));
    for (uint64_t done = 0; done < bytes; done += 2 * mib)
    {
        uintptr_t *none = entry_of(0);
        require(none && !entry_of((uintptr_t)address + done));
        if (none)
            *none = (uintptr_t)address + done;
    }
}

static void strike_chunks(void *context, void *address, uint64_t bytes)
{
    (void)context;
    require(address && is_in_chunks(address, bytes));
    for (uint64_t done = 0; done < bytes; done += 2 * mib)
    {
        uintptr_t *entry = entry_of((uintptr_t)address + done);
        require(entry != NULL);
        if (entry)
            *entry = 0;
    }
}

// Of the chunks of a block some keep their memory when it is freed, and are not taken anew with the next one.
static void chunks_are_returned_that_were_taken(void **state)
{
    (void)state;
    static const struct fastalloc_observer of_chunks = {
        .size = sizeof of_chunks, .memory_taken = enter_chunks, .memory_returned = strike_chunks};
    fastalloc_purge();
    assert_int_equal(fastalloc_observe(&of_chunks), 0);
    for (size_t written = 0; written <= 12; written += 3)
    {
        for (int turn = 0; turn < 2; turn++)
        {
            char *block = malloc(12 * mib);
            assert_non_null(block);
            memset(block, 1, written * mib);
            free(block);
        }
        char *grown = realloc(malloc(4 * mib), 10 * mib);
        assert_non_null(grown);
        free(grown);
        fastalloc_purge();
    }
    fastalloc_purge();
    assert_int_equal(fastalloc_observe(NULL), 0);
    assert_requirements_met();
}

// One that knows the first version's members only.
static void a_shorter_observer_is_taken(void **state)
{
    (void)state;
    const struct fastalloc_observer whole = observer;
    struct
    {
        size_t size;
        void *context;
        void (*soft_limit_passed)(void *, uint64_t, uint64_t);
        void *beyond[4];
    } shorter = {.size = 3 * sizeof(void *)};
    memset(shorter.beyond, 0xff, sizeof shorter.beyond);
    assert_int_equal(whole.size > shorter.size, 1);
    const struct fastalloc_observer *as_observer = (const void *)&shorter;
    assert_int_equal(fastalloc_observe(as_observer), 0);
    use_all_kinds(11);
    fastalloc_purge();
    assert_int_equal(fastalloc_observe(NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_are_returned_that_were_taken), // first: while nothing is known to be wanted again
        cmocka_unit_test(what_is_told_adds_up_to_what_is_held),      cmocka_unit_test(what_threads_do_adds_up_too),
        cmocka_unit_test(nobody_is_told_when_the_observer_has_gone), cmocka_unit_test(a_shorter_observer_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
