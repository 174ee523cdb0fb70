// SPDX-License-Identifier: MIT
//
// twins.c - malloc's names and fastalloc's are the same functions: a block from either may be given to either, and
// blocks of either are counted.
#include "../support.h"

typedef void *(*allocate_function)(size_t size);
typedef void (*release_function)(void *block, size_t size);

static void *plain_malloc(size_t size)
{
    return malloc(size);
}
static void *plain_calloc(size_t size)
{
    return calloc(1, size);
}
static void *plain_realloc(size_t size)
{
    return realloc(malloc(1), size);
}
static void *plain_reallocarray(size_t size)
{
    return reallocarray(malloc(30000), 1, size);
}
static void *plain_aligned_alloc(size_t size)
{
    return aligned_alloc(64, size);
}
static void *plain_memalign(size_t size)
{
    return memalign(4096, size);
}
static void *plain_valloc(size_t size)
{
    return valloc(size);
}
static void *plain_pvalloc(size_t size)
{
    return pvalloc(size);
}
static void *plain_posix_memalign(size_t size)
{
    void *block = NULL;
    return posix_memalign(&block, 256, size) == 0 ? block : NULL;
}

// A weak name has no address to put in a table: these call it.
static void *own_malloc(size_t size)
{
    return fastalloc_malloc(size);
}
static void *own_valloc(size_t size)
{
    return fastalloc_valloc(size);
}
static void *own_pvalloc(size_t size)
{
    return fastalloc_pvalloc(size);
}
static void *own_calloc(size_t size)
{
    return fastalloc_calloc(1, size);
}
static void *own_realloc(size_t size)
{
    return fastalloc_realloc(malloc(1), size);
}
static void *own_reallocarray(size_t size)
{
    return fastalloc_reallocarray(malloc(30000), 1, size);
}
static void *own_aligned_alloc(size_t size)
{
    return fastalloc_aligned_alloc(64, size);
}
static void *own_memalign(size_t size)
{
    return fastalloc_memalign(4096, size);
}
static void *own_posix_memalign(size_t size)
{
    void *block = NULL;
    return fastalloc_posix_memalign(&block, 256, size) == 0 ? block : NULL;
}

static void plain_free(void *block, size_t size)
{
    (void)size;
    free(block);
}
static void plain_free_by_realloc(void *block, size_t size)
{
    (void)size;
    require(realloc(block, opaque_size(0)) == NULL);
}
static void plain_grow_and_free(void *block, size_t size)
{
    free(realloc(block, size * 3));
}
static void own_free(void *block, size_t size)
{
    (void)size;
    fastalloc_free(block);
}
static void own_free_by_realloc(void *block, size_t size)
{
    (void)size;
    require(fastalloc_realloc(block, opaque_size(0)) == NULL);
}
static void own_grow_and_free(void *block, size_t size)
{
    fastalloc_free(fastalloc_realloc(block, size * 3));
}
static void free_by_usable_size(void *block, size_t size)
{
    (void)size;
    fastalloc_free_sized(block, malloc_usable_size(block));
}

static void a_block_from_either_may_be_given_to_either(void **state)
{
    (void)state;
    static const allocate_function allocates[] = {
        plain_malloc,   plain_calloc,     plain_realloc,     plain_reallocarray,   plain_aligned_alloc,
        plain_memalign, plain_valloc,     plain_pvalloc,     plain_posix_memalign, own_calloc,
        own_realloc,    own_reallocarray, own_aligned_alloc, own_memalign,         own_posix_memalign,
        own_malloc,     own_valloc,       own_pvalloc};
    static const release_function releases[] = {plain_free,         plain_free_by_realloc, plain_grow_and_free,
                                                own_free,           own_free_by_realloc,   own_grow_and_free,
                                                free_by_usable_size};
    static const size_t sizes[] = {1, 64, 1000, 20000, 300000, 3000000, 40000000};
    uint64_t before = stats_now().live_bytes + stats_now().outside_bytes;
    for (size_t a = 0; a < sizeof allocates / sizeof *allocates; a++)
    {
        for (size_t r = 0; r < sizeof releases / sizeof *releases; r++)
        {
            for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
            {
                void *block = allocates[a](sizes[s]);
                assert_non_null(block);
                assert_int_equal(malloc_usable_size(block), fastalloc_malloc_usable_size(block));
                stamp_block(block, sizes[s], s);
                releases[r](block, sizes[s]);
            }
        }
    }
    assert_requirements_met();
    assert_int_equal(stats_now().live_bytes + stats_now().outside_bytes, before);
}

static void sized_frees_take_blocks_of_either(void **state)
{
    (void)state;
    for (size_t size = 1; size < 3 * mib; size = size * 2 + 5)
    {
        fastalloc_free_sized(malloc(size), size);
        free_sized(fastalloc_malloc(size), size);
        fastalloc_free_aligned_sized(aligned_alloc(128, size), 128, size);
        free_aligned_sized(fastalloc_aligned_alloc(128, size), 128, size);
    }
    assert_heap_is_whole();
}

static uint64_t counted_bytes(void)
{
    struct fastalloc_stats stats = stats_now();
    return stats.live_bytes + stats.outside_bytes;
}

static void blocks_of_malloc_are_counted_by_fastalloc(void **state)
{
    (void)state;
    uint64_t before = counted_bytes();
    void *block = malloc(opaque_size(5000));
    assert_true(counted_bytes() >= before + 5000);
    free(block);
    assert_int_equal(counted_bytes(), before);
    // Libraries' blocks as well: this one is libc's.
    char *text = strdup("as long a text as is needed to be seen in the figures");
    assert_true(counted_bytes() >= before + strlen(text));
    fastalloc_free(text);
    assert_int_equal(counted_bytes(), before);
}

static void errors_are_the_same_under_both_names(void **state)
{
    (void)state;
    char mark;
    void *block = &mark;
    errno = 0;
    assert_null(fastalloc_malloc(opaque_size(SIZE_MAX)));
    assert_int_equal(errno, ENOMEM);
    errno = 0;
    assert_null(fastalloc_calloc(opaque_size(SIZE_MAX), 2));
    assert_int_equal(errno, ENOMEM);
    errno = 0;
    assert_null(fastalloc_reallocarray(NULL, opaque_size(SIZE_MAX), 2));
    assert_int_equal(errno, ENOMEM);
    errno = 0;
    assert_null(fastalloc_aligned_alloc(opaque_size(24), 100));
    assert_int_equal(errno, EINVAL);
    assert_int_equal(fastalloc_posix_memalign(&block, opaque_size(4), 100), EINVAL);
    assert_ptr_equal(block, &mark);
    assert_int_equal(fastalloc_malloc_usable_size(NULL), 0);
    fastalloc_free(NULL);
    fastalloc_free_sized(NULL, 5);
    fastalloc_free_aligned_sized(NULL, 16, 5);
}

static void the_version_is_that_of_the_header(void **state)
{
    (void)state;
    char expected[64];
    snprintf(expected, sizeof expected, "%d.%d.%d", FASTALLOC_VERSION_MAJOR, FASTALLOC_VERSION_MINOR,
             FASTALLOC_VERSION_PATCH);
    assert_string_equal(fastalloc_version(), expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_from_either_may_be_given_to_either),
        cmocka_unit_test(sized_frees_take_blocks_of_either),
        cmocka_unit_test(blocks_of_malloc_are_counted_by_fastalloc),
        cmocka_unit_test(errors_are_the_same_under_both_names),
        cmocka_unit_test(the_version_is_that_of_the_header),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
