// SPDX-License-Identifier: MIT
//
// statistics.c - fastalloc_get_stats, fastalloc_check_heap, and the figures and switches malloc has always had:
// mallinfo, malloc_stats, malloc_info, malloc_trim and mallopt. This program has one thread: figures are exact.
#include <limits.h>
#include <sys/mman.h>

#include "../support.h"

static void live_bytes_follow_blocks_exactly(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 8, 16, 100, 1000, 8192, 20000, 200000};
    enum
    {
        count = 200
    };
    void *blocks[count];
    for (size_t which = 0; which < sizeof sizes / sizeof *sizes; which++)
    {
        uint64_t before = stats_now().live_bytes;
        uint64_t usable = 0;
        for (size_t index = 0; index < count; index++)
        {
            blocks[index] = malloc(sizes[which]);
            usable += malloc_usable_size(blocks[index]);
            assert_int_equal(stats_now().live_bytes, before + usable);
        }
        for (size_t index = 0; index < count; index++)
            free(blocks[index]);
        assert_int_equal(stats_now().live_bytes, before);
    }
}

static void blocks_with_a_mapping_of_their_own_are_counted(void **state)
{
    (void)state;
    struct fastalloc_stats before = stats_now();
    void *block = malloc(opaque_size(100 * mib));
    assert_non_null(block);
    struct fastalloc_stats held = stats_now();
    assert_int_equal(held.outside_blocks, before.outside_blocks + 1);
    assert_true(held.outside_bytes >= before.outside_bytes + 100 * mib);
    assert_true(held.outside_bytes <= before.outside_bytes + 104 * mib);
    free(block);
    struct fastalloc_stats after = stats_now();
    assert_int_equal(after.outside_blocks, before.outside_blocks);
    assert_int_equal(after.outside_bytes, before.outside_bytes);
    assert_true(after.returned_bytes >= before.returned_bytes);
}

static void figures_fit_together(void **state)
{
    (void)state;
    void *block = malloc(opaque_size(100));
    struct fastalloc_stats stats = stats_now();
    assert_true(stats.live_bytes >= 100);
    assert_true(stats.live_bytes + stats.cached_bytes <= stats.open_bytes);
    assert_true(stats.open_bytes <= stats.committed_bytes);
    assert_true(stats.open_bytes % (2 * mib) == 0);
    assert_true(stats.slack_bytes <= stats.committed_bytes);
    assert_true(stats.metadata_bytes > 0);
    assert_true(stats.arenas >= 1);
    assert_true(stats.attached_threads >= 1 && stats.attached_threads <= stats.arenas);
    assert_true(stats.regions >= 1);
    assert_true(stats.committed_bytes <= stats.regions * gib);
    assert_true(stats.huge_chunks * 2 * mib <= stats.open_bytes);
    assert_true(stats.refills > 0);
    assert_true(stats.shared_writes > 2 * stats.remote_batches);
    free(block);
}

static void get_stats_writes_no_more_than_it_was_told(void **state)
{
    (void)state;
    struct
    {
        struct fastalloc_stats stats;
        unsigned char more[64];
    } room;
    for (size_t bytes = 0; bytes <= sizeof room; bytes += 8)
    {
        memset(&room, 0xee, sizeof room);
        assert_int_equal(fastalloc_get_stats(&room.stats, bytes), 0);
        const unsigned char *raw = (const unsigned char *)&room;
        for (size_t at = bytes; at < sizeof room; at++)
            assert_int_equal(raw[at], 0xee);
        for (size_t at = sizeof room.stats; at < bytes; at++)
            assert_int_equal(raw[at], 0);
    }
}

static void check_heap_finds_a_whole_heap(void **state)
{
    (void)state;
    char message[8] = "";
    assert_int_equal(fastalloc_check_heap(NULL, 0), 0);
    void *blocks[100];
    for (size_t index = 0; index < 100; index++)
        blocks[index] = malloc((size_t)1 << index % 24);
    assert_int_equal(fastalloc_check_heap(message, sizeof message), 0);
    for (size_t index = 0; index < 100; index += 2)
        free(blocks[index]);
    assert_int_equal(fastalloc_check_heap(message, 1), 0);
    for (size_t index = 1; index < 100; index += 2)
        free(blocks[index]);
    assert_heap_is_whole();
}

