// SPDX-License-Identifier: MIT
//
// numa - on which node blocks lie, and what that is worth: the library with numa=auto and with numa=off, and glibc
//
//     numa --library FILE [--rounds N] [--smoke]
//
// Prints tables. bench/numa finds the library and starts this; where there is no Python this runs by itself. What is
// measured is malloc and free: the program starts itself, a process for each arm and part, with the library preloaded
// or not and the setting in FASTALLOC_CONF, and makes sure that malloc came from there. Parts:
//
// - placement: a thread on one node allocates blocks of each size, a thread on another is the first to write to them, a
//   byte in each page or in TOUCHES_MOST of them; then move_pages says where the pages lie. A process for each pair of
//   nodes, so that all memory is fresh.
// - own: threads on all nodes, at most THREADS_OF_NODE on each, replace random ones of their blocks, reading the old
//   and writing the new. Sizes are those of bench_mixed_size.
// - exchange: the same, but a quarter of the blocks at a time is handed to another thread, to each of the others in
//   turn, which reads and frees them, as producers and consumers of a server do. At the end: on which node are the
//   blocks that are live?
//
// An operation is a block read and freed and one allocated and written. Timed are the operations of all threads
// together, from when all may begin until all have ended, on a table of live blocks that was filled before.
#define _GNU_SOURCE
#include "child.h"
#include "nodes.h"

#include <sys/mman.h>

enum
{
    THREADS_OF_NODE = 2,
    MEMBERS_MOST = NODES_MOST * THREADS_OF_NODE,
    TOUCHES_MOST = 64, // of a block: what nobody touched lies nowhere, and is not counted
    LINE_BYTES = 64,
    FIRST_TOUCH_BYTES = 2 << 20, // from this size on libfastalloc leaves a block's pages to who touches them first
    ROUNDS = 7,
    ROUNDS_MOST = 1000
};

static const size_t sizes[] = {64, 512, 4 << 10, 32 << 10, 256 << 10, 1 << 20, 2 << 20, 4 << 20, 16 << 20};
enum
{
    SIZES = sizeof sizes / sizeof sizes[0]
};

enum part
{
    PLACEMENT,
    OWN,
    EXCHANGE
};

// What a process of one part has found out, in memory that it shares with the one that started it.
struct findings
{
    char malloc_from[4096];
    struct nodes_share sizes[SIZES];     // placement: pages on the node that allocated them
    struct nodes_share live[NODES_MOST]; // exchange: pages of the blocks of a node's threads that lie on it
    double operations_per_second;        // own, exchange
};

static struct findings *findings;

// ---- the options of such a process ----

enum
{
    PART,
    ALLOCATING,
    TOUCHING,
    PLACED_KIB,
    SLOTS,
    TURNS,
    FINDINGS,
    OPTIONS
};

static const char *const part_words[] = {"placement", "own", "exchange", NULL};

static struct bench_option options[OPTIONS] = {
    [PART] = {"part", PLACEMENT, part_words},
    [ALLOCATING] = {"allocating", 0, NULL},    // placement: the node, by index
    [TOUCHING] = {"touching", 0, NULL},        // the same
    [PLACED_KIB] = {"placed_kib", 4096, NULL}, // placement: of blocks of one size, or one block
    [SLOTS] = {"slots", 16384, NULL},          // own, exchange: live blocks of a thread
    [TURNS] = {"turns", 256, NULL},            // own, exchange: in each a quarter of the blocks is replaced
    [FINDINGS] = {"findings", 0, NULL},        // the file descriptor of the shared memory
};

// ---- placement ----

struct blocks
{
    char **list;
    size_t count;
};

static struct blocks placed[SIZES];

static void *allocate_placed(void *unused)
{
    nodes_bind(options[ALLOCATING].value);
    for (size_t s = 0; s < SIZES; ++s)
        for (size_t i = 0; i < placed[s].count; ++i)
            placed[s].list[i] = bench_allocate(sizes[s]);
    return unused;
}

static void *touch_placed(void *unused)
{
    nodes_bind(options[TOUCHING].value);
    for (size_t s = 0; s < SIZES; ++s)
    {
        const size_t even = sizes[s] / TOUCHES_MOST;
        const size_t step = even > nodes_page_bytes() ? even : nodes_page_bytes();
        for (size_t i = 0; i < placed[s].count; ++i)
            for (size_t at = 0; at < sizes[s]; at += step)
                bench_touch(placed[s].list[i] + at, 1);
    }
    return unused;
}

