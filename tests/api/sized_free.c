// SPDX-License-Identifier: MIT
//
// sized_free.c - free_sized and free_aligned_sized accept every size (and alignment) a block was asked for. A refusal
// ends the program.
//
// All pairs (old, new) of sizes for which realloc(malloc(old), new) is freed with new would be 2^32. What is tried is
// enough to cover them: a block knows no more of its past than its class, so old runs over the first and last size of
// each class only; new runs over every size that fits the block, where realloc may stay in place. A block that moved is
// like one of malloc(new), tried for every new; that it moved from far is tried at the edges of the classes.
#include "../support.h"

enum
{
    limit = 65536
};

// The edges of the classes up to `limit`: each size whose usable size differs from that of the size before, and the
// size before. Found by asking, as a program would.
static size_t edges[512];
static size_t edge_count;

static void find_edges(void)
{
    size_t last = 0;
    edge_count = 0;
    for (size_t size = 1; size <= limit; size++)
    {
        void *block = malloc(size);
        assert_non_null(block);
        size_t usable = malloc_usable_size(block);
        free_sized(block, size);
        if (usable != last && edge_count + 2 <= sizeof edges / sizeof *edges)
        {
            if (size > 1)
                edges[edge_count++] = size - 1;
            edges[edge_count++] = size;
        }
        last = usable;
    }
    edges[edge_count++] = limit;
}

static void free_resized(size_t old_size, size_t new_size)
{
    void *block = malloc(old_size);
    assert_non_null(block);
    block = realloc(block, new_size);
    assert_non_null(block);
    free_sized(block, new_size);
}

static void every_size_is_accepted_and_so_is_the_usable_size(void **state)
{
    (void)state;
    for (size_t size = 0; size <= limit; size++)
    {
        void *block = malloc(opaque_size(size));
        assert_non_null(block);
        free_sized(block, opaque_size(size));
        block = calloc(1, opaque_size(size));
        assert_non_null(block);
        free_sized(block, opaque_size(malloc_usable_size(block)));
    }
}

static void every_size_a_block_may_be_reallocated_to_in_place_is_accepted(void **state)
{
    (void)state;
    find_edges();
    assert_true(edge_count > 20);
    for (size_t index = 0; index < edge_count; index++)
    {
        void *block = malloc(edges[index]);
        assert_non_null(block);
        size_t usable = malloc_usable_size(block);
        free(block);
        for (size_t size = 1; size <= usable; size++)
            free_resized(edges[index], size);
    }
}

static void every_move_between_class_edges_is_accepted(void **state)
{
    (void)state;
    find_edges();
    for (size_t from = 0; from < edge_count; from++)
    {
        for (size_t to = 0; to < edge_count; to++)
        {
            free_resized(edges[from], edges[to]);
            free_resized(edges[from], edges[to] + 1);
            if (edges[to] > 1)
                free_resized(edges[from], edges[to] - 1);
        }
        for (size_t size = from + 1; size <= limit; size += 997)
            free_resized(edges[from], size);
    }
}

// Shrunk within the block and grown again: the last size counts.
static void the_last_of_several_reallocs_is_accepted(void **state)
{
    (void)state;
    find_edges();
    for (size_t from = 0; from < edge_count; from += 3)
    {
        for (size_t middle = 0; middle < edge_count; middle += 5)
        {
            for (size_t to = middle % 2; to < edge_count; to += 7)
            {
                void *block = realloc(malloc(edges[from]), edges[middle]);
                assert_non_null(block);
                block = realloc(block, edges[to]);
                assert_non_null(block);
                free_sized(block, edges[to]);
            }
        }
    }
}

// Many at once, so that frees take the slow paths too, and by another thread than the one that allocated.
enum
{
    most_at_once = 3000
};

static struct
{
    void *blocks[most_at_once];
    size_t count;
    size_t size;
} held;

static void hold(size_t size)
{
    held.size = size;
    held.count = 2 * mib / (size + 16);
    held.count = held.count > most_at_once ? most_at_once : held.count;
    for (size_t index = 0; index < held.count; index++)
    {
        held.blocks[index] = malloc(opaque_size(size));
        assert_non_null(held.blocks[index]);
    }
}

static void *free_held(void *argument)
{
    for (size_t index = 0; index < held.count; index++)
        free_sized(held.blocks[index], held.size);
    return argument;
}

