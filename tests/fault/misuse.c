// SPDX-License-Identifier: MIT
//
// misuse.c - one misuse a run: `misuse POINTER CALL SIZE BY [SURROUNDINGS [REPORT]]`
//
//   POINTER       what is given away, one of `pointers`; made from blocks of SIZE bytes of the main thread
//   CALL          the function it is given to, one of `calls`
//   BY            who makes that call: own (the thread the blocks belong to), other, third; where the block was freed
//                 before, by whom and then by whom: other+own
//   SURROUNDINGS  bare: no memory to be had, and no system call that gives any or waits
//   REPORT        the descriptor to write to, else standard output
//
// What is reported: "call POINTER SIZE" before the call, "later" when it has returned, "end" when the program has
// freed everything, emptied its bins and allocated anew. SIGABRT's handler reports "record LINE", the line that
// fastalloc_root leads to. misuses.py holds all that against misuses.table.
#include "fastalloc.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

void free_sized(void *block, size_t size);
void free_aligned_sized(void *block, size_t alignment, size_t size);

// C++'s operators delete, under the names they have for the linker: plain, with size, with size and alignment.
void delete_plain(void *block) __asm__("_ZdlPv");
void delete_sized(void *block, size_t size) __asm__("_ZdlPvm");
void delete_aligned(void *block, size_t size, size_t alignment) __asm__("_ZdlPvmSt11align_val_t");

// The part of the root record that is read here. Weak, so that it is read where the library has it.
extern const struct
{
    uint64_t magic;
    uint64_t layout_version;
    uint64_t window_base;
    uint64_t window_bytes;
    const void *tables[7];
    const char *fatal_line;
} fastalloc_root __attribute__((weak));

enum
{
    slice_bytes = 64 * 1024,
    record_bytes = 64,
    small_block_max = 16 * 1024, // of a span that counts them; above, it has a bit for each
    span_block_max = 256 * 1024  // above, a block shares no span
};

static size_t size;         // asked for
static size_t bytes;        // what a block of this size has
static char *block;         // of this size, the first one of its span
static char **others;       // allocated after it: of the same span where it has room
static size_t others_count; // of them, and how many have been freed, from the first on
static size_t others_freed;
static char *pointer; // what is given away
static size_t named;  // the size that the call names, 0 if it names none
static int report_file = STDOUT_FILENO;

static void report(const char *text)
{
    if (write(report_file, text, strlen(text)) < 0)
        _exit(3);
}

static void report_record(int signal)
{
    (void)signal;
    report("record ");
    report(fastalloc_root.fatal_line);
    report("\n");
}

// ---- threads that do one thing at a time ---------------------------------------------------------------------------

struct worker
{
    pthread_t thread;
    sem_t asked;
    sem_t done;
    void (*job)(void); // null: end
};

static struct worker other, third;

static void *work(void *argument)
{
    struct worker *self = argument;
    for (;;)
    {
        sem_wait(&self->asked);
        if (!self->job)
            return NULL;
        self->job();
        sem_post(&self->done);
    }
}

static void start_worker(struct worker *worker)
{
    sem_init(&worker->asked, 0, 0);
    sem_init(&worker->done, 0, 0);
    pthread_create(&worker->thread, NULL, work, worker);
}

static void end_worker(struct worker *worker)
{
    worker->job = NULL;
    sem_post(&worker->asked);
    pthread_join(worker->thread, NULL);
}

// `who`: null is the thread the blocks belong to.
static void let(struct worker *who, void (*job)(void))
{
    if (!who)
        return job();
    who->job = job;
    sem_post(&who->asked);
    sem_wait(&who->done);
}

static struct worker *who_is(const char *name, size_t length)
{
    if (length == strlen("other") && memcmp(name, "other", length) == 0)
        return &other;
    if (length == strlen("third") && memcmp(name, "third", length) == 0)
        return &third;
    return NULL;
}

// ---- blocks --------------------------------------------------------------------------------------------------------

static uintptr_t slice_of(const char *address)
{
    return ((uintptr_t)address - fastalloc_root.window_base) / slice_bytes;
}

// The first block of a span, so that the span is this program's alone. Those before it stay in use.
static char *first_of_a_span(void)
{
    char *first = malloc(size);
    if (size > span_block_max)
        return first;
    char *next = first;
    while (slice_of(next) == slice_of(first))
        next = malloc(size);
    return next;
}

