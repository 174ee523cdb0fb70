// SPDX-License-Identifier: MIT
//
// memory_return.c - memory that no block uses goes back to the system at the call that frees it, between blocks that
// stay as well; what is kept is bounded by a few MiB and a share of what is live. Each case runs in a child of its own:
// memory that is wanted again within a second of being given back is, rightly, kept longer.
#include "../support.h"

#include "../children.h"

static const size_t total = (size_t)160 << 20;
static const size_t kept_at_most = (size_t)16 << 20;

enum order
{
    forwards,
    backwards,
    shuffled
};

struct case_of_return
{
    size_t size;
    enum order order;
};

static void reorder(void **blocks, size_t count, enum order order)
{
    uint64_t random = 3;
    for (size_t index = 0; index < count; index++)
    {
        size_t other = order == shuffled ? next_random(&random) % count : count - 1 - index;
        if (order == backwards && other <= index)
            return;
        void *block = blocks[index];
        blocks[index] = blocks[other];
        blocks[other] = block;
    }
}

static void free_all_and_look(void *argument)
{
    const struct case_of_return *it = argument;
    size_t count = total / it->size;
    size_t before = resident_bytes();
    void **blocks = malloc(count * sizeof *blocks);
    require(blocks != NULL);
    for (size_t index = 0; index < count; index++)
    {
        blocks[index] = malloc(it->size);
        require(blocks[index] != NULL);
        memset(blocks[index], 1, it->size);
    }
    require(growth(before, resident_bytes()) > total * 9 / 10);
    if (it->order != forwards)
        reorder(blocks, count, it->order);
    for (size_t index = 0; index < count; index++)
        free(blocks[index]);
    free(blocks);
    size_t kept = growth(before, resident_bytes());
    require(kept < kept_at_most);
    if (kept >= kept_at_most)
        fprintf(stderr, "# blocks of %zu bytes, order %d: %zu KiB still resident\n", it->size, it->order, kept / kib);
}

static void assert_returned(size_t size)
{
    for (int order = forwards; order <= shuffled; order++)
    {
        struct case_of_return it = {size, (enum order)order};
        assert_int_equal(run_child(free_all_and_look, &it, 60), 0);
    }
}

static void memory_of_small_blocks_goes_back(void **state)
{
    (void)state;
    assert_returned(64);
    assert_returned(1000);
}

static void memory_of_medium_blocks_goes_back(void **state)
{
    (void)state;
    assert_returned(20000);
    assert_returned(200000);
}

static void memory_of_large_blocks_goes_back(void **state)
{
    (void)state;
    assert_returned(300000);
    assert_returned(5000000);
}

static void memory_of_the_largest_blocks_goes_back(void **state)
{
    (void)state;
    assert_returned(40000000);
}

static void shrink_and_look(void *argument)
{
    (void)argument;
    static const size_t sizes[] = {1000000, 20000000, 150000000};
    for (size_t which = 0; which < 3; which++)
    {
        size_t before = resident_bytes();
        char *block = malloc(sizes[which]);
        require(block != NULL);
        memset(block, 1, sizes[which]);
        block = realloc(block, 1000);
        require(block != NULL && block[999] == 1);
        require(growth(before, resident_bytes()) < kept_at_most);
        free(block);
    }
}

static void memory_cut_off_by_realloc_goes_back(void **state)
{
    (void)state;
    assert_int_equal(run_child(shrink_and_look, NULL, 60), 0);
}

// Of many blocks of all sizes up to a few pages' one in twenty stays, one after the other or here and there.
static void free_all_but_a_few(void *argument)
{
    const int at_random = *(const int *)argument;
    enum
    {
        count = 150000
    };
    static unsigned char *blocks[count];
    uint64_t random = 5;
    const size_t before = resident_bytes();
    for (size_t index = 0; index < count; index++)
    {
        const size_t size = 16 + 7919 * index % 1800;
        blocks[index] = malloc(size);
        require(blocks[index] != NULL);
        fill_block(blocks[index], size, index);
    }
    const size_t peak = growth(before, resident_bytes());
    for (size_t index = 0; index < count; index++)
        if (at_random ? next_random(&random) % 20 != 0 : index % 20 != 0)
        {
            free(blocks[index]);
            blocks[index] = NULL;
        }
    const size_t kept = growth(before, resident_bytes());
    require(kept <= peak / 20 * 7);
    if (kept > peak / 20 * 7)
        fprintf(stderr, "# %zu KiB of %zu KiB still resident\n", kept / kib, peak / kib);
    for (size_t index = 0; index < count; index++)
        require(blocks[index] == NULL || block_is_filled(blocks[index], 16 + 7919 * index % 1800, index));
    for (size_t index = 0; index < count; index++)
    {
        const size_t size = 16 + 7919 * index % 1800;
        if (blocks[index] == NULL)
            blocks[index] = malloc(size);
        require(blocks[index] != NULL);
        fill_block(blocks[index], size, index);
    }
    for (size_t index = 0; index < count; index++)
        require(block_is_filled(blocks[index], 16 + 7919 * index % 1800, index));
    require(growth(before, resident_bytes()) <= peak + peak / 20);
}

static void memory_between_blocks_that_stay_goes_back(void **state)
{
    (void)state;
    for (int at_random = 0; at_random < 2; at_random++)
        assert_int_equal(run_child(free_all_but_a_few, &at_random, 60), 0);
}

// Grown and shrunk for ever, a program's memory stays what its largest state needs.
static void wax_and_wane(void *argument)
{
    (void)argument;
    enum
    {
        count = 8000
    };
    static void *blocks[count];
    uint64_t random = 11;
    size_t before = resident_bytes(), first = 0;
    for (int round = 0; round < 12; round++)
    {
        for (size_t index = 0; index < count; index++)
        {
            size_t size = random_size(&random, 13);
            blocks[index] = malloc(size);
            require(blocks[index] != NULL);
            memset(blocks[index], 1, size);
        }
        size_t now = growth(before, resident_bytes());
        first = round == 0 ? now : first;
        require(now < first + first / 2 + 8 * mib);
        for (size_t index = 0; index < count; index++)
            free(blocks[index]);
    }
}

static void rounds_of_use_need_no_more_memory_than_the_first(void **state)
{
    (void)state;
    assert_int_equal(run_child(wax_and_wane, NULL, 60), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_of_small_blocks_goes_back),
        cmocka_unit_test(memory_of_medium_blocks_goes_back),
        cmocka_unit_test(memory_of_large_blocks_goes_back),
        cmocka_unit_test(memory_of_the_largest_blocks_goes_back),
        cmocka_unit_test(memory_cut_off_by_realloc_goes_back),
        cmocka_unit_test(memory_between_blocks_that_stay_goes_back),
        cmocka_unit_test(rounds_of_use_need_no_more_memory_than_the_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