static void mallinfo2_follows_blocks(void **state)
{
    (void)state;
    struct mallinfo2 before = mallinfo2();
    void *small = malloc(opaque_size(50000));
    void *big = malloc(opaque_size(100 * mib));
    struct mallinfo2 held = mallinfo2();
    assert_true(held.uordblks + held.hblkhd >= before.uordblks + before.hblkhd + 50000 + 100 * mib);
    assert_int_equal(held.hblks, before.hblks + 1);
    assert_true(held.hblkhd >= before.hblkhd + 100 * mib);
    free(small);
    free(big);
    struct mallinfo2 after = mallinfo2();
    assert_int_equal(after.uordblks + after.hblkhd, before.uordblks + before.hblkhd);
    struct mallinfo2 twin = fastalloc_mallinfo2();
    assert_memory_equal(&after, &twin, sizeof twin);
}

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
static void mallinfo_saturates(void **state)
{
    (void)state;
    struct mallinfo info = mallinfo();
    struct mallinfo2 exact = mallinfo2();
    assert_int_equal(info.uordblks, exact.uordblks);
    assert_int_equal(info.hblks, exact.hblks);
    void *blocks[3];
    for (int index = 0; index < 3; index++)
    {
        blocks[index] = malloc(opaque_size(gib));
        assert_non_null(blocks[index]);
    }
    info = mallinfo();
    assert_int_equal(info.hblkhd, INT_MAX);
    assert_true(info.arena >= 0 && info.uordblks >= 0 && info.fordblks >= 0 && info.keepcost >= 0);
    for (int index = 0; index < 3; index++)
        free(blocks[index]);
}

static void malloc_stats_writes_lines_without_allocating(void **state)
{
    (void)state;
    int kept = dup(STDERR_FILENO);
    int file = memfd_create("errors", MFD_CLOEXEC);
    uint64_t before = stats_now().live_bytes;
    dup2(file, STDERR_FILENO);
    malloc_stats();
    fastalloc_malloc_stats();
    dup2(kept, STDERR_FILENO);
    close(kept);
    assert_int_equal(stats_now().live_bytes, before);
    static char text[16384];
    ssize_t bytes = pread(file, text, sizeof text - 1, 0);
    close(file);
    assert_true(bytes > 40);
    static const char *const told[] = {"where the memory is", "mapped", "live", "resident", "overhead", "block size"};
    for (size_t which = 0; which < sizeof told / sizeof *told; which++)
        assert_non_null(strstr(text, told[which]));
    assert_int_equal(text[bytes - 1], '\n');
}

static void statistics_allocate_nothing(void **state)
{
    (void)state;
    int kept = dup(STDERR_FILENO), nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    struct fastalloc_node_stats node;
    struct fastalloc_class_stats row;
    struct fastalloc_arena_stats arena;
    dup2(nowhere, STDERR_FILENO);
    struct fastalloc_stats before = stats_now();
    malloc_stats();
    struct mallinfo2 info = mallinfo2();
    int results = fastalloc_stats_json(nowhere) | fastalloc_get_node_stats(0, &node, sizeof node) |
                  fastalloc_get_class_stats(9, &row, sizeof row) | fastalloc_get_arena_stats(0, &arena, sizeof arena);
    struct fastalloc_stats after = stats_now();
    dup2(kept, STDERR_FILENO);
    close(kept);
    close(nowhere);
    assert_int_equal(results, 0);
    assert_int_equal(info.uordblks + info.hblkhd, before.live_bytes);
    after.shared_writes = before.shared_writes; // locks are taken to look
    assert_memory_equal(&before, &after, sizeof before);
}

