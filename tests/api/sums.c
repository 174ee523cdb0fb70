// SPDX-License-Identifier: MIT
//
// sums.c - figures of statistics that are sums of others are so exactly while the program is quiet, whatever it did
// before and however many threads it has: the whole by kind, by size, by arena and by node. Threads wait at barriers
// while figures are looked at.
#include "../support.h"

enum
{
    kept_small = 3000,
    kept_others = 24
};

static void *smalls[kept_small];
static void *others[kept_others];

// ---- what must be equal ------------------------------------------------------------------------------------------

static void assert_kinds_add_up(const struct fastalloc_stats *stats)
{
    assert_int_equal(stats->mapped_bytes, stats->live_bytes + stats->cached_bytes + stats->inbox_bytes +
                                              stats->free_in_spans_bytes + stats->tail_bytes + stats->free_slice_bytes +
                                              stats->slack_bytes + stats->unbacked_bytes + stats->lost_bytes +
                                              stats->metadata_bytes);
    assert_int_equal(stats->lost_bytes, 0);
    assert_true(stats->pinned_bytes <= stats->free_in_spans_bytes);
    assert_true(stats->resident_bytes <= stats->mapped_bytes);
    assert_true(stats->metadata_resident_bytes <= stats->metadata_bytes);
    assert_true(stats->peak_held_bytes >= stats->held_bytes && stats->live_at_peak_bytes <= stats->peak_held_bytes);
}

// Returns what the last two rows hold.
static uint64_t assert_classes_add_up(const struct fastalloc_stats *stats)
{
    struct fastalloc_class_stats row = {0}, all = {0}, last[2] = {{0}};
    unsigned rows = 0;
    for (; fastalloc_get_class_stats(rows, &row, sizeof row) == 0; rows++)
    {
        assert_int_equal(row.span_bytes,
                         row.live_bytes + row.cached_bytes + row.boxed_bytes + row.free_bytes + row.tail_bytes);
        all.live_bytes += row.live_bytes;
        all.cached_bytes += row.cached_bytes;
        all.boxed_bytes += row.boxed_bytes;
        all.free_bytes += row.free_bytes;
        all.pinned_bytes += row.pinned_bytes;
        all.tail_bytes += row.tail_bytes;
        last[0] = last[1];
        last[1] = row;
    }
    assert_int_equal(errno, EINVAL);
    assert_int_equal(rows, 58);
    assert_int_equal(all.live_bytes, stats->live_bytes);
    assert_int_equal(all.cached_bytes + all.boxed_bytes, stats->cached_bytes + stats->inbox_bytes);
    assert_int_equal(all.free_bytes, stats->free_in_spans_bytes);
    assert_int_equal(all.pinned_bytes, stats->pinned_bytes);
    assert_int_equal(all.tail_bytes, stats->tail_bytes);
    assert_int_equal(last[1].live_blocks, stats->outside_blocks);
    assert_int_equal(last[1].live_bytes, stats->outside_bytes);
    return last[0].live_bytes + last[1].live_bytes;
}

static void assert_arenas_add_up(const struct fastalloc_stats *stats, uint64_t in_no_arena)
{
    struct fastalloc_arena_stats row = {0}, all = {0};
    unsigned arenas = 0;
    for (; fastalloc_get_arena_stats(arenas, &row, sizeof row) == 0; arenas++)
    {
        all.live_bytes += row.live_bytes;
        all.attached += row.attached;
        all.cached_bytes += row.cached_bytes;
        all.outbox_bytes += row.outbox_bytes;
        all.inbox_bytes += row.inbox_bytes;
        all.remote_batches += row.remote_batches;
        all.remote_bytes += row.remote_bytes;
    }
    assert_int_equal(errno, EINVAL);
    assert_int_equal(arenas, stats->arenas);
    assert_int_equal(all.attached, stats->attached_threads);
    assert_int_equal(all.live_bytes + in_no_arena, stats->live_bytes);
    assert_int_equal(all.cached_bytes + all.outbox_bytes, stats->cached_bytes);
    assert_int_equal(all.inbox_bytes, stats->inbox_bytes);
    assert_int_equal(all.remote_batches, stats->remote_batches);
    assert_int_equal(all.remote_bytes, stats->remote_bytes);
}

