// SPDX-License-Identifier: MIT
//
// aligned.c - aligned_alloc, posix_memalign, memalign, valloc and pvalloc.
#include "../support.h"

static void aligned_alloc_refuses_what_is_no_power_of_two(void **state)
{
    (void)state;
    static const size_t alignments[] = {0, 3, 5, 6, 7, 12, 24, 48, 100, 4095, 4097, 65537, SIZE_MAX, SIZE_MAX - 1};
    for (size_t which = 0; which < sizeof alignments / sizeof *alignments; which++)
    {
        errno = 0;
        assert_null(aligned_alloc(opaque_size(alignments[which]), opaque_size(64)));
        assert_int_equal(errno, EINVAL);
    }
}

static void assert_serves(void *block, size_t alignment, size_t size)
{
    assert_non_null(block);
    assert_true(is_aligned(block, alignment));
    assert_true(is_aligned(block, alignment_due(size)));
    size_t usable = malloc_usable_size(block);
    assert_true(usable >= size);
    if (usable <= mib)
    {
        fill_block(block, usable, alignment + size);
        assert_true(block_is_filled(block, usable, alignment + size));
    }
    else
    {
        ((char *)block)[0] = 1;
        ((char *)block)[usable - 1] = 1;
    }
}

static void every_power_of_two_to_1_gib_is_an_alignment(void **state)
{
    (void)state;
    for (size_t alignment = 1; alignment <= gib; alignment *= 2)
    {
        size_t sizes[] = {0,
                          1,
                          8,
                          9,
                          100,
                          5000,
                          70000,
                          300000,
                          alignment - 1,
                          alignment,
                          alignment + 1,
                          3 * alignment / 2,
                          3 * alignment};
        for (size_t which = 0; which < sizeof sizes / sizeof *sizes; which++)
        {
            void *block = aligned_alloc(opaque_size(alignment), sizes[which]);
            assert_serves(block, alignment, sizes[which]);
            free(block);
            if (alignment >= sizeof(void *))
            {
                block = NULL;
                assert_int_equal(posix_memalign(&block, alignment, sizes[which]), 0);
                assert_serves(block, alignment, sizes[which]);
                free(block);
            }
            block = memalign(alignment, sizes[which]);
            assert_serves(block, alignment, sizes[which]);
            free(block);
        }
    }
}

static void live_aligned_blocks_are_apart(void **state)
{
    (void)state;
    enum
    {
        live = 64
    };
    struct
    {
        void *block;
        size_t usable;
    } held[live];
    for (size_t alignment = 16; alignment <= 256 * kib; alignment *= 2)
    {
        for (size_t size = 1; size <= 100000; size = size * 7 + 3)
        {
            for (size_t index = 0; index < live; index++)
            {
                held[index].block = aligned_alloc(alignment, size);
                assert_non_null(held[index].block);
                assert_true(is_aligned(held[index].block, alignment));
                held[index].usable = malloc_usable_size(held[index].block);
                assert_true(held[index].usable >= size);
                fill_block(held[index].block, size, index);
            }
            for (size_t index = 0; index < live; index++)
            {
                assert_true(block_is_filled(held[index].block, size, index));
                free(held[index].block);
            }
        }
    }
}

static void realloc_of_an_aligned_block_keeps_contents(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 100, 3000, 70000, 1000000};
    for (size_t alignment = 32; alignment <= 4 * mib; alignment *= 4)
    {
        for (size_t from = 0; from < 5; from++)
        {
            for (size_t to = 0; to < 5; to++)
            {
                size_t kept = (sizes[from] < sizes[to] ? sizes[from] : sizes[to]) / 8 * 8;
                void *block = aligned_alloc(alignment, sizes[from]);
                assert_non_null(block);
                fill_block(block, sizes[from], alignment);
                block = realloc(block, sizes[to]);
                assert_non_null(block);
                assert_true(block_is_filled(block, kept, alignment));
                fill_block(block, malloc_usable_size(block), 1);
                free(block);
            }
        }
    }
}

static void posix_memalign_refuses_other_alignments_and_leaves_the_block(void **state)
{
    (void)state;
    static const size_t alignments[] = {0, 1, 2, 3, 4, 7, 12, 24, 40, 100, 4097, SIZE_MAX, SIZE_MAX - 7};
    char mark;
    for (size_t which = 0; which < sizeof alignments / sizeof *alignments; which++)
    {
        void *block = &mark;
        errno = EDOM;
        assert_int_equal(posix_memalign(&block, opaque_size(alignments[which]), 64), EINVAL);
        assert_ptr_equal(block, &mark);
        assert_int_equal(errno, EDOM);
    }
}

