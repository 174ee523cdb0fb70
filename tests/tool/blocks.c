// SPDX-License-Identifier: MIT
//
// blocks.c - a process to be looked at from outside: it has blocks of every kind, says what each is and what should be
// said of it, and waits. A line on standard input has it do something:
//
//     json    write what the library says of itself
//     hide    make itself unreadable for others of its user
//     more    take so much that many chunks are open
//     end     exit; the end of input: abort
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#ifdef FASTALLOC_TEST_PRELOADED
extern int fastalloc_stats_json(int fd) __attribute__((weak)); // the library has it, whom nobody names
#else
extern int fastalloc_stats_json(int fd);
#endif

static pthread_barrier_t met;

// What is to be said of the address: what it is, live or where it is free, the block's begin and bytes.
static void say(const char *what, const char *state, const void *address, const void *begin, size_t bytes)
{
    printf("place %s %s %p %p %zu\n", what, state, address, begin, bytes);
}

static char *allocate(size_t size)
{
    char *const block = malloc(size);
    if (block == NULL)
        exit(2);
    memset(block, 1, size);
    return block;
}

static void say_live(const char *what, size_t size, size_t bytes)
{
    char *const block = allocate(size);
    say(what, "live", block, block, bytes);
    say(what, "live", block + size - 1, block, bytes);
}

// One is the head of its bin, the other behind it.
static void say_freed(const char *what, size_t size, size_t bytes)
{
    char *const first = allocate(size);
    char *const second = allocate(size);
    free(first);
    free(second);
    say(what, "bin", first, first, bytes);
    say(what, "bin", second + 7, second, bytes);
}

static char *for_the_other[2];
static char *for_the_inbox;

// Frees what another thread owns: little stays in the outbox, a block as large as the outbox goes on at once.
static void *free_for_others(void *context)
{
    free(for_the_other[0]);
    free(for_the_other[1]);
    free(for_the_inbox);
    pthread_barrier_wait(&met);
    pthread_barrier_wait(&met);
    return context;
}

static void say_handed_over(void)
{
    pthread_t thread;
    for_the_other[0] = allocate(700);
    for_the_other[1] = allocate(700);
    for_the_inbox = allocate(5000);
    pthread_barrier_init(&met, NULL, 2);
    if (pthread_create(&thread, NULL, free_for_others, NULL) != 0)
        exit(2);
    pthread_barrier_wait(&met);
    say("small", "outbox", for_the_other[0], for_the_other[0], 768);
    say("small", "outbox", for_the_other[1], for_the_other[1], 768);
    say("small", "inbox", for_the_inbox, for_the_inbox, 5120);
}

// Of 500 blocks 100 stay: more than a bin keeps went back to spans.
static void say_freed_in_bulk(void)
{
    enum
    {
        count = 500,
        bytes = 448
    };
    static char *blocks[count];
    for (int index = 0; index < count; ++index)
        blocks[index] = allocate(bytes);
    for (int index = 0; index < count; ++index)
        if (index % 5 != 0)
            free(blocks[index]);
    for (int index = 0; index < count; index += 7)
        say("small", index % 5 != 0 ? "free" : "live", blocks[index], blocks[index], bytes);
}

static void take_much(void)
{
    for (int index = 0; index < 3000; ++index)
        allocate((size_t)1 << 10 << index % 8);
}

// Of a file, writable and private, and never touched.
static void map_untouched(void)
{
    enum
    {
        bytes = 64 << 20
    };
    const int file = memfd_create("untouched", 0);
    void *const mapping = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
    if (file < 0 || ftruncate(file, bytes) != 0 || mapping == MAP_FAILED)
        exit(2);
    madvise(mapping, bytes, MADV_DONTDUMP);
    close(file);
}

int main(void)
{
    static char variable;
    static char input[4096];
    char line[16];
    setvbuf(stdin, input, _IOFBF, sizeof input); // which would be allocated later
    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
    map_untouched();
    say_live("small", 8, 8);
    say_live("small", 40, 48);
    say_live("small", 16000, 16384);
    say_live("medium", 20000, 20480);
    say_live("medium", 262144, 262144);
    say_live("large", 300000, 327680);
    say_live("large", (size_t)5 << 20, (size_t)5 << 20);
    say_live("outside", (size_t)40 << 20, (size_t)40 << 20);
    free(allocate(600000)); // idle memory
    say_freed("small", 100, 112);
    say_freed("small", 2000, 2048);
    say_freed_in_bulk();
    // The one block of its span that was ever handed out: any other was not.
    char *const alone = allocate(13000);
    say("small", "live", alone, alone, 14336);
    say("small", "never", alone + ((uintptr_t)alone % 65536 >= 14336 ? -14336 : 14336),
        alone + ((uintptr_t)alone % 65536 >= 14336 ? -14336 : 14336), 14336);
    say("none", "variable", &variable, &variable, 1);
    say("none", "stack", line, line, 1);
    say_handed_over(); // the last: whoever allocates next sorts the inbox in
    puts("ready");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin) != NULL)
    {
        if (strcmp(line, "json\n") == 0)
            fastalloc_stats_json(STDOUT_FILENO);
        else if (strcmp(line, "hide\n") == 0)
            prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
        else if (strcmp(line, "more\n") == 0)
            take_much();
        else if (strcmp(line, "end\n") == 0)
            return 0;
        puts("done");
        fflush(stdout);
    }
    abort();
}
