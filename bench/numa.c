// SPDX-License-Identifier: MIT
//
// numa - on which node blocks lie, and what that is worth: the library with numa=auto and with numa=off, and glibc
//
//     numa --library FILE [--rounds N] [--smoke] [--expect-local]
//
// Prints tables. bench/numa finds the library and starts this; where there is no Python this runs by itself. What is
// measured is malloc and free: the program starts itself, a process for each arm and part, with the library preloaded
// or not and the setting in FASTALLOC_CONF, and makes sure that malloc came from there. What such a process does is
// said in findings.c; arms.h starts it and adds up what it found. For placement there is a process for each pair of
// nodes, so that all memory is fresh; for throughput one in each round.
//
// With --expect-local it ends after placement with status 1 if with numa=auto a page of a block below FIRST_TOUCH_BYTES
// lies elsewhere than on the node of the thread that allocated it, or if nobody knows; a line on standard error names
// each such cell of the tables.
#define _GNU_SOURCE
#include "arms.h"

enum
{
    ROUNDS = 7
};

static size_t rounds = ROUNDS;
static int is_smoke;
static int is_local_expected;

// ---- placement ----

// Rounded down: 100 % are all.
static void print_share(int width, struct nodes_share share)
{
    if (share.pages == 0)
        printf("%*s", width, "-");
    else
        printf("%*" PRIu64 "%%", width - 1, share.there * 100 / share.pages);
}

static void print_pairs(const struct arm *arm)
{
    enum
    {
        ACROSS = 14
    };
    for (size_t first = 0; first < nodes.count; first += ACROSS)
    {
        const size_t end = bench_smaller(first + ACROSS, nodes.count);
        printf("\n%-10s", arm->name);
        for (size_t touching = first; touching < end; ++touching)
            printf("%5d", nodes.list[touching].number);
        for (size_t allocating = 0; allocating < nodes.count; ++allocating)
        {
            printf("\n%10d", nodes.list[allocating].number);
            for (size_t touching = first; touching < end; ++touching)
                print_share(5, arm->pairs[allocating][touching]);
        }
        printf("\n");
    }
}

static void print_size(size_t bytes)
{
    if (bytes >= 1 << 20)
        printf("%6zu MiB", bytes >> 20);
    else if (bytes >= 1 << 10)
        printf("%6zu KiB", bytes >> 10);
    else
        printf("%6zu B  ", bytes);
}

static void print_sizes(void)
{
    printf("\nThe same by size of block, where the touching thread is on the same node and\n"
           "where it is on another.\n\n%10s",
           "");
    for (size_t a = 0; a < ARMS; ++a)
        printf("%16s", arms[a].name);
    printf("\n%10s", "block");
    for (size_t a = 0; a < ARMS; ++a)
        printf("%8s%8s", "same", "another");
    for (size_t s = 0; s < SIZES; ++s)
    {
        printf("\n");
        print_size(findings_sizes[s]);
        for (size_t a = 0; a < ARMS; ++a)
        {
            print_share(8, arms[a].same[s]);
            print_share(8, arms[a].other[s]);
        }
    }
    printf("\n\nlibfastalloc leaves blocks of 2 MiB and more to who touches them first.\n");
}

static void show_placement(void)
{
    arms_place();
    printf("\nPlacement: pages on the node of the thread that allocated them, in blocks below\n"
           "2 MiB. Down: that node. Across: the node of the thread that touched them first.\n");
    for (size_t a = 0; a < ARMS; ++a)
        print_pairs(&arms[a]);
    print_sizes();
    fflush(stdout);
}

// ---- the expectation ----

// Whether all pages of a cell are where they were allocated; says which cell it is if they are not.
__attribute__((format(printf, 2, 3))) static int is_local(struct nodes_share share, const char *cell, ...)
{
    if (share.pages != 0 && share.there == share.pages)
        return 1;
    fflush(stdout);
    va_list arguments;
    va_start(arguments, cell);
    fprintf(stderr, "%s, ", arms[AUTO].name);
    vfprintf(stderr, cell, arguments);
    va_end(arguments);
    fprintf(stderr, ": %" PRIu64 " of %" PRIu64 " pages are on the node that allocated them\n", share.there,
            share.pages);
    return 0;
}

static int are_all_local(void)
{
    int are_local = 1;
    for (size_t allocating = 0; allocating < nodes.count; ++allocating)
        for (size_t touching = 0; touching < nodes.count; ++touching)
            are_local &= is_local(arms[AUTO].pairs[allocating][touching], "allocated on node %d and touched on node %d",
                                  nodes.list[allocating].number, nodes.list[touching].number);
    for (size_t s = 0; s < SIZES && findings_sizes[s] < FIRST_TOUCH_BYTES; ++s)
    {
        are_local &= is_local(arms[AUTO].same[s], "%zu bytes touched on the same node", findings_sizes[s]);
        if (nodes.count > 1)
            are_local &= is_local(arms[AUTO].other[s], "%zu bytes touched on another node", findings_sizes[s]);
    }
    return are_local;
}

// ---- exchange and throughput ----

