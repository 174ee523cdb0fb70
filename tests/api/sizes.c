// SPDX-License-Identifier: MIT
//
// sizes.c - malloc at every size: each block is there, aligned, apart from all other live blocks, and as large as
// malloc_usable_size says. Blocks are filled to their usable size with a pattern of their own and verified later, so an
// overlap of one byte is found.
#include "../support.h"

struct piece
{
    void *block;
    size_t usable;
    uint64_t seed;
};

static void take(struct piece *piece, size_t size, uint64_t seed)
{
    piece->block = malloc(opaque_size(size));
    piece->seed = seed;
    assert_non_null(piece->block);
    assert_true(is_aligned(piece->block, alignment_due(size)));
    piece->usable = malloc_usable_size(piece->block);
    assert_true(piece->usable >= size);
    fill_block(piece->block, piece->usable, seed);
}

static void give(struct piece *piece)
{
    assert_true(block_is_filled(piece->block, piece->usable, piece->seed));
    free(piece->block);
    piece->block = NULL;
}

// 65537 is prime: multiplying by 40503 visits every size below it once, large and small mixed.
static void every_size_to_64_kib_is_aligned_whole_and_apart(void **state)
{
    (void)state;
    enum
    {
        sizes = 65537,
        live = 4096
    };
    static struct piece pieces[live];
    for (size_t step = 0; step < sizes; step++)
    {
        struct piece *piece = &pieces[step % live];
        if (piece->block)
            give(piece);
        take(piece, step * 40503 % sizes, step);
    }
    for (size_t index = 0; index < live; index++)
        give(&pieces[index]);
}

static void many_blocks_of_one_size_are_apart(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 7, 8, 9, 15, 16, 17, 24, 32, 48, 64, 100, 128, 200, 1000, 4096, 8192, 10000};
    enum
    {
        live = 3000
    };
    static struct piece pieces[live];
    for (size_t which = 0; which < sizeof sizes / sizeof *sizes; which++)
    {
        for (size_t index = 0; index < live; index++)
            take(&pieces[index], sizes[which], which * live + index);
        for (size_t index = 0; index < live; index += 2)
            give(&pieces[index]);
        for (size_t index = 0; index < live; index += 2)
            take(&pieces[index], sizes[which], index);
        for (size_t index = 0; index < live; index++)
            give(&pieces[index]);
    }
}

// Blocks up to 64 KiB are filled, of larger ones the first and the last usable byte is written.
struct extent
{
    unsigned char *start;
    size_t usable;
    size_t size;
};

static int compare_extents(const void *left, const void *right)
{
    const struct extent *a = left, *b = right;
    return (a->start > b->start) - (a->start < b->start);
}

// Returns 0 where there is no memory for it.
static int take_extent(struct extent *extent, size_t size)
{
    errno = 0;
    extent->start = malloc(opaque_size(size));
    extent->size = size;
    if (!extent->start)
    {
        assert_int_equal(errno, ENOMEM);
        assert_true(size > 64 * mib);
        return 0;
    }
    assert_true(is_aligned(extent->start, alignment_due(size)));
    extent->usable = malloc_usable_size(extent->start);
    assert_true(extent->usable >= size);
    if (extent->usable)
    {
        extent->start[0] = (unsigned char)size;
        extent->start[extent->usable - 1] = (unsigned char)size;
    }
    return 1;
}

static void give_extents(struct extent *extents, size_t count)
{
    qsort(extents, count, sizeof *extents, compare_extents);
    for (size_t index = 0; index + 1 < count; index++)
        assert_true(extents[index].start + extents[index].usable <= extents[index + 1].start);
    for (size_t index = 0; index < count; index++)
    {
        struct extent *extent = &extents[index];
        if (extent->usable)
        {
            assert_int_equal(extent->start[0], (unsigned char)extent->size);
            assert_int_equal(extent->start[extent->usable - 1], (unsigned char)extent->size);
        }
        free(extent->start);
    }
}

static void powers_of_two_and_their_neighbours_to_16_gib_are_apart(void **state)
{
    (void)state;
    static const ptrdiff_t offsets[] = {-16, -1, 0, 1, 16};
    static struct extent extents[35 * 5];
    size_t count = 0;
    for (unsigned shift = 4; shift <= 34; shift++)
        for (size_t which = 0; which < sizeof offsets / sizeof *offsets; which++)
            count += (size_t)take_extent(&extents[count], ((size_t)1 << shift) + (size_t)offsets[which]);
    give_extents(extents, count);
}

static void sizes_at_64206_past_each_64_kib_are_apart(void **state)
{
    (void)state;
    enum
    {
        live = 64
    };
    static struct extent extents[live];
    for (size_t first = 0; first < 1024; first += live)
    {
        size_t count = 0;
        for (size_t index = 0; index < live; index++)
            count += (size_t)take_extent(&extents[count], (first + index) * 65536 + 64206);
        give_extents(extents, count);
    }
    for (size_t multiple = 0; multiple <= 32; multiple++)
    {
        struct piece piece;
        take(&piece, multiple * 65536 + 64206, multiple);
        give(&piece);
    }
}

// A block handed out again must not lie in one that is live: sizes of all orders, freed and taken at random.
static void random_sizes_to_4_mib_stay_apart_under_reuse(void **state)
{
    (void)state;
    enum
    {
        live = 400
    };
    static struct piece pieces[live];
    uint64_t random = 1;
    for (size_t step = 0; step < 12000; step++)
    {
        struct piece *piece = &pieces[next_random(&random) % live];
        if (piece->block)
            give(piece);
        else
            take(piece, random_size(&random, step % 16 ? 16 : 22), step);
    }
    for (size_t index = 0; index < live; index++)
        if (pieces[index].block)
            give(&pieces[index]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_size_to_64_kib_is_aligned_whole_and_apart),
        cmocka_unit_test(many_blocks_of_one_size_are_apart),
        cmocka_unit_test(powers_of_two_and_their_neighbours_to_16_gib_are_apart),
        cmocka_unit_test(sizes_at_64206_past_each_64_kib_are_apart),
        cmocka_unit_test(random_sizes_to_4_mib_stay_apart_under_reuse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