static void run_thread(void *(*body)(void *))
{
    pthread_t thread;
    const int error = pthread_create(&thread, NULL, body, NULL);
    if (error != 0)
        bench_fail("pthread_create: %s", strerror(error));
    pthread_join(thread, NULL);
}

static void find_placement(void)
{
    if (options[ALLOCATING].value >= nodes.count || options[TOUCHING].value >= nodes.count)
        bench_fail("there are only %zu nodes", nodes.count);
    const size_t bytes = options[PLACED_KIB].value << 10;
    for (size_t s = 0; s < SIZES; ++s)
    {
        placed[s].count = sizes[s] < bytes ? bytes / sizes[s] : 1;
        placed[s].list = bench_array(placed[s].count, sizeof(char *));
    }
    run_thread(allocate_placed);
    run_thread(touch_placed);
    for (size_t s = 0; s < SIZES; ++s)
    {
        struct nodes_pages pages = nodes_new_pages(placed[s].count * (sizes[s] / nodes_page_bytes() + 2));
        for (size_t i = 0; i < placed[s].count; ++i)
            nodes_add_block(&pages, placed[s].list[i], sizes[s]);
        nodes_add_share(&findings->sizes[s], &pages, options[ALLOCATING].value);
        nodes_free_pages(&pages);
    }
}

// ---- own and exchange ----

struct item
{
    char *block;
    size_t bytes;
};

struct member
{
    size_t node;
    struct item *items;
    struct item *outbox; // exchange: written by this member, read by one other after a barrier
    uint64_t random;
    uint64_t sum; // of what was read
};

static struct member members[MEMBERS_MOST];
static size_t member_count;
static pthread_barrier_t turn_gate;

static struct item new_item(struct member *self)
{
    const size_t bytes = bench_mixed_size(bench_random(&self->random));
    const struct item item = {bench_allocate(bytes), bytes};
    bench_touch(item.block, bytes);
    return item;
}

static void end_item(struct member *self, struct item item)
{
    for (size_t at = 0; at < item.bytes; at += LINE_BYTES)
        self->sum += (unsigned char)item.block[at];
    free(item.block);
}

static void fill(size_t member)
{
    struct member *self = &members[member];
    nodes_bind(self->node);
    for (size_t i = 0; i < options[SLOTS].value; ++i)
        self->items[i] = new_item(self);
}

static size_t operations_of_turn(void)
{
    return options[SLOTS].value / 4;
}

static void replace_own(size_t member)
{
    struct member *self = &members[member];
    for (size_t left = options[TURNS].value * operations_of_turn(); left > 0; --left)
    {
        struct item *item = &self->items[bench_pick(bench_random(&self->random), options[SLOTS].value)];
        end_item(self, *item);
        *item = new_item(self);
    }
}

// Another member's outbox each turn; that of each other one equally often.
static void replace_and_exchange(size_t member)
{
    struct member *self = &members[member];
    const size_t count = operations_of_turn();
    for (size_t turn = 0; turn < options[TURNS].value; ++turn)
    {
        for (size_t i = 0; i < count; ++i)
        {
            struct item *item = &self->items[bench_pick(bench_random(&self->random), options[SLOTS].value)];
            self->outbox[i] = *item;
            *item = new_item(self);
        }
        pthread_barrier_wait(&turn_gate);
        const size_t away = member_count > 1 ? 1 + turn % (member_count - 1) : 0;
        const struct item *inbox = members[(member + away) % member_count].outbox;
        for (size_t i = 0; i < count; ++i)
            end_item(self, inbox[i]);
        pthread_barrier_wait(&turn_gate);
    }
}

static void make_members(void)
{
    for (size_t node = 0; node < nodes.count; ++node)
    {
        const size_t threads = bench_smaller((size_t)CPU_COUNT(&nodes.list[node].processors), THREADS_OF_NODE);
        for (size_t i = 0; i < threads; ++i)
        {
            members[member_count] = (struct member){
                .node = node,
                .items = bench_array(options[SLOTS].value, sizeof(struct item)),
                .outbox = bench_array(options[SLOTS].value, sizeof(struct item)),
                .random = BENCH_SEED + member_count,
            };
            ++member_count;
        }
    }
    if (pthread_barrier_init(&turn_gate, NULL, (unsigned)member_count) != 0)
        bench_fail("cannot prepare %zu threads", member_count);
}