static void show_exchange(void)
{
    printf("\nExchange: after threads of all nodes handed blocks to each other to be freed,\n"
           "pages of a node's live blocks that lie on it.\n\n%10s",
           "node");
    for (size_t a = 0; a < ARMS; ++a)
        printf("%16s", arms[a].name);
    for (size_t node = 0; node < nodes.count; ++node)
    {
        printf("\n%10d", nodes.list[node].number);
        for (size_t a = 0; a < ARMS; ++a)
            print_share(16, arms[a].live[node]);
    }
    printf("\n");
}

static void sort(double *values, size_t count)
{
    for (size_t i = 1; i < count; ++i)
        for (size_t at = i; at > 0 && values[at] < values[at - 1]; --at)
        {
            const double larger = values[at - 1];
            values[at - 1] = values[at];
            values[at] = larger;
        }
}

// The median, the lowest and the highest of all rounds; sorts the values.
static void print_spread(const char *name, double *values)
{
    sort(values, rounds);
    const double median = (values[rounds / 2] + values[(rounds - 1) / 2]) / 2;
    printf("  %-24s%8.3f%12.3f ..%7.3f\n", name, median, values[0], values[rounds - 1]);
}

static void show_throughput(size_t threads)
{
    static const char *const titles[] = {[OWN] = "own blocks", [EXCHANGE] = "exchanged blocks"};
    printf("\nThroughput: million operations a second by %zu thread%s that write and read\n"
           "their blocks; %zu round%s.\n\n%-26s%8s%21s\n",
           threads, threads == 1 ? "" : "s", rounds, rounds == 1 ? "" : "s", "", "median", "lowest .. highest");
    for (enum part part = OWN; part <= EXCHANGE; ++part)
    {
        double ratios[ROUNDS_MOST];
        printf("%s\n", titles[part]);
        for (size_t round = 0; round < rounds; ++round)
            ratios[round] =
                arms[AUTO].operations_per_second[part][round] / arms[OFF].operations_per_second[part][round];
        for (size_t a = 0; a < ARMS; ++a)
        {
            for (size_t round = 0; round < rounds; ++round)
                arms[a].operations_per_second[part][round] /= 1e6;
            print_spread(arms[a].name, arms[a].operations_per_second[part]);
        }
        print_spread("numa=auto to numa=off", ratios);
    }
}

// ---- all of it ----

static void print_left_out(int number, const char *why)
{
    printf("Node %d has %s: left out.\n", number, why);
}

static void print_machine(const char *library)
{
    printf("library: %s\n", library);
    nodes_find(print_left_out);
    if (!nodes.are_told)
        printf("The kernel tells this process nothing of NUMA nodes: throughput only.\n");
    else if (nodes.count == 1)
        printf("One node, number %d: every page is local, whatever the allocator does.\n", nodes.list[0].number);
    else
    {
        printf("%zu nodes with processors and memory:", nodes.count);
        for (size_t node = 0; node < nodes.count; ++node)
            printf(" %d", nodes.list[node].number);
        printf("\n");
    }
    int policy = MPOL_DEFAULT;
    if (nodes.are_told && get_mempolicy(&policy, NULL, 0, NULL, 0) == 0 && policy != MPOL_DEFAULT)
        printf("This process was given a memory policy: numa=auto leaves placement to it.\n");
    FILE *balancing = fopen("/proc/sys/kernel/numa_balancing", "re");
    if (balancing != NULL)
    {
        if (nodes.count > 1 && fgetc(balancing) != '0')
            printf("The kernel balances nodes (numa_balancing): pages may move as this runs.\n");
        fclose(balancing);
    }
    if (is_smoke)
        printf("smoke run: the throughput means nothing\n");
    fflush(stdout);
}

static void show_all(const char *library)
{
    if (getenv("LD_PRELOAD") != NULL)
        bench_fail("LD_PRELOAD is set: this program preloads what --library names");
    arms_prepare(library);
    if (is_smoke)
    {
        findings_options[PLACED_KIB].value = 256;
        findings_options[SLOTS].value = 512;
        findings_options[TURNS].value = 16;
    }
    print_machine(arms[AUTO].malloc_from);
    if (nodes.are_told)
        show_placement();
    if (is_local_expected && !are_all_local())
        exit(1);
    const size_t threads = arms_measure(rounds);
    if (nodes.are_told)
        show_exchange();
    show_throughput(threads);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strncmp(argv[1], "part=", 5) == 0)
    {
        findings_find(argc, argv);
        return 0;
    }
    static const char usage[] = "usage: %s --library FILE [--rounds N] [--smoke] [--expect-local]";
    const char *library = NULL;
    const char *rounds_text = NULL;
    for (int i = 1; i < argc; ++i)
        if (strcmp(argv[i], "--smoke") == 0)
            is_smoke = 1;
        else if (strcmp(argv[i], "--expect-local") == 0)
            is_local_expected = 1;
        else if (strcmp(argv[i], "--library") == 0 && i + 1 < argc)
            library = argv[++i];
        else if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc)
            rounds_text = argv[++i];
        else
            bench_fail(usage, argv[0]);
    if (library == NULL)
        bench_fail(usage, argv[0]);
    if (rounds_text != NULL || is_smoke)
    {
        char *end;
        rounds = rounds_text == NULL ? 1 : strtoull(rounds_text, &end, 10);
        if (rounds_text != NULL && (*end != 0 || rounds == 0 || rounds > ROUNDS_MOST))
            bench_fail("--rounds wants a number from 1 to %d", ROUNDS_MOST);
    }
    show_all(library);
    return 0;
}
