// SPDX-License-Identifier: MIT
//
// malloc_family.c - malloc, calloc, free and malloc_usable_size: what they promise at the edges.
#include "../support.h"

static void malloc_of_zero_is_unique_and_freeable(void **state)
{
    (void)state;
    void *blocks[100];
    for (size_t index = 0; index < 100; index++)
    {
        blocks[index] = index % 2 ? malloc(opaque_size(0)) : calloc(opaque_size(index % 4), 0);
        assert_non_null(blocks[index]);
        for (size_t other = 0; other < index; other++)
            assert_ptr_not_equal(blocks[index], blocks[other]);
    }
    for (size_t index = 0; index < 100; index++)
        free(blocks[index]);
}

static void free_of_null_does_nothing(void **state)
{
    (void)state;
    free(opaque_block(NULL));
    free_sized(opaque_block(NULL), opaque_size(100));
    free_aligned_sized(opaque_block(NULL), opaque_size(64), opaque_size(100));
}

static void free_keeps_errno(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 100, 5000, 100000, 3000000, 100000000};
    for (size_t which = 0; which < sizeof sizes / sizeof *sizes; which++)
    {
        for (int round = 0; round < 50; round++)
        {
            void *block = malloc(sizes[which]);
            assert_non_null(block);
            errno = EDOM;
            free(block);
            assert_int_equal(errno, EDOM);
        }
    }
    errno = EDOM;
    free(opaque_block(NULL));
    assert_int_equal(errno, EDOM);
}

static void sizes_above_the_largest_difference_fail_with_enomem(void **state)
{
    (void)state;
    static const size_t sizes[] = {PTRDIFF_MAX,
                                   (size_t)PTRDIFF_MAX + 1,
                                   (size_t)PTRDIFF_MAX + 4096,
                                   SIZE_MAX - 65536,
                                   SIZE_MAX - 4096,
                                   SIZE_MAX - 16,
                                   SIZE_MAX - 1,
                                   SIZE_MAX};
    for (size_t which = 0; which < sizeof sizes / sizeof *sizes; which++)
    {
        size_t size = opaque_size(sizes[which]);
        errno = 0;
        assert_null(malloc(size));
        assert_int_equal(errno, ENOMEM);
        errno = 0;
        assert_null(calloc(1, size));
        assert_int_equal(errno, ENOMEM);
        errno = 0;
        assert_null(calloc(size, 1));
        assert_int_equal(errno, ENOMEM);
        errno = 0;
        assert_null(realloc(opaque_block(NULL), size));
        assert_int_equal(errno, ENOMEM);
    }
}

static void more_than_the_address_space_fails_with_enomem(void **state)
{
    (void)state;
    for (unsigned shift = 47; shift < 63; shift++)
    {
        errno = 0;
        assert_null(malloc(opaque_size((size_t)1 << shift)));
        assert_int_equal(errno, ENOMEM);
    }
}

static void calloc_fails_where_the_product_overflows(void **state)
{
    (void)state;
    static const size_t pairs[][2] = {
        {SIZE_MAX, 2},
        {2, SIZE_MAX},
        {SIZE_MAX / 2 + 1, 2},
        {(size_t)1 << 32, (size_t)1 << 32},
        {((size_t)1 << 32) + 1, (size_t)1 << 32},
        {SIZE_MAX / 16 + 1, 16},
        {SIZE_MAX / 24 + 1, 24},
        {SIZE_MAX, SIZE_MAX},
    };
    for (size_t which = 0; which < sizeof pairs / sizeof *pairs; which++)
    {
        errno = 0;
        assert_null(calloc(opaque_size(pairs[which][0]), opaque_size(pairs[which][1])));
        assert_int_equal(errno, ENOMEM);
    }
}

static void calloc_after_dirty_reuse_is_zero(void **state)
{
    (void)state;
    static const size_t sizes[] = {1,      8,      9,      16,      17,      64,      100,    128,
                                   500,    1024,   4000,   8192,    9000,    16384,   40000,  65536,
                                   100000, 262144, 262145, 1000000, 2097152, 3000000, 9000000};
    enum
    {
        live = 24
    };
    void *blocks[live];
    for (size_t which = 0; which < sizeof sizes / sizeof *sizes; which++)
    {
        size_t count = sizes[which] > mib ? 2 : live;
        for (int round = 0; round < 3; round++)
        {
            for (size_t index = 0; index < count; index++)
            {
                blocks[index] = malloc(sizes[which]);
                assert_non_null(blocks[index]);
                memset(blocks[index], 0xa5, malloc_usable_size(blocks[index]));
            }
            for (size_t index = 0; index < count; index++)
                free(blocks[index]);
            for (size_t index = 0; index < count; index++)
            {
                blocks[index] = calloc(index % 2 ? sizes[which] : 1, index % 2 ? 1 : sizes[which]);
                assert_non_null(blocks[index]);
                assert_true(block_is_zero(blocks[index], sizes[which]));
                memset(blocks[index], 0xa5, sizes[which]);
            }
            for (size_t index = 0; index < count; index++)
                free(blocks[index]);
        }
    }
}

static void a_large_calloc_is_zero_and_stays_untouched(void **state)
{
    (void)state;
    size_t size = 512 * mib;
    size_t before = resident_bytes();
    unsigned char *block = calloc(1, opaque_size(size));
    assert_non_null(block);
    assert_true(!heap_is_ours() || growth(before, resident_bytes()) < 16 * mib);
    for (size_t at = 0; at < size; at += 16 * mib)
        assert_int_equal(block[at], 0);
    assert_int_equal(block[size - 1], 0);
    free(block);
}

static void usable_size_of_null_is_zero(void **state)
{
    (void)state;
    assert_int_equal(malloc_usable_size(opaque_block(NULL)), 0);
}

// One block in use at a time needs few places, whatever its size.
static void freed_block_is_reused_by_same_thread(void **state)
{
    (void)state;
    if (!heap_is_ours())
        return;
    for (size_t size = 1; size <= 256 * kib; size += size / 3 + 1)
    {
        void *places[16];
        size_t known = 0;
        for (int round = 0; round < 200; round++)
        {
            void *block = malloc(size);
            assert_non_null(block);
            size_t place = 0;
            while (place < known && places[place] != block)
                place++;
            assert_true(place < 16);
            places[place] = block;
            known += place == known;
            free(block);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malloc_of_zero_is_unique_and_freeable),
        cmocka_unit_test(free_of_null_does_nothing),
        cmocka_unit_test(free_keeps_errno),
        cmocka_unit_test(sizes_above_the_largest_difference_fail_with_enomem),
        cmocka_unit_test(more_than_the_address_space_fails_with_enomem),
        cmocka_unit_test(calloc_fails_where_the_product_overflows),
        cmocka_unit_test(calloc_after_dirty_reuse_is_zero),
        cmocka_unit_test(a_large_calloc_is_zero_and_stays_untouched),
        cmocka_unit_test(usable_size_of_null_is_zero),
        cmocka_unit_test(freed_block_is_reused_by_same_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
