// SPDX-License-Identifier: MIT
//
// findings.c - what a process of numa finds out: on which node blocks lie, or how fast they are replaced
//
// Measured is the malloc that the process was given, whatever its setting. Parts:
//
// - placement: a thread on one node allocates blocks of each size, a thread on another is the first to write to them, a
//   byte in each page or in TOUCHES_MOST of them; then move_pages says where the pages lie.
// - own: threads on all nodes, at most THREADS_OF_NODE on each, replace random ones of their blocks, reading the old
//   and writing the new. Sizes are those of bench_mixed_size.
// - exchange: the same, but a quarter of the blocks at a time is handed to another thread, to each of the others in
//   turn, which reads and frees them, as producers and consumers of a server do. At the end: on which node are the
//   blocks that are live?
//
// An operation is a block read and freed and one allocated and written. Timed are the operations of all threads
// together, from when all may begin until all have ended, on a table of live blocks that was filled before.
#define _GNU_SOURCE
#include "findings.h"

enum
{
    THREADS_OF_NODE = 2,
    MEMBERS_MOST = NODES_MOST * THREADS_OF_NODE,
    TOUCHES_MOST = 64, // of a block: what nobody touched lies nowhere, and is not counted
    LINE_BYTES = 64
};

static struct findings *findings;

// ---- placement ----

struct blocks
{
    char **list;
    size_t count;
};

static struct blocks placed[SIZES];

static void *allocate_placed(void *unused)
{
    nodes_bind(findings_options[ALLOCATING].value);
    for (size_t s = 0; s < SIZES; ++s)
        for (size_t i = 0; i < placed[s].count; ++i)
            placed[s].list[i] = bench_allocate(findings_sizes[s]);
    return unused;
}

static void *touch_placed(void *unused)
{
    nodes_bind(findings_options[TOUCHING].value);
    for (size_t s = 0; s < SIZES; ++s)
    {
        const size_t even = findings_sizes[s] / TOUCHES_MOST;
        const size_t step = even > nodes_page_bytes() ? even : nodes_page_bytes();
        for (size_t i = 0; i < placed[s].count; ++i)
            for (size_t at = 0; at < findings_sizes[s]; at += step)
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
    if (findings_options[ALLOCATING].value >= nodes.count || findings_options[TOUCHING].value >= nodes.count)
        bench_fail("there are only %zu nodes", nodes.count);
    const size_t bytes = findings_options[PLACED_KIB].value << 10;
    for (size_t s = 0; s < SIZES; ++s)
    {
        placed[s].count = findings_sizes[s] < bytes ? bytes / findings_sizes[s] : 1;
        placed[s].list = bench_array(placed[s].count, sizeof(char *));
    }
    run_thread(allocate_placed);
    run_thread(touch_placed);
    for (size_t s = 0; s < SIZES; ++s)
    {
        struct nodes_pages pages = nodes_new_pages(placed[s].count * (findings_sizes[s] / nodes_page_bytes() + 2));
        for (size_t i = 0; i < placed[s].count; ++i)
            nodes_add_block(&pages, placed[s].list[i], findings_sizes[s]);
        nodes_add_share(&findings->sizes[s], &pages, findings_options[ALLOCATING].value);
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
    for (size_t i = 0; i < findings_options[SLOTS].value; ++i)
        self->items[i] = new_item(self);
}

static size_t operations_of_turn(void)
{
    return findings_options[SLOTS].value / 4;
}

static void replace_own(size_t member)
{
    struct member *self = &members[member];
    for (size_t left = findings_options[TURNS].value * operations_of_turn(); left > 0; --left)
    {
        struct item *item = &self->items[bench_pick(bench_random(&self->random), findings_options[SLOTS].value)];
        end_item(self, *item);
        *item = new_item(self);
    }
}

// Another member's outbox each turn; that of each other one equally often.
static void replace_and_exchange(size_t member)
{
    struct member *self = &members[member];
    const size_t count = operations_of_turn();
    for (size_t turn = 0; turn < findings_options[TURNS].value; ++turn)
    {
        for (size_t i = 0; i < count; ++i)
        {
            struct item *item = &self->items[bench_pick(bench_random(&self->random), findings_options[SLOTS].value)];
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
                .items = bench_array(findings_options[SLOTS].value, sizeof(struct item)),
                .outbox = bench_array(findings_options[SLOTS].value, sizeof(struct item)),
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
    for (size_t i = 0; i < findings_options[SLOTS].value; ++i)
        most += member->items[i].bytes / nodes_page_bytes() + 2;
    struct nodes_pages pages = nodes_new_pages(most);
    for (size_t i = 0; i < findings_options[SLOTS].value; ++i)
        nodes_add_block(&pages, member->items[i].block, member->items[i].bytes);
    nodes_add_share(&findings->live[member->node], &pages, member->node);
    nodes_free_pages(&pages);
}

static void find_throughput(void (*work)(size_t member))
{
    if (operations_of_turn() == 0 || findings_options[TURNS].value == 0)
        bench_fail("want at least 4 slots and a turn");
    make_members();
    const struct crew crew = {fill, work, NULL};
    const struct bench_time elapsed = crew_run(&crew, member_count);
    const uint64_t operations = member_count * findings_options[TURNS].value * operations_of_turn();
    findings->operations_per_second = (double)operations * 1e9 / (double)elapsed.wall_ns;
    findings->threads = member_count;
    for (size_t i = 0; i < member_count; ++i)
        find_live_share(&members[i]);
}

void findings_find(int argc, char **argv)
{
    bench_parse(argc, argv, findings_options, OPTIONS);
    findings = findings_map((int)findings_options[FINDINGS].value);
    findings_note_malloc(findings->malloc_from, sizeof findings->malloc_from);
    nodes_find(NULL);
    switch ((enum part)findings_options[PART].value)
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