// `block`, and up to `count` others of its span, at least one if that is not 0.
static void take_blocks(size_t count)
{
    others = mmap(NULL, slice_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    block = first_of_a_span();
    bytes = malloc_usable_size(block);
    pointer = block;
    while (others_count < count)
    {
        char *const next = malloc(size);
        others[others_count++] = next;
        if (slice_of(next) != slice_of(block))
            break;
    }
}

static void take_block(void)
{
    take_blocks(1);
}

static void take_block_alone(void)
{
    take_blocks(0);
}

static void take_span(void)
{
    take_blocks(slice_bytes / sizeof *others);
}

static void free_others(size_t count)
{
    for (; others_freed < count; others_freed++)
        free(others[others_freed]);
}

// ---- pointers: each has `pointer` made by the owner -----------------------------------------------------------------

static void point_at_variable(void)
{
    static char variable[64];
    take_block();
    pointer = variable;
}

static void point_at_mapping(void)
{
    take_block();
    pointer = mmap(NULL, slice_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void point_at_nothing(void)
{
    point_at_mapping();
    munmap(pointer, slice_bytes);
}

static void point_low(void)
{
    take_block();
    pointer = (char *)16;
}

static void point_high(void)
{
    take_block();
    pointer = (char *)-16;
}

static void point_at_first_chunk(void)
{
    take_block();
    pointer = (char *)fastalloc_root.window_base;
}

// The last page of the reserved addresses, of a region that is given to nobody.
static void point_at_window_end(void)
{
    take_block();
    pointer = (char *)(fastalloc_root.window_base + fastalloc_root.window_bytes - 4096);
}

// The record of a block's slice.
static void point_at_record(void)
{
    take_block();
    pointer = (char *)(fastalloc_root.window_base - slice_of(block) * record_bytes);
}

// The block's arena: a record's first word.
static void point_at_arena(void)
{
    point_at_record();
    memcpy(&pointer, pointer, sizeof pointer);
}

static void point_one_off(void)
{
    take_block();
    pointer = block + 1;
}

static void point_inside(void)
{
    take_block();
    pointer = block + (size / 2 < 4096 ? size / 2 : 4096);
}

static void point_at_end(void)
{
    take_block();
    pointer = block + size - 8;
}

// The block that a span hands out last: the one before its first, or the span's last.
static void point_at_unborn(void)
{
    take_block();
    const size_t offset = (size_t)(block - (char *)fastalloc_root.window_base) % slice_bytes;
    pointer = offset >= bytes ? block - bytes : block + (slice_bytes / bytes - 1) * bytes;
}

// ---- what is done before, by the first of two ----------------------------------------------------------------------

static void free_block(void)
{
    free(block);
}

static void free_block_and_another(void)
{
    free(block);
    free_others(1);
}

static void free_block_and_half(void)
{
    free(block);
    free_others(others_count / 2);
}

static void free_and_trim(void)
{
    free(block);
    malloc_trim(0);
}

static void free_and_take_again(void)
{
    free(block);
    block = malloc(size);
    if (block != pointer)
        _exit(3);
}

static void free_and_write(void)
{
    free(block);
    memset(block, 'x', 8);
}

static const struct pointer
{
    const char *name;
    void (*make)(void);
    void (*before)(void);
} pointers[] = {
    // outside the window, and not in the registry of outside blocks
    {"variable", point_at_variable, NULL},
    {"mapping", point_at_mapping, NULL},
    {"unmapped", point_at_nothing, NULL},
    {"low", point_low, NULL},
    {"high", point_high, NULL},
    {"record", point_at_record, NULL},
    {"window_end", point_at_window_end, NULL},
    // in the window, and in no block
    {"first_chunk", point_at_first_chunk, NULL},
    {"arena", point_at_arena, NULL},
    {"gone", take_block_alone, free_and_trim},
    {"unborn", point_at_unborn, NULL},
    // in a block
    {"one_off", point_one_off, NULL},
    {"inside", point_inside, NULL},
    {"last_word", point_at_end, NULL},
    // a block
    {"live", take_block, NULL},
    {"freed", take_block, free_block},
    {"freed_before_another", take_block, free_block_and_another},
    {"freed_among_many", take_span, free_block_and_half},
    {"handed_out_again", take_block, free_and_take_again},
    {"written_to", take_block, free_and_write},
};

// ---- calls ---------------------------------------------------------------------------------------------------------

static void call_realloc(void)
{
    pointer = realloc(pointer, named);
}

static void call_reallocarray(void)
{
    pointer = reallocarray(pointer, 2, named / 2);
}

static void call_realloc_to_0(void)
{
    pointer = realloc(pointer, 0);
}

static void call_usable(void)
{
    bytes = malloc_usable_size(pointer);
}

static void call_free(void)
{
    free(pointer);
}

static void call_free_sized(void)
{
    free_sized(pointer, named);
}

static void call_free_aligned_sized(void)
{
    free_aligned_sized(pointer, 8, named);
}

static void call_free_misaligned(void)
{
    free_aligned_sized(pointer, 24, named);
}

static void call_delete(void)
{
    delete_plain(pointer);
}

static void call_delete_sized(void)
{
    delete_sized(pointer, named);
}

static void call_delete_aligned(void)
{
    delete_aligned(pointer, named, 8);
}

static void call_malloc(void)
{
    pointer = malloc(size);
}

enum named
{
    none,
    itself,
    larger,
    smaller,
    doubled
};

static const struct call
{
    const char *name;
    void (*run)(void);
    enum named named;
} calls[] = {
    {"free", call_free, none},
    {"realloc", call_realloc, doubled},
    {"reallocarray", call_reallocarray, doubled},
    {"realloc_to_0", call_realloc_to_0, none},
    {"malloc_usable_size", call_usable, none},
    {"free_sized", call_free_sized, itself},
    {"free_sized_larger", call_free_sized, larger},
    {"free_sized_smaller", call_free_sized, smaller},
    {"free_aligned_sized", call_free_aligned_sized, itself},
    {"free_aligned_sized_larger", call_free_aligned_sized, larger},
    {"free_aligned_sized_smaller", call_free_aligned_sized, smaller},
    {"free_aligned_sized_by_24", call_free_misaligned, itself},
    {"delete", call_delete, none},
    {"delete_sized", call_delete_sized, itself},
    {"delete_sized_larger", call_delete_sized, larger},
    {"delete_sized_smaller", call_delete_sized, smaller},
    {"delete_aligned", call_delete_aligned, itself},
    {"delete_aligned_larger", call_delete_aligned, larger},
    {"malloc", call_malloc, none},
};

static size_t size_named(enum named how)
{
    return how == none ? 0 : how == itself ? size : how == larger ? bytes + 1 : how == smaller ? size / 4 : 2 * size;
}

// ---- the run -------------------------------------------------------------------------------------------------------

static const struct call *call;
static int bare;

// From here on whoever asks the kernel for memory, for a file or to wait for a lock is killed. Where the kernel has no
// filters, memory is refused alone.
static void forgo_the_kernel(void)
{
    static const unsigned short refused[] = {
        SYS_brk,     SYS_mmap,  SYS_munmap, SYS_mremap,          SYS_mprotect,
        SYS_madvise, SYS_futex, SYS_openat, SYS_clock_nanosleep, SYS_sched_yield,
    };
    enum
    {
        count = sizeof refused / sizeof *refused
    };
    struct sock_filter filter[count + 3] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))};
    for (int which = 0; which < count; which++)
        filter[1 + which] =
            (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, refused[which], (unsigned char)(count - which), 0);
    filter[count + 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    filter[count + 2] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    const struct sock_fprog program = {count + 3, filter};
    const struct rlimit nothing = {0, 0};
    setrlimit(RLIMIT_AS, &nothing);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static void misuse(void)
{
    char line[80];
    named = size_named(call->named);
    snprintf(line, sizeof line, "call %p %zu\n", (void *)pointer, named);
    report(line);
    if (bare)
        forgo_the_kernel();
    call->run();
}

// Everything goes home, and comes again.
static void go_on(void)
{
    report("later\n");
    end_worker(&other);
    end_worker(&third);
    if (size > small_block_max)
        malloc_trim(0); // while another block keeps their span
    free_others(others_count);
    malloc_trim(0);
    char *again[4];
    for (int which = 0; which < 4; which++)
        again[which] = malloc(size);
    for (int which = 0; which < 4; which++)
        free(again[which]);
    malloc_trim(0);
    report("end\n");
}

static void run(const struct pointer *what, const char *by)
{
    const char *second = strchr(by, '+');
    second = second ? second + 1 : by;
    signal(SIGABRT, report_record);
    start_worker(&other);
    start_worker(&third);
    what->make();
    if (what->before)
        let(who_is(by, strcspn(by, "+")), what->before);
    let(who_is(second, strlen(second)), misuse);
    go_on();
}

int main(int count, char **arguments)
{
    const struct pointer *what = NULL;
    for (size_t which = 0; count > 4 && which < sizeof pointers / sizeof *pointers; which++)
        if (strcmp(arguments[1], pointers[which].name) == 0)
            what = &pointers[which];
    for (size_t which = 0; count > 4 && which < sizeof calls / sizeof *calls; which++)
        if (strcmp(arguments[2], calls[which].name) == 0)
            call = &calls[which];
    if (!what || !call)
        return 2;
    size = strtoull(arguments[3], NULL, 10);
    bare = count > 5 && strcmp(arguments[5], "bare") == 0;
    if (count > 6)
        report_file = atoi(arguments[6]);
    run(what, arguments[4]);
    return 0;
}
