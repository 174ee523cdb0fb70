// SPDX-License-Identifier: MIT
//
// huge_pages.c - which memory asks for huge pages, what that costs, and that memory given back out of them is the
// system's. Skipped where the system has no huge pages for us or too few free ones.
#include <time.h>

#include "../support.h"

#include "../children.h"

// A figure in KiB that a line of a file begins with, in bytes. 0 if there is none.
static size_t figure(const char *path, const char *name)
{
    static char text[65536];
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = 0, more = 0;
    while (file >= 0 && (more = read(file, text + length, sizeof text - 1 - (size_t)length)) > 0)
        length += more;
    if (file >= 0)
        close(file);
    text[length] = 0;
    const char *line = strstr(text, name);
    return line ? strtoull(line + strlen(name), NULL, 10) * kib : 0;
}

static size_t on_huge_pages(void)
{
    return figure("/proc/self/smaps_rollup", "AnonHugePages:");
}

static int huge_pages_are_to_be_had(void)
{
    char mode[128] = {0};
    const int file = open("/sys/kernel/mm/transparent_hugepage/enabled", O_RDONLY | O_CLOEXEC);
    const ssize_t length = file >= 0 ? read(file, mode, sizeof mode - 1) : 0;
    if (file >= 0)
        close(file);
    return length > 0 && !strstr(mode, "[never]") && figure("/proc/meminfo", "MemFree:") > 3 * gib;
}

// Blocks of `size` bytes, 256 MiB in all, of each of which `touched` bytes are written. They stay.
static void **fill_256_mib(size_t size, size_t touched)
{
    const size_t count = 256 * mib / size;
    void **blocks = malloc(count * sizeof *blocks);
    require(blocks != NULL);
    for (size_t index = 0; index < count; index++)
    {
        blocks[index] = malloc(size);
        require(blocks[index] != NULL);
        memset(blocks[index], 1, touched);
    }
    return blocks;
}

static void fill_and_look(void *argument)
{
    fill_256_mib(*(const size_t *)argument, *(const size_t *)argument);
    require(on_huge_pages() >= 144 * mib);
    if (on_huge_pages() < 144 * mib)
        fprintf(stderr, "# %zu bytes: %zu MiB\n", *(const size_t *)argument, on_huge_pages() / mib);
}

static void what_is_filled_lies_on_huge_pages(void **state)
{
    (void)state;
    if (!huge_pages_are_to_be_had())
        skip();
    static const size_t sizes[] = {16, 200, 4000, 10000, 130000, 1000000, 10000000};
    for (size_t which = 0; which < sizeof sizes / sizeof *sizes; which++)
        assert_int_equal(run_child(fill_and_look, (void *)&sizes[which], 60), 0);
}

// A page for each block, a tenth more, and what is kept free.
static void touch_and_look(void *argument)
{
    const size_t size = *(const size_t *)argument;
    const size_t before = resident_bytes();
    fill_256_mib(size, 64);
    const size_t due = 256 * mib / size * 4 * kib;
    const size_t now = growth(before, resident_bytes());
    require(now <= due + due / 10 + 8 * mib);
    if (now > due + due / 10 + 8 * mib)
        fprintf(stderr, "# %zu bytes: %zu MiB for %zu\n", size, now / mib, due / mib);
}

static void what_is_touched_here_and_there_does_not(void **state)
{
    (void)state;
    static const size_t sizes[] = {10000, 30000, 100000, 1000000, 10000000};
    for (size_t which = 0; which < sizeof sizes / sizeof *sizes; which++)
        assert_int_equal(run_child(touch_and_look, (void *)&sizes[which], 60), 0);
}

// Memory the system has free: with what processors keep in lists of their own, tens of MiB each for some seconds.
static size_t free_memory(void)
{
    size_t pages = 0;
    char line[256];
    FILE *zones = fopen("/proc/zoneinfo", "r");
    while (zones && fgets(line, sizeof line, zones))
    {
        size_t count;
        if (sscanf(line, " count: %zu", &count) == 1)
            pages += count;
    }
    if (zones)
        fclose(zones);
    return figure("/proc/meminfo", "MemFree:") + pages * (size_t)sysconf(_SC_PAGESIZE);
}