static void assert_nodes_add_up(const struct fastalloc_stats *stats)
{
    struct fastalloc_node_stats row = {0}, all = {0};
    for (int node = -1; node < 64; node++)
    {
        assert_int_equal(fastalloc_get_node_stats(node, &row, sizeof row), 0);
        assert_int_equal(row.committed_bytes, row.live_bytes + row.cached_bytes + row.boxed_bytes +
                                                  row.free_in_spans_bytes + row.tail_bytes + row.free_slice_bytes +
                                                  row.slack_bytes + row.unbacked_bytes + row.lost_bytes +
                                                  row.arena_bytes);
        all.committed_bytes += row.committed_bytes;
        all.live_bytes += row.live_bytes;
        all.cached_bytes += row.cached_bytes + row.boxed_bytes;
        all.free_in_spans_bytes += row.free_in_spans_bytes;
        all.tail_bytes += row.tail_bytes;
        all.free_slice_bytes += row.free_slice_bytes;
        all.slack_bytes += row.slack_bytes;
        all.unbacked_bytes += row.unbacked_bytes;
        all.pinned_bytes += row.pinned_bytes;
        all.remote_bytes += row.remote_bytes;
        all.arena_bytes += row.arena_bytes;
    }
    assert_int_equal(all.committed_bytes, stats->committed_bytes);
    assert_int_equal(all.live_bytes + stats->outside_bytes, stats->live_bytes);
    assert_int_equal(all.cached_bytes, stats->cached_bytes + stats->inbox_bytes);
    assert_int_equal(all.free_in_spans_bytes, stats->free_in_spans_bytes);
    assert_int_equal(all.tail_bytes, stats->tail_bytes);
    assert_int_equal(all.free_slice_bytes, stats->free_slice_bytes);
    assert_int_equal(all.slack_bytes, stats->slack_bytes);
    assert_int_equal(all.unbacked_bytes, stats->unbacked_bytes);
    assert_int_equal(all.pinned_bytes, stats->pinned_bytes);
    assert_int_equal(all.remote_bytes, stats->remote_bytes);
    assert_int_equal(all.arena_bytes, stats->arenas * 64 * kib);
}

static struct fastalloc_stats assert_all_adds_up(void)
{
    const struct fastalloc_stats stats = stats_now();
    assert_kinds_add_up(&stats);
    assert_arenas_add_up(&stats, assert_classes_add_up(&stats));
    assert_nodes_add_up(&stats);
    return stats;
}

// ---- against the kernel --------------------------------------------------------------------------------------------

static int is_watched(void)
{
    const char *settings = getenv("FASTALLOC_CONF");
    return settings != NULL && strstr(settings, "check=on") != NULL;
}

// Writable bytes in the window and its tables, read without allocating.
static uint64_t writable_in_window(void)
{
    static char text[1 << 16];
    const struct root_prefix *root = &fastalloc_root_prefix;
    const uint64_t begin = root->window_base - root->window_bytes / gib * 2 * mib;
    const uint64_t end = root->window_base + root->window_bytes;
    size_t length = 0;
    ssize_t bytes;
    uint64_t sum = 0;
    int file = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    assert_true(file >= 0);
    while ((bytes = read(file, text + length, sizeof text - 1 - length)) > 0)
        length += (size_t)bytes;
    close(file);
    text[length] = 0;
    for (char *line = text, *rest; (rest = strchr(line, '\n')) != NULL; line = rest + 1)
    {
        unsigned long long from, to;
        char access[8];
        if (sscanf(line, "%llx-%llx %7s", &from, &to, access) == 3 && strncmp(access, "rw", 2) == 0 && from >= begin &&
            to <= end)
            sum += to - from;
    }
    return sum;
}

// The first test: later there is a registry of outside blocks, which lies elsewhere.
static void what_is_mapped_is_what_the_kernel_says(void **state)
{
    (void)state;
    for (size_t index = 0; index < kept_small; index++)
        assert_non_null(smalls[index] = malloc(20 * kib));
    const struct fastalloc_stats stats = assert_all_adds_up();
    assert_int_equal(stats.outside_blocks, 0);
    const uint64_t live_bits = is_watched() ? 16 * mib * stats.regions : 0;
    assert_int_equal(stats.mapped_bytes, writable_in_window() + live_bits);
    for (size_t index = 0; index < kept_small; index++)
        free(smalls[index]);
    assert_all_adds_up();
}