static void posix_memalign_without_memory_leaves_the_block_and_errno(void **state)
{
    (void)state;
    static const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 4096, PTRDIFF_MAX, (size_t)PTRDIFF_MAX + 1, (size_t)1 << 47};
    char mark;
    for (size_t which = 0; which < sizeof sizes / sizeof *sizes; which++)
    {
        for (size_t alignment = sizeof(void *); alignment <= gib; alignment *= 8)
        {
            void *block = &mark;
            errno = EDOM;
            assert_int_equal(posix_memalign(&block, alignment, opaque_size(sizes[which])), ENOMEM);
            assert_ptr_equal(block, &mark);
            assert_int_equal(errno, EDOM);
        }
    }
    void *block = NULL;
    errno = EDOM;
    assert_int_equal(posix_memalign(&block, 64, 1000), 0);
    assert_int_equal(errno, EDOM);
    free(block);
}

static void aligned_alloc_without_memory_fails_with_enomem(void **state)
{
    (void)state;
    static const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 4096, PTRDIFF_MAX, (size_t)PTRDIFF_MAX + 1, (size_t)1 << 47};
    for (size_t which = 0; which < sizeof sizes / sizeof *sizes; which++)
    {
        for (size_t alignment = 1; alignment <= gib; alignment *= 4)
        {
            errno = 0;
            assert_null(aligned_alloc(alignment, opaque_size(sizes[which])));
            assert_int_equal(errno, ENOMEM);
            errno = 0;
            assert_null(memalign(alignment, opaque_size(sizes[which])));
            assert_int_equal(errno, ENOMEM);
        }
    }
    for (unsigned shift = 47; shift < 64; shift++)
    {
        errno = 0;
        assert_null(aligned_alloc(opaque_size((size_t)1 << shift), 16));
        assert_int_equal(errno, ENOMEM);
    }
}

static void memalign_rounds_up_to_a_power_of_two(void **state)
{
    (void)state;
    static const size_t pairs[][2] = {
        {0, 1},     {1, 1},       {3, 4},       {5, 8},          {24, 32},          {33, 64},
        {100, 128}, {4095, 4096}, {4097, 8192}, {65537, 131072}, {3000000, 4194304}};
    for (size_t which = 0; which < sizeof pairs / sizeof *pairs; which++)
    {
        for (size_t size = 1; size < 10000; size = size * 3 + 1)
        {
            void *block = memalign(opaque_size(pairs[which][0]), size);
            assert_serves(block, pairs[which][1], size);
            free(block);
        }
    }
    assert_null(memalign(opaque_size(SIZE_MAX), 16));
    assert_null(memalign(opaque_size(SIZE_MAX / 2 + 2), 16));
}

static void valloc_and_pvalloc_give_whole_pages(void **state)
{
    (void)state;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (size_t size = 0; size < 3000000; size = size * 5 / 2 + 1)
    {
        void *block = valloc(size);
        assert_serves(block, page, size);
        free(block);
        block = pvalloc(size);
        assert_serves(block, page, (size + page - 1) / page * page);
        free(block);
    }
    static const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 1, SIZE_MAX - 4096, PTRDIFF_MAX};
    for (size_t which = 0; which < sizeof sizes / sizeof *sizes; which++)
    {
        errno = 0;
        assert_null(pvalloc(opaque_size(sizes[which])));
        assert_int_equal(errno, ENOMEM);
        errno = 0;
        assert_null(valloc(opaque_size(sizes[which])));
        assert_int_equal(errno, ENOMEM);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(aligned_alloc_refuses_what_is_no_power_of_two),
        cmocka_unit_test(every_power_of_two_to_1_gib_is_an_alignment),
        cmocka_unit_test(live_aligned_blocks_are_apart),
        cmocka_unit_test(realloc_of_an_aligned_block_keeps_contents),
        cmocka_unit_test(posix_memalign_refuses_other_alignments_and_leaves_the_block),
        cmocka_unit_test(posix_memalign_without_memory_leaves_the_block_and_errno),
        cmocka_unit_test(aligned_alloc_without_memory_fails_with_enomem),
        cmocka_unit_test(memalign_rounds_up_to_a_power_of_two),
        cmocka_unit_test(valloc_and_pvalloc_give_whole_pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
