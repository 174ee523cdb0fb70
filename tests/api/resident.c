// SPDX-License-Identifier: MIT
//
// resident.c - what statistics call resident is what the kernel counts of our ranges in /proc/self/smaps, to 2 percent or
// 512 KiB: on a heap that was touched, when parts of it are free, after a purge, with threads that hold blocks; and what
// programs hold, what is idle and what is pinned explain it.
#include "../support.h"

enum
{
    small_count = 60000,
    other_count = 60
};

static void *smalls[small_count];
static size_t small_bytes[small_count];
static void *others[other_count];
static size_t other_bytes[other_count];

// ---- /proc/self/smaps ------------------------------------------------------------------------------------------------

static int is_ours(uint64_t begin, uint64_t end)
{
    const struct root_prefix *root = &fastalloc_root_prefix;
    const uint64_t tables = root->window_bytes / gib * 2 * mib;
    if (begin < root->window_base + root->window_bytes && end > root->window_base - tables)
        return 1;
    for (size_t index = 0; index < other_count; index++)
    {
        const uint64_t address = (uintptr_t)others[index];
        if (others[index] != NULL && other_bytes[index] > 32 * mib && address < end &&
            address + other_bytes[index] > begin)
            return 1;
    }
    return 0;
}

// Reads without allocating.
static uint64_t resident_by_kernel(void)
{
    static char text[1 << 20];
    size_t length = 0;
    ssize_t bytes;
    int file = open("/proc/self/smaps", O_RDONLY | O_CLOEXEC), ours = 0;
    uint64_t sum = 0;
    assert_true(file >= 0);
    while ((bytes = read(file, text + length, sizeof text - 1 - length)) > 0)
        length += (size_t)bytes;
    close(file);
    assert_true(length < sizeof text - 1);
    text[length] = 0;
    for (char *line = text, *rest; (rest = strchr(line, '\n')) != NULL; line = rest + 1)
    {
        unsigned long long from, to;
        *rest = 0;
        if (sscanf(line, "%llx-%llx ", &from, &to) == 2)
            ours = is_ours(from, to);
        else if (ours && sscanf(line, "Rss: %llu kB", &from) == 1)
            sum += from * kib;
    }
    return sum;
}

static struct fastalloc_stats assert_both_agree(void)
{
    const uint64_t kernels = resident_by_kernel();
    const struct fastalloc_stats stats = stats_now();
    const uint64_t apart = growth(kernels, stats.resident_bytes) + growth(stats.resident_bytes, kernels);
    print_message("# resident: %llu, smaps %llu, %llu apart\n", (unsigned long long)stats.resident_bytes,
                  (unsigned long long)kernels, (unsigned long long)apart);
    const uint64_t allowed = kernels / 50 > 512 * kib ? kernels / 50 : 512 * kib;
    assert_true(apart <= allowed);
    return stats;
}

// On a heap all blocks of which were touched.
static void assert_resident_is_explained(const struct fastalloc_stats *stats)
{
    const uint64_t used = stats->live_bytes + stats->metadata_resident_bytes;
    const uint64_t known = used + stats->cached_bytes + stats->inbox_bytes + stats->idle_bytes + stats->pinned_bytes +
                           stats->tail_bytes + stats->huge_unused_bytes;
    const uint64_t margin = known / 50 > 512 * kib ? known / 50 : 512 * kib;
    assert_true(stats->resident_bytes + margin >= used);
    assert_true(stats->resident_bytes <= known + margin);
}

// ---- the heap --------------------------------------------------------------------------------------------------------

static void allocate_and_touch(void)
{
    uint64_t random = 7;
    for (size_t index = 0; index < small_count; index++)
    {
        small_bytes[index] = random_size(&random, 12);
        require((smalls[index] = malloc(small_bytes[index])) != NULL);
        memset(smalls[index], 1, malloc_usable_size(smalls[index]));
    }
    for (size_t index = 0; index < other_count; index++)
    {
        other_bytes[index] = index == 7 ? 50 * mib : ((size_t)12 * kib << index % 9) + 100 * index;
        require((others[index] = malloc(other_bytes[index])) != NULL);
        memset(others[index], 1, malloc_usable_size(others[index]));
    }
    assert_requirements_met();
}

static void release_every(size_t step, size_t from)
{
    for (size_t index = from; index < small_count; index += step)
        free(smalls[index]);
    for (size_t index = from; index < other_count; index += step)
    {
        free(others[index]);
        others[index] = NULL;
    }
}

static void resident_is_what_the_kernel_counts(void **state)
{
    (void)state;
    assert_both_agree();
    allocate_and_touch();
    const struct fastalloc_stats held = assert_both_agree();
    assert_true(held.resident_bytes > 100 * mib);
    assert_resident_is_explained(&held);
    release_every(2, 0);
    const struct fastalloc_stats half = assert_both_agree();
    assert_resident_is_explained(&half);
    fastalloc_purge();
    const struct fastalloc_stats purged = assert_both_agree();
    assert_resident_is_explained(&purged);
    assert_true(purged.resident_bytes < held.resident_bytes);
    release_every(2, 1);
    fastalloc_purge();
    const struct fastalloc_stats empty = assert_both_agree();
    assert_true(empty.resident_bytes < 4 * mib);
}

static pthread_barrier_t steps;

static void *hold_touched_blocks(void *argument)
{
    (void)argument;
    enum
    {
        count = 2000
    };
    void *blocks[count];
    for (size_t index = 0; index < count; index++)
    {
        require((blocks[index] = malloc(index * 5 + 1)) != NULL);
        memset(blocks[index], 1, malloc_usable_size(blocks[index]));
    }
    pthread_barrier_wait(&steps);
    pthread_barrier_wait(&steps);
    for (size_t index = 0; index < count; index++)
        free(blocks[index]);
    return NULL;
}

static void resident_is_what_the_kernel_counts_of_threads(void **state)
{
    (void)state;
    pthread_t threads[3];
    pthread_barrier_init(&steps, NULL, 4);
    for (size_t number = 0; number < 3; number++)
        threads[number] = start_thread(hold_touched_blocks, NULL);
    pthread_barrier_wait(&steps);
    const struct fastalloc_stats held = assert_both_agree();
    assert_resident_is_explained(&held);
    pthread_barrier_wait(&steps);
    for (size_t number = 0; number < 3; number++)
        join_thread(threads[number]);
    assert_both_agree();
    pthread_barrier_destroy(&steps);
    assert_requirements_met();
}

// What was never touched is mapped and not resident.
static void what_was_never_touched_is_not_resident(void **state)
{
    (void)state;
    const struct fastalloc_stats before = stats_now();
    void *block = malloc(opaque_size(200 * mib));
    assert_non_null(block);
    const struct fastalloc_stats held = stats_now();
    assert_true(held.mapped_bytes >= before.mapped_bytes + 200 * mib);
    assert_true(held.resident_bytes < before.resident_bytes + mib);
    free(block);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resident_is_what_the_kernel_counts),
        cmocka_unit_test(resident_is_what_the_kernel_counts_of_threads),
        cmocka_unit_test(what_was_never_touched_is_not_resident),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
