// SPDX-License-Identifier: MIT
//
// statistics_json.c - writes statistics twice, while its threads wait: as JSON to one file and as the getters' structures
// to another, for statistics_json.py, which holds them against each other. `statistics_json JSON STRUCTURES`. A structure
// is its kind, its row's number and its size, each 8 bytes, and its members.
#include <sys/stat.h>

#include "../support.h"

enum
{
    thread_count = 3,
    block_count = 3000
};

static pthread_barrier_t steps;
static void *blocks[thread_count][block_count];

static void *allocate_and_free(void *argument)
{
    const size_t mine = (size_t)argument, other = (mine + 1) % thread_count;
    uint64_t random = mine;
    for (size_t index = 0; index < block_count; index++)
        blocks[mine][index] = malloc(random_size(&random, 16));
    pthread_barrier_wait(&steps);
    for (size_t index = 0; index < block_count; index += 3)
        free(blocks[other][index]);
    pthread_barrier_wait(&steps);
    pthread_barrier_wait(&steps);
    return NULL;
}

static void write_row(int file, uint64_t kind, uint64_t number, const void *row, uint64_t bytes)
{
    const uint64_t head[3] = {kind, number, bytes};
    require(write(file, head, sizeof head) == sizeof head && write(file, row, bytes) == (ssize_t)bytes);
}

static void write_structures(int file)
{
    struct fastalloc_stats totals;
    struct fastalloc_node_stats node;
    struct fastalloc_class_stats row;
    struct fastalloc_arena_stats arena;
    require(fastalloc_get_stats(&totals, sizeof totals) == 0);
    write_row(file, 0, 0, &totals, sizeof totals);
    for (int number = -1; number < 8; number++)
    {
        require(fastalloc_get_node_stats(number, &node, sizeof node) == 0);
        write_row(file, 1, (uint64_t)number, &node, sizeof node);
    }
    for (unsigned number = 0; fastalloc_get_class_stats(number, &row, sizeof row) == 0; number++)
        write_row(file, 2, number, &row, sizeof row);
    for (unsigned number = 0; fastalloc_get_arena_stats(number, &arena, sizeof arena) == 0; number++)
        write_row(file, 3, number, &arena, sizeof arena);
}

int main(int count, char **arguments)
{
    pthread_t threads[thread_count];
    if (count != 3)
        return 2;
    const int json = open(arguments[1], O_WRONLY | O_CREAT | O_TRUNC, S_IRUSR | S_IWUSR);
    const int structures = open(arguments[2], O_WRONLY | O_CREAT | O_TRUNC, S_IRUSR | S_IWUSR);
    require(json >= 0 && structures >= 0);
    void *outside = malloc(opaque_size(50 * mib)), *large = malloc(opaque_size(3 * mib));
    require(outside != NULL && large != NULL);
    pthread_barrier_init(&steps, NULL, thread_count + 1);
    for (size_t number = 0; number < thread_count; number++)
        require(pthread_create(&threads[number], NULL, allocate_and_free, (void *)number) == 0);
    pthread_barrier_wait(&steps);
    pthread_barrier_wait(&steps);

    require(fastalloc_stats_json(json) == 0);
    write_structures(structures);
    // Not to a file that is for reading only, and where there is none.
    const int unwritable = open(arguments[0], O_RDONLY);
    errno = 0;
    require(fastalloc_stats_json(unwritable) == -1 && errno == EBADF);
    errno = 0;
    require(fastalloc_stats_json(-1) == -1 && errno == EBADF);
    int ends[2];
    require(pipe(ends) == 0 && close(ends[0]) == 0);
    require(fastalloc_stats_json(ends[1]) == -1 && errno == EPIPE);

    pthread_barrier_wait(&steps);
    for (size_t number = 0; number < thread_count; number++)
        pthread_join(threads[number], NULL);
    free(outside);
    free(large);
    return requirements_unmet ? 1 : 0;
}