static void find_live_share(const struct member *member)
{
    size_t most = 0;
    for (size_t i = 0; i < options[SLOTS].value; ++i)
        most += member->items[i].bytes / nodes_page_bytes() + 2;
    struct nodes_pages pages = nodes_new_pages(most);
    for (size_t i = 0; i < options[SLOTS].value; ++i)
        nodes_add_block(&pages, member->items[i].block, member->items[i].bytes);
    nodes_add_share(&findings->live[member->node], &pages, member->node);
    nodes_free_pages(&pages);
}

static void find_throughput(void (*work)(size_t member))
{
    if (operations_of_turn() == 0 || options[TURNS].value == 0)
        bench_fail("want at least 4 slots and a turn");
    make_members();
    const struct crew crew = {fill, work, NULL};
    const struct bench_time elapsed = crew_run(&crew, member_count);
    const uint64_t operations = member_count * options[TURNS].value * operations_of_turn();
    findings->operations_per_second = (double)operations * 1e9 / (double)elapsed.wall_ns;
    for (size_t i = 0; i < member_count; ++i)
        find_live_share(&members[i]);
}

static void note_malloc(char *path, size_t bytes)
{
    Dl_info origin = {0};
    void *address = dlsym(RTLD_DEFAULT, "malloc");
    char whole[4096];
    if (address == NULL || dladdr(address, &origin) == 0 || realpath(origin.dli_fname, whole) == NULL)
        bench_fail("cannot tell where malloc comes from");
    if (snprintf(path, bytes, "%s", whole) >= (int)bytes)
        bench_fail("%s: too long a path", whole);
}