// How many huge pages the system has split since it was started.
static size_t splits(void)
{
    return figure("/proc/vmstat", "thp_split_page ") / kib;
}

static void free_trim_and_look(void *argument)
{
    (void)argument;
    const size_t count = 256 * mib / 400;
    void **blocks = fill_256_mib(400, 400);
    const size_t peak = resident_bytes(), splits_before = splits();
    const size_t free_before = free_memory();
    for (size_t index = 0; index < count; index++)
        if (index % 100 != 0)
            free(blocks[index]);
    malloc_trim(0);
    struct fastalloc_stats stats;
    require(fastalloc_get_stats(&stats, sizeof stats) == 0);
    require(stats.broken_chunks > 50 && stats.charged_bytes == 0);
    require(on_huge_pages() <= 4 * mib);
    const size_t returned = growth(resident_bytes(), peak);
    require(returned > 150 * mib);
    const size_t got = growth(free_before, free_memory());
    require(got >= returned / 10 * 9);
    if (got < returned / 10 * 9)
        fprintf(stderr, "# of %zu MiB the system has %zu\n", returned / mib, got / mib);
    require(growth(splits_before, splits()) >= stats.broken_chunks / 10 * 9);
}

static void what_is_given_back_out_of_them_is_the_systems_after_a_trim(void **state)
{
    (void)state;
    if (!huge_pages_are_to_be_had() || splits() == 0)
        skip();
    assert_int_equal(run_child(free_trim_and_look, NULL, 60), 0);
}

// ---- with a setting: the program starts itself --------------------------------------------------------------------

static struct fastalloc_stats figures_now(void)
{
    struct fastalloc_stats stats;
    require(fastalloc_get_stats(&stats, sizeof stats) == 0);
    return stats;
}

// 40 MiB, less than what asks for huge pages from the start.
enum
{
    filled_count = 200000
};
static char *filled[filled_count];

static void fill_40_mib(void)
{
    for (int index = 0; index < filled_count; index++)
        filled[index] = memset(malloc(200), index, 200);
}

static void require_filled(void)
{
    for (int index = 0; index < filled_count; index++)
        require(filled[index][0] == (char)index && filled[index][199] == (char)index);
}

// The thread in the background looks every 50 ms.
static void wait_for_promotion(void)
{
    fill_40_mib();
    const size_t before = resident_bytes();
    for (int waited = 0; waited < 200 && figures_now().promoted_chunks < 15; waited++)
        sleep_milliseconds(50);
    const struct fastalloc_stats promoted = figures_now();
    require(promoted.promoted_chunks >= 15 && promoted.huge_chunks == promoted.promoted_chunks);
    require(on_huge_pages() >= 24 * mib);
    require(growth(before, resident_bytes()) <= mib);
    require_filled();
    for (int index = 0; index < filled_count; index++)
        if (index % 50 != 0)
            free(filled[index]);
    malloc_trim(0);
    require(figures_now().broken_chunks >= 10 && on_huge_pages() <= 8 * mib);
    for (int index = 0; index < filled_count; index += 50)
        free(filled[index]);
    malloc_trim(0);
    require(figures_now().broken_chunks == 0 && figures_now().huge_chunks == 0);
    require_whole_heap();
}

// By slow paths alone, of a program that goes on working.
static void work_until_promotion(void)
{
    fill_40_mib();
    void *blocks[2000];
    const time_t end = time(NULL) + 20;
    while (figures_now().promoted_chunks < 5 && time(NULL) < end)
    {
        for (int index = 0; index < 2000; index++)
            blocks[index] = malloc(20000); // not served by the fast path
        for (int index = 0; index < 2000; index++)
            free(blocks[index]);
    }
    require(figures_now().promoted_chunks >= 5);
    require_filled();
    require_whole_heap();
}

// Half of the pages of these are never touched.
static void wait_for_none(void)
{
    for (int index = 0; index < 5000; index++)
        memset(malloc(8192), 1, 4096);
    sleep_milliseconds(2000);
    require(figures_now().promoted_chunks == 0);
}

