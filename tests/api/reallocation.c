// SPDX-License-Identifier: MIT
//
// reallocation.c - realloc and reallocarray: contents are kept over every kind of move, failure leaves the block alone.
#include "../support.h"

static void realloc_of_null_allocates(void **state)
{
    (void)state;
    for (size_t size = 0; size < 5000; size += 7)
    {
        void *block = realloc(opaque_block(NULL), size);
        assert_non_null(block);
        assert_true(is_aligned(block, alignment_due(size)));
        fill_block(block, malloc_usable_size(block), size);
        free(block);
    }
}

static void realloc_to_zero_frees_and_returns_null(void **state)
{
    (void)state;
    size_t before = resident_bytes();
    for (size_t step = 0; step < 20000; step++)
    {
        size_t size = step % 4 ? 40 * kib : step % 512;
        char *block = malloc(size + 1);
        assert_non_null(block);
        memset(block, 1, size + 1);
        assert_null(realloc(opaque_block(block), opaque_size(0)));
    }
    assert_true(!heap_is_ours() || growth(before, resident_bytes()) < 16 * mib);
}

static void realloc_keeps_contents_for_every_pair_of_sizes(void **state)
{
    (void)state;
    static const size_t sizes[] = {1,     2,      8,      9,      16,     17,      31,      32,     33,
                                   64,    100,    128,    129,    500,    1000,    1024,    1025,   3000,
                                   4096,  4097,   8192,   8193,   10000,  20000,   32768,   50000,  65536,
                                   65537, 130000, 262144, 262145, 500000, 1048576, 1048577, 2000000};
    size_t count = sizeof sizes / sizeof *sizes;
    for (size_t from = 0; from < count; from++)
    {
        for (size_t to = 0; to < count; to++)
        {
            size_t old_size = sizes[from], new_size = sizes[to];
            size_t kept = old_size < new_size ? old_size : new_size;
            unsigned char *block = malloc(old_size);
            assert_non_null(block);
            fill_block(block, kept / 8 * 8, from * count + to);
            memset(block + kept / 8 * 8, 0x5a, old_size - kept / 8 * 8);
            block = realloc(block, new_size);
            assert_non_null(block);
            assert_true(is_aligned(block, alignment_due(new_size)));
            assert_true(malloc_usable_size(block) >= new_size);
            assert_true(block_is_filled(block, kept / 8 * 8, from * count + to));
            for (size_t at = kept / 8 * 8; at < kept; at++)
                assert_int_equal(block[at], 0x5a);
            memset(block, 0, malloc_usable_size(block));
            free(block);
        }
    }
}

static void realloc_keeps_contents_to_and_from_200_mib(void **state)
{
    (void)state;
    static const size_t sizes[] = {16, 5000, 300000, 2097152, 8000000, 33554432, 33554433, 67108865, 209715200};
    size_t count = sizeof sizes / sizeof *sizes;
    for (size_t from = 0; from < count; from++)
    {
        for (size_t to = 0; to < count; to++)
        {
            size_t kept = sizes[from] < sizes[to] ? sizes[from] : sizes[to];
            void *block = malloc(sizes[from]);
            assert_non_null(block);
            stamp_block(block, sizes[from], from * 100 + to);
            block = realloc(block, sizes[to]);
            assert_non_null(block);
            assert_true(block_is_stamped(block, kept, from * 100 + to));
            stamp_block(block, sizes[to], to);
            assert_true(block_is_stamped(block, sizes[to], to));
            free(block);
        }
    }
}

// 16 bytes to 200 MiB and back in steps of about a third, with a second block that grows in between.
static void realloc_keeps_contents_while_two_blocks_grow_and_shrink(void **state)
{
    (void)state;
    unsigned char *blocks[2] = {NULL, NULL};
    size_t sizes[2] = {0, 0};
    size_t size = 16;
    for (int shrinking = 0; !(shrinking && size < 16);)
    {
        for (int which = 0; which < 2; which++)
        {
            size_t kept = sizes[which] < size ? sizes[which] : size;
            blocks[which] = realloc(blocks[which], size);
            assert_non_null(blocks[which]);
            assert_true(block_is_stamped(blocks[which], kept, (uint64_t)which + 77));
            stamp_block(blocks[which], size, (uint64_t)which + 77);
            sizes[which] = size;
        }
        if (size > 200 * mib)
            shrinking = 1;
        size = shrinking ? size - size / 3 - 1 : size + size / 3 + 1;
    }
    free(blocks[0]);
    free(blocks[1]);
}

static void realloc_byte_by_byte_keeps_contents(void **state)
{
    (void)state;
    unsigned char *block = NULL;
    for (size_t size = 1; size <= 20000; size++)
    {
        block = realloc(block, size);
        assert_non_null(block);
        block[size - 1] = (unsigned char)(size * 7);
    }
    for (size_t size = 20000; size > 0; size -= size > 3 ? 3 : size)
    {
        block = realloc(block, size);
        assert_non_null(block);
        for (size_t at = 0; at < size; at += size / 64 + 1)
            assert_int_equal(block[at], (unsigned char)((at + 1) * 7));
    }
    free(block);
}

