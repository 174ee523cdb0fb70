// SPDX-License-Identifier: MIT
//
// parcel.h - blocks that know their own size and content, to be handed from thread to thread and verified by whoever
// frees them; and a shelf of slots over which threads hand them on. Include after support.h.
//
//     [ bytes | seed | pattern of the seed ... ]
//
#ifndef TESTS_PARCEL_H
#define TESTS_PARCEL_H

struct parcel
{
    size_t bytes; // of the whole block, header included
    uint64_t seed;
};

// Writes the parcel into `block`, which has room for `bytes`, at least sizeof(struct parcel).
static inline struct parcel *seal_parcel(void *block, size_t bytes, uint64_t seed)
{
    struct parcel *parcel = (struct parcel *)block;
    parcel->bytes = bytes;
    parcel->seed = seed;
    fill_block(parcel + 1, bytes - sizeof *parcel, seed);
    return parcel;
}

// Allocates a parcel of `bytes` (raised to the header's size). NULL if there is no memory.
static inline struct parcel *make_parcel(size_t bytes, uint64_t seed)
{
    bytes = bytes < sizeof(struct parcel) ? sizeof(struct parcel) : bytes;
    void *block = malloc(bytes);
    return block ? seal_parcel(block, bytes, seed) : NULL;
}

static inline int parcel_is_whole(const struct parcel *parcel)
{
    return parcel->bytes >= sizeof *parcel && parcel->bytes <= malloc_usable_size((void *)parcel) &&
           block_is_filled(parcel + 1, parcel->bytes - sizeof *parcel, parcel->seed);
}

// Verifies and frees. NULL is ignored.
static inline void open_parcel(struct parcel *parcel)
{
    if (!parcel)
        return;
    require(parcel_is_whole(parcel));
    free(parcel);
}

// Slots that any thread may exchange parcels with.
struct shelf
{
    size_t count;
    struct parcel *slots[4096];
};

// Puts a parcel (or NULL) in a slot and returns what lay there, now the caller's.
static inline struct parcel *exchange_parcel(struct shelf *shelf, size_t slot, struct parcel *parcel)
{
    return __atomic_exchange_n(&shelf->slots[slot % shelf->count], parcel, __ATOMIC_ACQ_REL);
}

// Makes parcels, mostly below 2^max_shift bytes, and opens those it gets for them on the shelf.
static inline void exchange_parcels(struct shelf *shelf, uint64_t random, int parcels, unsigned max_shift)
{
    for (int made = 0; made < parcels; made++)
    {
        const size_t size = random_size(&random, next_random(&random) % 128 ? max_shift : max_shift + 7);
        struct parcel *parcel = make_parcel(size, random);
        require(parcel != NULL);
        open_parcel(exchange_parcel(shelf, next_random(&random), parcel));
    }
}

static inline void clear_shelf(struct shelf *shelf)
{
    for (size_t slot = 0; slot < shelf->count; slot++)
        open_parcel(exchange_parcel(shelf, slot, NULL));
}

#endif // TESTS_PARCEL_H