// Whether `text` is one well-formed element, after declarations: every tag closed in order.
static int is_well_formed(const char *text)
{
    const char *names[32];
    size_t depth = 0, roots = 0;
    for (const char *at = strchr(text, '<'); at; at = strchr(at, '<'))
    {
        const char *end = strchr(at, '>');
        if (!end || memchr(at + 1, '<', (size_t)(end - at - 1)))
            return 0;
        if (at[1] == '/')
        {
            size_t length = (size_t)(end - at - 2);
            if (depth == 0 || strncmp(names[--depth], at + 2, length) != 0 || strcspn(names[depth], " />\n") != length)
                return 0;
        }
        else if (at[1] != '?' && at[1] != '!')
        {
            roots += depth == 0;
            size_t quotes = 0;
            for (const char *byte = at; byte < end; byte++)
                quotes += *byte == '"';
            if (quotes % 2)
                return 0;
            if (end[-1] != '/' && depth < 32)
                names[depth++] = at + 1;
        }
        at = end;
    }
    return depth == 0 && roots == 1;
}

static void malloc_info_writes_well_formed_xml(void **state)
{
    (void)state;
    for (int twin = 0; twin < 2; twin++)
    {
        char *text = NULL;
        size_t bytes = 0;
        FILE *stream = open_memstream(&text, &bytes);
        assert_non_null(stream);
        assert_int_equal(twin ? fastalloc_malloc_info(0, stream) : malloc_info(0, stream), 0);
        fclose(stream);
        assert_true(bytes > 40);
        assert_non_null(strstr(text, "<malloc"));
        assert_true(is_well_formed(text));
        free(text);
    }
    errno = 0;
    assert_int_equal(malloc_info(1, stderr), -1);
    assert_int_equal(errno, EINVAL);
}

static void malloc_trim_leaves_nothing_to_trim(void **state)
{
    (void)state;
    enum
    {
        count = 4000
    };
    static void *blocks[count];
    malloc_trim(0);
    size_t before = resident_bytes();
    for (size_t index = 0; index < count; index++)
    {
        blocks[index] = malloc(10000);
        memset(blocks[index], 1, 10000);
    }
    for (size_t index = 0; index < count; index++)
        free(blocks[index]);
    assert_int_equal(malloc_trim(0), 1);
    assert_true(growth(before, resident_bytes()) < mib);
    assert_int_equal(malloc_trim(0), 0);
    struct fastalloc_stats stats = stats_now();
    assert_int_equal(stats.slack_bytes, 0);
    assert_int_equal(stats.cached_bytes, 0);
    assert_int_equal(fastalloc_malloc_trim(opaque_size(SIZE_MAX)), 0);
    assert_heap_is_whole();
}

static void mallopt_accepts_known_parameters_without_effect(void **state)
{
    (void)state;
    static const int known[][2] = {
        {M_MXFAST, 64},      {M_TRIM_THRESHOLD, 65536}, {M_TOP_PAD, 4096}, {M_MMAP_THRESHOLD, 65536}, {M_MMAP_MAX, 100},
        {M_CHECK_ACTION, 3}, {M_PERTURB, 0xaa},         {M_ARENA_TEST, 2}, {M_ARENA_MAX, 4}};
    for (size_t which = 0; which < sizeof known / sizeof *known; which++)
    {
        assert_int_equal(mallopt(known[which][0], known[which][1]), 1);
        assert_int_equal(fastalloc_mallopt(known[which][0], known[which][1]), 1);
    }
    assert_int_equal(mallopt(-1000, 1), 0);
    assert_int_equal(mallopt(12345, 1), 0);
    assert_int_equal(mallopt(M_MXFAST, 1 << 20), 0);
    for (size_t size = 1; size < 3 * mib; size *= 3)
    {
        void *block = calloc(1, size);
        assert_true(block_is_zero(block, size));
        free(block);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(live_bytes_follow_blocks_exactly),
        cmocka_unit_test(blocks_with_a_mapping_of_their_own_are_counted),
        cmocka_unit_test(figures_fit_together),
        cmocka_unit_test(get_stats_writes_no_more_than_it_was_told),
        cmocka_unit_test(check_heap_finds_a_whole_heap),
        cmocka_unit_test(mallinfo2_follows_blocks),
        cmocka_unit_test(mallinfo_saturates),
        cmocka_unit_test(malloc_stats_writes_lines_without_allocating),
        cmocka_unit_test(statistics_allocate_nothing),
        cmocka_unit_test(malloc_info_writes_well_formed_xml),
        cmocka_unit_test(malloc_trim_leaves_nothing_to_trim),
        cmocka_unit_test(mallopt_accepts_known_parameters_without_effect),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
