// SPDX-License-Identifier: MIT
//
// many_mappings.c - a process that has as many mappings as the kernel allows (vm.max_map_count), or a few less: what needs
// one more is NULL with ENOMEM, blocks keep what was written, memory still goes back, threads come and go, the heap is
// whole; and when there is room again so is there for every block. `many_mappings [SEED]`; the seed orders the frees.
//
// The program starts itself; the run of every kind of block is refused_work.h.
#include <sys/mman.h>
#include <sys/resource.h>

#include "../support.h"

#include "../children.h"
#include "../filter.h"
#include "../parcel.h"
#include "../tracer.h"

#include "refused_work.h"
#include "storm.h"

enum
{
    limit_max = 1 << 22,  // more mappings than this take too long
    bulk_bytes = 600,     // a block of the bulk
    bulk_blocks = 180000, // 110 MiB: chunks above the first 64 MiB ask for huge pages
    one_in_that_stays = 20,
    room_max = 8,
    singles_max = 64,
    refused_max = 100
};

static void *bulk[bulk_blocks];

// ---- mappings ----------------------------------------------------------------------------------------------------

static size_t mappings_max(void)
{
    char text[32] = "";
    int file = open("/proc/sys/vm/max_map_count", O_RDONLY | O_CLOEXEC);
    if (file >= 0 && read(file, text, sizeof text - 1) <= 0)
        text[0] = 0;
    close(file);
    return strtoull(text, NULL, 10);
}

static size_t page;
static char *area; // of which every second page may be read
static size_t area_bytes, used_bytes;
static void *single[singles_max]; // pages for the last few mappings, which are too few to protect a page in between
static size_t singles;