static struct findings *map_findings(int file)
{
    void *memory = mmap(NULL, sizeof(struct findings), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (memory == MAP_FAILED)
        bench_fail("cannot share memory: %s", strerror(errno));
    return memory;
}

static void be_part(void)
{
    findings = map_findings((int)options[FINDINGS].value);
    note_malloc(findings->malloc_from, sizeof findings->malloc_from);
    nodes_find(NULL);
    switch ((enum part)options[PART].value)
    {
    case PLACEMENT:
        find_placement();
        break;
    case OWN:
        find_throughput(replace_own);
        break;
    case EXCHANGE:
        find_throughput(replace_and_exchange);
        break;
    }
}

// ---- the arms ----

enum
{
    ARMS = 3,
    AUTO = 0,
    OFF = 1
};

struct arm
{
    const char *name;
    const char *settings; // of FASTALLOC_CONF; NULL: glibc, nothing is preloaded
    char malloc_from[4096];
    char *environment[5];
    struct nodes_share pairs[NODES_MOST][NODES_MOST]; // allocating, touching; of blocks below FIRST_TOUCH_BYTES
    struct nodes_share same[SIZES], other[SIZES];     // touched on the node that allocated, or on another
    struct nodes_share live[NODES_MOST];              // of all rounds
    double operations_per_second[EXCHANGE + 1][ROUNDS_MOST];
};

static struct arm arms[ARMS] = {
    {.name = "numa=auto", .settings = "numa=auto"},
    {.name = "numa=off", .settings = "numa=off"},
    {.name = "glibc"},
};

static size_t rounds = ROUNDS;
static int is_smoke;
static int findings_file;

static void prepare_arm(struct arm *arm, const char *library)
{
    size_t count = 0;
    arm->environment[count++] = child_setting("LC_ALL", "C");
    if (getenv("LD_LIBRARY_PATH") != NULL)
        arm->environment[count++] = child_setting("LD_LIBRARY_PATH", getenv("LD_LIBRARY_PATH"));
    if (arm->settings == NULL)
    {
        note_malloc(arm->malloc_from, sizeof arm->malloc_from);
        return;
    }
    if (realpath(library, arm->malloc_from) == NULL)
        bench_fail("%s: %s", library, strerror(errno));
    arm->environment[count++] = child_setting("LD_PRELOAD", arm->malloc_from);
    arm->environment[count++] = child_setting("FASTALLOC_CONF", arm->settings);
}

static void run_part(const struct arm *arm, enum part part, size_t allocating, size_t touching)
{
    options[PART].value = part;
    options[ALLOCATING].value = allocating;
    options[TOUCHING].value = touching;
    char words[OPTIONS][64];
    char *arguments[OPTIONS + 2] = {"numa"};
    for (size_t o = 0; o < OPTIONS; ++o)
    {
        if (options[o].words != NULL)
            snprintf(words[o], sizeof words[o], "%s=%s", options[o].name, options[o].words[options[o].value]);
        else
            snprintf(words[o], sizeof words[o], "%s=%" PRIu64, options[o].name, options[o].value);
        arguments[o + 1] = words[o];
    }
    memset(findings, 0, sizeof *findings);
    child_run("/proc/self/exe", arguments, arm->environment);
    if (strcmp(findings->malloc_from, arm->malloc_from) != 0)
        bench_fail("%s: malloc came from %s: the preload had no effect", arm->name, findings->malloc_from);
}

// ---- running and printing ----

static void add_share(struct nodes_share *sum, const struct nodes_share *more)
{
    sum->pages += more->pages;
    sum->there += more->there;
}

// Rounded down: 100 % are all.
static void print_share(int width, struct nodes_share share)
{
    if (share.pages == 0)
        printf("%*s", width, "-");
    else
        printf("%*" PRIu64 "%%", width - 1, share.there * 100 / share.pages);
}

static void add_placement(struct arm *arm, size_t allocating, size_t touching)
{
    run_part(arm, PLACEMENT, allocating, touching);
    for (size_t s = 0; s < SIZES; ++s)
    {
        add_share(allocating == touching ? &arm->same[s] : &arm->other[s], &findings->sizes[s]);
        if (sizes[s] < FIRST_TOUCH_BYTES)
            add_share(&arm->pairs[allocating][touching], &findings->sizes[s]);
    }
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
        print_size(sizes[s]);
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
    for (size_t allocating = 0; allocating < nodes.count; ++allocating)
        for (size_t touching = 0; touching < nodes.count; ++touching)
            for (size_t a = 0; a < ARMS; ++a)
                add_placement(&arms[a], allocating, touching);
    printf("\nPlacement: pages on the node of the thread that allocated them, in blocks below\n"
           "2 MiB. Down: that node. Across: the node of the thread that touched them first.\n");
    for (size_t a = 0; a < ARMS; ++a)
        print_pairs(&arms[a]);
    print_sizes();
    fflush(stdout);
}

static void measure_rounds(void)
{
    for (size_t round = 0; round < rounds; ++round)
        for (enum part part = OWN; part <= EXCHANGE; ++part)
            for (size_t a = 0; a < ARMS; ++a)
            {
                struct arm *arm = &arms[(round + a) % ARMS];
                run_part(arm, part, 0, 0);
                arm->operations_per_second[part][round] = findings->operations_per_second;
                for (size_t node = 0; part == EXCHANGE && node < nodes.count; ++node)
                    add_share(&arm->live[node], &findings->live[node]);
            }
}

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

static void show_throughput(void)
{
    static const char *const titles[] = {[OWN] = "own blocks", [EXCHANGE] = "exchanged blocks"};
    printf("\nThroughput: million operations a second by %zu thread%s that write and read\n"
           "their blocks; %zu round%s.\n\n%-26s%8s%21s\n",
           member_count, member_count == 1 ? "" : "s", rounds, rounds == 1 ? "" : "s", "", "median",
           "lowest .. highest");
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
    for (size_t a = 0; a < ARMS; ++a)
        prepare_arm(&arms[a], library);
    findings_file = memfd_create("findings", 0);
    if (findings_file < 0 || ftruncate(findings_file, sizeof(struct findings)) != 0)
        bench_fail("cannot share memory: %s", strerror(errno));
    findings = map_findings(findings_file);
    options[FINDINGS].value = (uint64_t)findings_file;
    if (is_smoke)
    {
        options[PLACED_KIB].value = 256;
        options[SLOTS].value = 512;
        options[TURNS].value = 16;
    }
    print_machine(arms[AUTO].malloc_from);
    make_members();
    if (nodes.are_told)
        show_placement();
    measure_rounds();
    if (nodes.are_told)
        show_exchange();
    show_throughput();
}

int main(int argc, char **argv)
{
    if (argc > 1 && strncmp(argv[1], "part=", 5) == 0)
    {
        bench_parse(argc, argv, options, OPTIONS);
        be_part();
        return 0;
    }
    const char *library = NULL;
    const char *rounds_text = NULL;
    for (int i = 1; i < argc; ++i)
        if (strcmp(argv[i], "--smoke") == 0)
            is_smoke = 1;
        else if (strcmp(argv[i], "--library") == 0 && i + 1 < argc)
            library = argv[++i];
        else if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc)
            rounds_text = argv[++i];
        else
            bench_fail("usage: %s --library FILE [--rounds N] [--smoke]", argv[0]);
    if (library == NULL)
        bench_fail("usage: %s --library FILE [--rounds N] [--smoke]", argv[0]);
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