// ---- one thread ------------------------------------------------------------------------------------------------------

static void allocate_all_kinds(void)
{
    uint64_t random = 1;
    for (size_t index = 0; index < kept_small; index++)
        require((smalls[index] = malloc(random_size(&random, 14))) != NULL);
    for (size_t index = 0; index < kept_others; index++)
        require((others[index] = malloc(((size_t)20 * kib << index % 12) + index)) != NULL);
}

static void release_all_kinds(size_t from, size_t step)
{
    for (size_t index = from; index < kept_small; index += step)
        free(smalls[index]);
    for (size_t index = from; index < kept_others; index += step)
        free(others[index]);
}

static void sums_hold_for_blocks_of_all_kinds(void **state)
{
    (void)state;
    const struct fastalloc_stats before = assert_all_adds_up();
    allocate_all_kinds();
    const struct fastalloc_stats held = assert_all_adds_up();
    assert_true(held.outside_blocks >= before.outside_blocks + 2);
    release_all_kinds(0, 2);
    const struct fastalloc_stats half = assert_all_adds_up();
    assert_true(half.live_bytes < held.live_bytes);
    assert_true(fastalloc_purge() > 0);
    const struct fastalloc_stats purged = assert_all_adds_up();
    assert_true(purged.pinned_bytes > 0);
    assert_int_equal(purged.live_bytes, half.live_bytes);
    assert_int_equal(purged.cached_bytes + purged.inbox_bytes + purged.slack_bytes, 0);
    assert_int_equal(purged.purges, half.purges + 1);
    release_all_kinds(1, 2);
    const struct fastalloc_stats after = assert_all_adds_up();
    assert_int_equal(after.live_bytes, before.live_bytes);
    assert_true(after.peak_held_bytes >= held.held_bytes);
    assert_requirements_met();
}

static void sums_hold_for_blocks_that_grew_and_shrank(void **state)
{
    (void)state;
    allocate_all_kinds();
    for (size_t round = 1; round <= 3; round++)
        for (size_t index = 0; index < kept_others; index++)
        {
            const size_t size = round == 2 ? 3 * mib + index : ((size_t)30 * kib << (index + round) % 12) + 1;
            require((others[index] = realloc(others[index], size)) != NULL);
            if (index % 8 == 0)
                assert_all_adds_up();
        }
    for (size_t index = 0; index < kept_small; index++)
        require((smalls[index] = realloc(smalls[index], index % 700 + 1)) != NULL);
    assert_all_adds_up();
    release_all_kinds(0, 1);
    assert_all_adds_up();
    assert_requirements_met();
}

static void the_peak_knows_what_was_live_then(void **state)
{
    (void)state;
    const struct fastalloc_stats before = stats_now();
    const size_t size = before.peak_held_bytes + 64 * mib;
    void *block = malloc(size);
    assert_non_null(block);
    free(block);
    const struct fastalloc_stats after = stats_now();
    assert_true(after.peak_held_bytes >= size && after.peak_held_bytes < size + before.held_bytes + 4 * mib);
    assert_true(after.live_at_peak_bytes >= size && after.live_at_peak_bytes <= after.peak_held_bytes);
    assert_true(after.held_bytes < after.peak_held_bytes);
}

// ---- several threads -------------------------------------------------------------------------------------------------

static pthread_barrier_t steps;

enum
{
    thread_count = 4,
    of_each = 2000
};

static struct
{
    void *blocks[of_each];
} held_by[thread_count];

// Allocates, then frees what the next one has, and waits after each step.
static void *allocate_and_free_the_nexts(void *argument)
{
    const size_t mine = (size_t)argument, next = (mine + 1) % thread_count;
    uint64_t random = mine;
    for (size_t index = 0; index < of_each; index++)
        require((held_by[mine].blocks[index] = malloc(random_size(&random, 12))) != NULL);
    pthread_barrier_wait(&steps);
    pthread_barrier_wait(&steps);
    for (size_t index = 0; index < of_each; index += 3)
        free(held_by[next].blocks[index]);
    pthread_barrier_wait(&steps);
    pthread_barrier_wait(&steps);
    for (size_t index = 1; index < of_each; index += 3)
        free(held_by[mine].blocks[index]);
    pthread_barrier_wait(&steps);
    pthread_barrier_wait(&steps);
    return NULL;
}