static void every_size_is_accepted_when_many_are_freed(void **state)
{
    (void)state;
    for (size_t size = 0; size <= 300; size++)
    {
        hold(size);
        free_held(NULL);
    }
    find_edges();
    for (size_t index = 0; index < edge_count; index++)
    {
        hold(edges[index]);
        free_held(NULL);
    }
}

static void every_size_is_accepted_from_another_thread(void **state)
{
    (void)state;
    for (size_t size = 0; size <= 300; size++)
    {
        hold(size);
        join_thread(start_thread(free_held, NULL));
    }
    find_edges();
    for (size_t index = 0; index < edge_count; index++)
    {
        hold(edges[index]);
        join_thread(start_thread(free_held, NULL));
    }
    assert_heap_is_whole();
}

static void large_and_outside_blocks_accept_their_sizes(void **state)
{
    (void)state;
    static const size_t bases[] = {131072,  262144,  300000,  524288,   1048576,
                                   2097152, 3000000, 8388608, 33554432, 67108864};
    static const ptrdiff_t offsets[] = {-4096, -1, 0, 1, 4095};
    size_t sizes[50];
    for (size_t index = 0; index < 50; index++)
        sizes[index] = bases[index / 5] + (size_t)offsets[index % 5];
    for (size_t from = 0; from < 50; from++)
    {
        void *block = malloc(sizes[from]);
        assert_non_null(block);
        free_sized(block, sizes[from]);
        block = malloc(sizes[from]);
        assert_non_null(block);
        free_sized(block, malloc_usable_size(block));
        for (size_t to = 0; to < 50; to++)
            free_resized(sizes[from], sizes[to]);
        for (size_t size = 1; size <= limit; size = size * 3 + 1)
        {
            free_resized(sizes[from], size);
            free_resized(size, sizes[from]);
        }
    }
}

static void aligned_blocks_accept_their_alignment_and_size(void **state)
{
    (void)state;
    find_edges();
    for (size_t alignment = 1; alignment <= 8 * mib; alignment *= 2)
    {
        for (size_t index = 0; index <= edge_count; index++)
        {
            size_t size = index < edge_count ? edges[index] : 0;
            void *block = aligned_alloc(alignment, size);
            assert_non_null(block);
            free_aligned_sized(block, alignment, size);
            block = memalign(alignment, size);
            assert_non_null(block);
            free_aligned_sized(block, alignment, malloc_usable_size(block));
            if (alignment >= sizeof(void *))
            {
                assert_int_equal(posix_memalign(&block, alignment, size), 0);
                free_aligned_sized(block, alignment, size);
            }
        }
    }
}

static void every_size_is_accepted_at_common_alignments(void **state)
{
    (void)state;
    static const size_t alignments[] = {8, 16, 32, 64, 128, 256, 4096};
    for (size_t which = 0; which < sizeof alignments / sizeof *alignments; which++)
    {
        for (size_t size = 0; size <= limit; size++)
        {
            void *block = aligned_alloc(alignments[which], opaque_size(size));
            assert_non_null(block);
            free_aligned_sized(block, alignments[which], opaque_size(size));
        }
    }
}

static void reallocated_aligned_blocks_accept_the_last_size(void **state)
{
    (void)state;
    find_edges();
    for (size_t alignment = 32; alignment <= 256 * kib; alignment *= 2)
    {
        for (size_t from = 0; from < edge_count; from += 4)
        {
            for (size_t to = from % 3; to < edge_count; to += 3)
            {
                void *block = realloc(aligned_alloc(alignment, edges[from]), edges[to]);
                assert_non_null(block);
                free_sized(block, edges[to]);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_size_is_accepted_and_so_is_the_usable_size),
        cmocka_unit_test(every_size_a_block_may_be_reallocated_to_in_place_is_accepted),
        cmocka_unit_test(every_move_between_class_edges_is_accepted),
        cmocka_unit_test(the_last_of_several_reallocs_is_accepted),
        cmocka_unit_test(every_size_is_accepted_when_many_are_freed),
        cmocka_unit_test(every_size_is_accepted_from_another_thread),
        cmocka_unit_test(large_and_outside_blocks_accept_their_sizes),
        cmocka_unit_test(aligned_blocks_accept_their_alignment_and_size),
        cmocka_unit_test(every_size_is_accepted_at_common_alignments),
        cmocka_unit_test(reallocated_aligned_blocks_accept_the_last_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