static void map_area(void)
{
    page = (size_t)sysconf(_SC_PAGESIZE);
    area_bytes = (mappings_max() + 1000) * page;
    used_bytes = page;
    area = mmap(NULL, area_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    require(area != MAP_FAILED);
}

// Every page whose protection is not its neighbours' is a mapping, and so is every shared page.
static void use_up_mappings(void)
{
    while (used_bytes + 2 * page <= area_bytes && mprotect(area + used_bytes, page, PROT_READ) == 0)
        used_bytes += 2 * page;
    require(errno == ENOMEM);
    for (; singles < singles_max; singles++)
    {
        single[singles] = mmap(NULL, page, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (single[singles] == MAP_FAILED)
            break;
    }
    require(singles < singles_max && errno == ENOMEM);
}

static void leave_room_for(size_t mappings)
{
    for (; mappings >= 2; mappings -= 2)
    {
        used_bytes -= 2 * page;
        require(mprotect(area + used_bytes, page, PROT_NONE) == 0);
    }
    if (mappings != 0 && singles != 0)
        require(munmap(single[--singles], page) == 0);
}

static void give_mappings_back(void)
{
    while (singles > 0)
        require(munmap(single[--singles], page) == 0);
    require(munmap(area, area_bytes) == 0);
}

// ---- blocks ------------------------------------------------------------------------------------------------------

static void *end_at_once(void *argument)
{
    free(malloc(100));
    return argument;
}

// On stacks that libc maps, if it can.
static void start_threads(void)
{
    for (int index = 0; index < 3; index++)
    {
        pthread_t thread;
        const int outcome = pthread_create(&thread, NULL, end_at_once, NULL);
        require(outcome == 0 || !must_succeed);
        if (outcome == 0)
            pthread_join(thread, NULL);
    }
}

static void grow_outside_blocks(void)
{
    static void *blocks[4];
    size_t sizes[4];
    for (size_t index = 0; index < 4; index++)
    {
        sizes[index] = (34 + index) * mib;
        blocks[index] = malloc(sizes[index]);
        require(blocks[index] != NULL || (errno == ENOMEM && !must_succeed));
        if (blocks[index])
            stamp_block(blocks[index], sizes[index], index);
    }
    for (size_t step = 0; step < 12; step++)
    {
        const size_t index = step % 4;
        const size_t size = (step % 3 == 2 ? 33 : 36 + 3 * step) * mib;
        void *moved = blocks[index] ? realloc(blocks[index], size) : NULL;
        if (!moved)
            continue;
        require(block_is_stamped(moved, size < sizes[index] ? size : sizes[index], index));
        blocks[index] = moved;
        sizes[index] = size;
        stamp_block(moved, size, index);
    }
    for (size_t index = 0; index < 4; index++)
        free(blocks[index]);
}

static void use_everything(void)
{
    use_every_kind();
    use_many_mappings();
    grow_outside_blocks();
    start_threads();
    require_whole_heap();
    free_all();
    malloc_trim(0);
    require_whole_heap();
}

// Up to where memory runs out.
static void fill_bulk(void)
{
    unsigned refused = 0;
    for (size_t index = 0; index < bulk_blocks && refused < refused_max; index++)
    {
        if (bulk[index])
            continue;
        errno = 0;
        bulk[index] = malloc(bulk_bytes);
        require(bulk[index] != NULL || (errno == ENOMEM && !must_succeed));
        if (bulk[index])
            fill_block(bulk[index], bulk_bytes, index);
        else
            refused++;
    }
}

// Leaves one in so many, so that chunks which ask for huge pages go back in parts.
static void thin_out_bulk(unsigned one_in)
{
    uint64_t random = seed_of_run;
    for (size_t index = 0; index < bulk_blocks; index++)
    {
        const int stays = one_in != 0 && next_random(&random) % one_in == 0;
        require(!bulk[index] || block_is_filled(bulk[index], bulk_bytes, index));
        if (stays)
            continue;
        free(bulk[index]);
        bulk[index] = NULL;
    }
}

// ---- in the program that was started again -----------------------------------------------------------------------

static void require_room_for_everything(void)
{
    struct fastalloc_stats stats;
    give_mappings_back();
    must_succeed = 1;
    fill_bulk();
    use_everything();
    thin_out_bulk(0);
    malloc_trim(0);
    require_whole_heap();
    require(fastalloc_get_stats(&stats, sizeof stats) == 0);
    require(stats.outside_blocks == 0 && stats.live_bytes < mib);
    require(resident_bytes() < 64 * mib);
}

// "empty": the window is hardly committed when mappings run out; "full": it is.
static int run_out(const char *mode)
{
    memset(held, 1, sizeof held);
    if (strcmp(mode, "full") == 0)
        fill_bulk();
    map_area();
    for (size_t room = 0; room <= room_max && !requirements_unmet; room += room / 2 + 1)
    {
        use_up_mappings();
        leave_room_for(room);
        thin_out_bulk(one_in_that_stays);
        require_whole_heap();
        use_everything();
        fill_bulk();
        require_whole_heap();
    }
    require_room_for_everything();
    return requirements_unmet ? 1 : 0;
}

// ---- the tests ---------------------------------------------------------------------------------------------------

static void assert_survives(const char *mode)
{
    struct finished_program finished;
    char seed[32];
    const size_t limit = mappings_max();
    if (limit == 0 || limit > limit_max)
    {
        print_message("# not tried: this system allows %zu mappings\n", limit);
        return;
    }
    snprintf(seed, sizeof seed, "%ju", (uintmax_t)seed_of_run);
    char *const arguments[] = {own_path, seed, (char *)"0", (char *)mode, NULL};
    run_program(&finished, arguments, NULL, 120);
    assert_succeeded(&finished);
}

static void a_small_heap_survives_the_last_mapping(void **state)
{
    (void)state;
    assert_survives("empty");
}

static void a_large_heap_survives_the_last_mapping(void **state)
{
    (void)state;
    assert_survives("full");
}

int main(int count, char **arguments)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_heap_survives_the_last_mapping),
        cmocka_unit_test(a_large_heap_survives_the_last_mapping),
    };
    begin_storm(count, arguments, 1);
    if (count > 3)
        return run_out(arguments[3]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