static void sums_hold_while_threads_wait_and_when_they_have_ended(void **state)
{
    (void)state;
    pthread_t threads[thread_count];
    const struct fastalloc_stats before = assert_all_adds_up();
    pthread_barrier_init(&steps, NULL, thread_count + 1);
    for (size_t number = 0; number < thread_count; number++)
        threads[number] = start_thread(allocate_and_free_the_nexts, (void *)number);
    uint64_t boxed = 0;
    for (unsigned step = 0; step < 3; step++)
    {
        pthread_barrier_wait(&steps);
        const struct fastalloc_stats now = assert_all_adds_up();
        boxed += now.remote_bytes > before.remote_bytes;
        assert_true(now.attached_threads > thread_count);
        if (step == 2)
            fastalloc_purge(); // threads that wait keep what is in their bins
        assert_all_adds_up();
        pthread_barrier_wait(&steps);
    }
    assert_int_equal(boxed, 2);
    for (size_t number = 0; number < thread_count; number++)
        join_thread(threads[number]);
    assert_all_adds_up();
    for (size_t number = 0; number < thread_count; number++)
        for (size_t index = 2; index < of_each; index += 3)
            free(held_by[number].blocks[index]);
    assert_all_adds_up();
    fastalloc_purge();
    assert_all_adds_up();
    pthread_barrier_destroy(&steps);
    assert_requirements_met();
    assert_heap_is_whole();
}

// ---- rows and versions -----------------------------------------------------------------------------------------------

static void a_row_tells_the_blocks_of_its_size(void **state)
{
    (void)state;
    enum
    {
        count = 100
    };
    void *blocks[count];
    const size_t usable = malloc_usable_size(blocks[0] = malloc(1000));
    struct fastalloc_class_stats before = {0}, after;
    unsigned row = 0;
    while (before.block_bytes != usable)
        assert_int_equal(fastalloc_get_class_stats(row++, &before, sizeof before), 0);
    for (size_t index = 1; index < count; index++)
        blocks[index] = malloc(1000);
    assert_int_equal(fastalloc_get_class_stats(row - 1, &after, sizeof after), 0);
    assert_int_equal(after.live_blocks, before.live_blocks + count - 1);
    assert_int_equal(after.live_bytes, after.live_blocks * usable);
    for (size_t index = 0; index < count; index++)
        free(blocks[index]);
}

static void rows_write_no_more_than_they_were_told(void **state)
{
    (void)state;
    unsigned char room[sizeof(struct fastalloc_class_stats) + 64];
    for (size_t bytes = 0; bytes <= sizeof room; bytes += 8)
        for (int kind = 0; kind < 2; kind++)
        {
            const size_t known = kind ? sizeof(struct fastalloc_arena_stats) : sizeof(struct fastalloc_class_stats);
            memset(room, 0xee, sizeof room);
            if (kind)
                assert_int_equal(fastalloc_get_arena_stats(0, (struct fastalloc_arena_stats *)room, bytes), 0);
            else
                assert_int_equal(fastalloc_get_class_stats(0, (struct fastalloc_class_stats *)room, bytes), 0);
            for (size_t at = 0; at < sizeof room; at++)
                if (at >= bytes)
                    assert_int_equal(room[at], 0xee);
                else if (at >= known)
                    assert_int_equal(room[at], 0);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_mapped_is_what_the_kernel_says),
        cmocka_unit_test(sums_hold_for_blocks_of_all_kinds),
        cmocka_unit_test(sums_hold_for_blocks_that_grew_and_shrank),
        cmocka_unit_test(the_peak_knows_what_was_live_then),
        cmocka_unit_test(sums_hold_while_threads_wait_and_when_they_have_ended),
        cmocka_unit_test(a_row_tells_the_blocks_of_its_size),
        cmocka_unit_test(rows_write_no_more_than_they_were_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