static void fill_with_huge_pages_always(void)
{
    fill_40_mib();
    require(on_huge_pages() >= 36 * mib);
    void *const block = memset(malloc(40 * mib), 1, 40 * mib);
    require(on_huge_pages() >= 74 * mib);
    free(block);
}

static void fill_with_huge_pages_never(void)
{
    fill_256_mib(4000, 4000);
    memset(malloc(40 * mib), 1, 40 * mib);
    require(on_huge_pages() == 0 && figures_now().huge_chunks == 0);
}

static size_t free_in_pool(void)
{
    return figure("/proc/meminfo", "HugePages_Free:") / kib;
}

static void set_pool(size_t pages)
{
    char text[32];
    const int length = snprintf(text, sizeof text, "%zu", pages);
    const int file = open("/proc/sys/vm/nr_hugepages", O_WRONLY | O_CLOEXEC);
    if (file < 0 || write(file, text, (size_t)length) != length)
        print_message("# the pool stays as it is\n");
    close(file);
}

// Whatever the pool has: with less than is needed the rest is usual memory.
static void fill_from_the_pool(void)
{
    const size_t before = free_in_pool();
    fill_40_mib();
    const size_t taken = before - free_in_pool();
    require(taken == before || taken * 2 * mib >= 40 * mib);
    require_filled();
    require_whole_heap();
    for (int index = 0; index < filled_count; index++)
        if (index % 50 != 0)
            free(filled[index]);
    malloc_trim(0);
    for (int index = 0; index < filled_count; index += 50)
        require(filled[index][0] == (char)index && filled[index][199] == (char)index);
    for (int index = 0; index < filled_count; index += 50)
        free(filled[index]);
    malloc_trim(0);
    require(free_in_pool() + 2 >= before);
    fill_40_mib();
    require_filled();
    require_whole_heap();
}

enum
{
    promoted_by_the_background,
    promoted_by_slow_paths,
    not_promoted,
    always,
    never,
    pooled,
    mode_count
};
static const struct mode modes[mode_count] = {
    [promoted_by_the_background] = {"wait_for_promotion", wait_for_promotion,
                                    "background_thread=on,demand_half_life=50ms"},
    [promoted_by_slow_paths] = {"work_until_promotion", work_until_promotion, "demand_half_life=50ms"},
    [not_promoted] = {"wait_for_none", wait_for_none, "background_thread=on,demand_half_life=50ms"},
    [always] = {"always", fill_with_huge_pages_always, "huge=always"},
    [never] = {"never", fill_with_huge_pages_never, "huge=never"},
    [pooled] = {"pool", fill_from_the_pool, "huge=hugetlb"},
};

static void full_chunks_are_put_onto_them(void **state)
{
    (void)state;
    if (!huge_pages_are_to_be_had())
        skip();
    assert_mode_succeeds(&modes[promoted_by_the_background]);
    assert_mode_succeeds(&modes[promoted_by_slow_paths]);
    assert_mode_succeeds(&modes[not_promoted]);
}

static void all_or_no_memory_asks_for_them_if_that_is_set(void **state)
{
    (void)state;
    assert_mode_succeeds(&modes[never]);
    if (!huge_pages_are_to_be_had())
        skip();
    assert_mode_succeeds(&modes[always]);
}

static void the_pool_is_used_as_far_as_it_goes(void **state)
{
    (void)state;
    const size_t before = figure("/proc/meminfo", "HugePages_Total:") / kib;
    assert_mode_succeeds(&modes[pooled]);
    for (size_t pages = 5; pages <= 30; pages += 25)
    {
        set_pool(before + pages);
        assert_mode_succeeds(&modes[pooled]);
    }
    set_pool(before);
}

int main(int count, char **arguments)
{
    run_mode(modes, mode_count, count, arguments);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_filled_lies_on_huge_pages),
        cmocka_unit_test(what_is_touched_here_and_there_does_not),
        cmocka_unit_test(what_is_given_back_out_of_them_is_the_systems_after_a_trim),
        cmocka_unit_test(full_chunks_are_put_onto_them),
        cmocka_unit_test(all_or_no_memory_asks_for_them_if_that_is_set),
        cmocka_unit_test(the_pool_is_used_as_far_as_it_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