static void failing_realloc_leaves_the_block(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 16, 100, 5000, 200000, 3000000, 40000000};
    static const size_t refused[] = {PTRDIFF_MAX, (size_t)PTRDIFF_MAX + 1, SIZE_MAX, SIZE_MAX - 8, (size_t)1 << 47};
    for (size_t which = 0; which < sizeof sizes / sizeof *sizes; which++)
    {
        void *block = malloc(sizes[which]);
        assert_non_null(block);
        size_t usable = malloc_usable_size(block);
        fill_block(block, sizes[which], which);
        for (size_t other = 0; other < sizeof refused / sizeof *refused; other++)
        {
            errno = 0;
            assert_null(realloc(opaque_block(block), opaque_size(refused[other])));
            assert_int_equal(errno, ENOMEM);
            assert_int_equal(malloc_usable_size(block), usable);
            assert_true(block_is_filled(block, sizes[which], which));
        }
        free(block);
    }
}

static void realloc_to_the_usable_size_stays_in_place(void **state)
{
    (void)state;
    for (size_t size = 1; size < 3 * mib; size += size / 16 + 1)
    {
        void *block = malloc(size);
        assert_non_null(block);
        uintptr_t place = (uintptr_t)block;
        block = realloc(block, malloc_usable_size(block));
        assert_true(!heap_is_ours() || (uintptr_t)block == place);
        free(block);
    }
}

static void reallocarray_fails_where_the_product_overflows(void **state)
{
    (void)state;
    static const size_t pairs[][2] = {
        {SIZE_MAX, 2}, {(size_t)1 << 32, (size_t)1 << 32}, {SIZE_MAX / 16 + 1, 16}, {3, SIZE_MAX / 2}};
    char *block = malloc(100);
    assert_non_null(block);
    fill_block(block, 100, 5);
    for (size_t which = 0; which < sizeof pairs / sizeof *pairs; which++)
    {
        errno = 0;
        assert_null(reallocarray(opaque_block(block), opaque_size(pairs[which][0]), opaque_size(pairs[which][1])));
        assert_int_equal(errno, ENOMEM);
        errno = 0;
        assert_null(reallocarray(opaque_block(NULL), opaque_size(pairs[which][0]), opaque_size(pairs[which][1])));
        assert_int_equal(errno, ENOMEM);
    }
    assert_true(block_is_filled(block, 100, 5));
    free(block);
}

static void reallocarray_is_realloc_of_the_product(void **state)
{
    (void)state;
    char *block = reallocarray(opaque_block(NULL), 25, 4);
    assert_non_null(block);
    fill_block(block, 100, 9);
    block = reallocarray(block, 1000, 1000);
    assert_non_null(block);
    assert_true(malloc_usable_size(block) >= 1000000);
    assert_true(block_is_filled(block, 96, 9));
    assert_null(reallocarray(block, opaque_size(0), 8));
}

static void random_reallocs_keep_contents(void **state)
{
    (void)state;
    enum
    {
        live = 64
    };
    struct
    {
        void *block;
        size_t size;
        uint64_t seed;
    } held[live];
    memset(held, 0, sizeof held);
    uint64_t random = 7;
    for (size_t step = 0; step < 30000; step++)
    {
        size_t index = next_random(&random) % live;
        size_t size = random_size(&random, 17);
        size_t kept = (held[index].size < size ? held[index].size : size) / 8 * 8;
        held[index].block = realloc(held[index].block, size);
        assert_non_null(held[index].block);
        assert_true(block_is_filled(held[index].block, kept, held[index].seed));
        held[index].size = size;
        held[index].seed = step;
        fill_block(held[index].block, size, step);
    }
    for (size_t index = 0; index < live; index++)
        free(held[index].block);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(realloc_of_null_allocates),
        cmocka_unit_test(realloc_to_zero_frees_and_returns_null),
        cmocka_unit_test(realloc_keeps_contents_for_every_pair_of_sizes),
        cmocka_unit_test(realloc_keeps_contents_to_and_from_200_mib),
        cmocka_unit_test(realloc_keeps_contents_while_two_blocks_grow_and_shrink),
        cmocka_unit_test(realloc_byte_by_byte_keeps_contents),
        cmocka_unit_test(failing_realloc_leaves_the_block),
        cmocka_unit_test(realloc_to_the_usable_size_stays_in_place),
        cmocka_unit_test(reallocarray_fails_where_the_product_overflows),
        cmocka_unit_test(reallocarray_is_realloc_of_the_product),
        cmocka_unit_test(random_reallocs_keep_contents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
