// SPDX-License-Identifier: MIT
//
// pipelines.c - blocks that live in one thread and end in another: `pipelines [SEED [SECONDS]]`. Several producers and
// several consumers on one queue; chains in which a block is passed along from thread to thread, looked at or resized
// by each and freed by the last; threads that end while others free what they left.
#include "../support.h"

#include "../children.h"
#include "../parcel.h"

#include "queue.h"
#include "storm.h"

// ---- rounds ------------------------------------------------------------------------------------------------------

enum
{
    stations = 5,
    parcels_a_round = 3000
};

static struct queue queues[stations];
static uint64_t seed_of_round;

static uint64_t seed_of_thread(void *argument)
{
    return seed_of_round ^ (uint64_t)(uintptr_t)argument << 32;
}

// Until a round's end a parcel is of one of a few sizes or of any.
static struct parcel *make_any_parcel(uint64_t *random)
{
    const uint64_t fixed = 24 + (seed_of_round >> 20) % 5000;
    const size_t size = seed_of_round % 2 ? fixed : random_size(random, next_random(random) % 64 ? 12 : 20);
    struct parcel *parcel = make_parcel(size, *random);
    require(parcel != NULL);
    return parcel;
}

static void *produce(void *argument)
{
    uint64_t random = seed_of_thread(argument);
    for (unsigned made = 0; made < parcels_a_round; made++)
        put(&queues[0], make_any_parcel(&random));
    put_no_more(&queues[0]);
    return NULL;
}

// Frees at once, or keeps some and frees them from the back.
static void *consume(void *argument)
{
    uint64_t random = seed_of_thread(argument);
    struct parcel *kept[64];
    unsigned count = 0;
    for (struct parcel *parcel; (parcel = take(&queues[0])) != NULL;)
    {
        if (count < 64 && next_random(&random) % 2)
        {
            kept[count++] = parcel;
            continue;
        }
        open_parcel(parcel);
        while (count == 64)
            for (; count > 0; count--)
                open_parcel(kept[count - 1]);
    }
    for (; count > 0; count--)
        open_parcel(kept[count - 1]);
    return NULL;
}

static void run_round(unsigned producers, void *(*first)(void *), unsigned others, void *(*second)(void *))
{
    pthread_t threads[producers + others];
    for (uintptr_t index = 0; index < producers + others; index++)
        threads[index] = start_thread(index < producers ? first : second, (void *)(index + 1));
    for (unsigned index = 0; index < producers + others; index++)
        join_thread(threads[index]);
}

static void produce_and_consume(uint64_t *random)
{
    const unsigned producers = 1 + (unsigned)(next_random(random) % 4);
    open_queue(&queues[0], producers);
    run_round(producers, produce, 1 + (unsigned)(next_random(random) % 4), consume);
}

// Station 1 makes parcels, the next ones look at them, resize some, and pass them on; the last one frees them.
static void *stand_at_station(void *argument)
{
    const unsigned station = (unsigned)(uintptr_t)argument - 1;
    uint64_t random = seed_of_thread(argument);
    for (unsigned made = 0; station == 0 && made < parcels_a_round; made++)
        put(&queues[1], make_any_parcel(&random));
    for (struct parcel *parcel; station > 0 && (parcel = take(&queues[station])) != NULL;)
    {
        if (station + 1 == stations)
        {
            open_parcel(parcel);
            continue;
        }
        require(parcel_is_whole(parcel));
        if (next_random(&random) % 8 == 0)
        {
            const size_t bytes = sizeof *parcel + random_size(&random, 14);
            void *block = realloc(parcel, bytes);
            require(block != NULL);
            parcel = seal_parcel(block, bytes, random);
        }
        put(&queues[station + 1], parcel);
    }
    if (station + 1 < stations)
        put_no_more(&queues[station + 1]);
    return NULL;
}

static void pass_along(uint64_t *random)
{
    (void)random;
    for (unsigned station = 1; station < stations; station++)
        open_queue(&queues[station], 1);
    run_round(stations, stand_at_station, 0, NULL);
}

// A maker fills the queue and ends; those that free are at work before, while and after it does.
static void *make_and_end(void *argument)
{
    uint64_t random = seed_of_thread(argument);
    for (unsigned made = 0; made < 100; made++)
        put(&queues[0], make_any_parcel(&random));
    return NULL;
}

static void *have_others_make(void *argument)
{
    for (uintptr_t generation = 1; generation <= 20; generation++)
        join_thread(start_thread(make_and_end, (void *)((uintptr_t)argument << 8 | generation)));
    put_no_more(&queues[0]);
    return NULL;
}

static void end_while_others_free(uint64_t *random)
{
    const unsigned makers = 2 + (unsigned)(next_random(random) % 2);
    open_queue(&queues[0], makers);
    run_round(makers, have_others_make, 2, consume);
}

static void repeat(void (*round)(uint64_t *random))
{
    const struct fastalloc_stats before = stats_now();
    const double end = seconds_now() + seconds_for_each;
    uint64_t random = seed_of_run;
    unsigned rounds = 0;
    do
    {
        seed_of_round = next_random(&random);
        round(&random);
        rounds++;
    } while (seconds_now() < end && !requirements_unmet);
    print_message("# %u rounds\n", rounds);
    assert_nothing_is_lost(&before);
    assert_true(stats_now().arenas <= 64);
}

static void several_consumers_free_what_several_producers_made(void **state)
{
    (void)state;
    repeat(produce_and_consume);
}

static void blocks_are_passed_along_a_chain_and_freed_by_the_last(void **state)
{
    (void)state;
    repeat(pass_along);
}

static void threads_end_while_others_free_their_blocks(void **state)
{
    (void)state;
    repeat(end_while_others_free);
}

int main(int count, char **arguments)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(several_consumers_free_what_several_producers_made),
        cmocka_unit_test(blocks_are_passed_along_a_chain_and_freed_by_the_last),
        cmocka_unit_test(threads_end_while_others_free_their_blocks),
    };
    begin_storm(count, arguments, sizeof tests / sizeof *tests);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
