// SPDX-License-Identifier: MIT
//
// misuse.c - one misuse a run: `misuse POINTER CALL SIZE BY [SURROUNDINGS [REPORT]]`
//
//   POINTER       what is given away, one of `pointers`; made from blocks of SIZE bytes of the main thread
//   CALL          the function it is given to, one of `calls`
//   BY            who makes that call: own (the thread the blocks belong to) or one of threads.h; where the block was
//                 freed before, by whom and then by whom: other+own
//   SURROUNDINGS  bare: no memory to be had, and no system call that gives any or waits
//   REPORT        the descriptor to write to, else standard output
//
// What is reported: "call POINTER SIZE" before the call, "later" when it has returned, "end" when the program has
// freed everything, emptied its bins and allocated anew. SIGABRT's handler reports "record LINE", the line that
// fastalloc_root leads to. misuses.py holds all that against misuses.table.
#include "pointers.h"

#include "calls.h"
#include "threads.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

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
    end_workers();
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
    const char *first = strtok(arguments[4], "+");
    const char *second = strtok(NULL, "+");
    bare = count > 5 && strcmp(arguments[5], "bare") == 0;
    if (count > 6)
        report_file = atoi(arguments[6]);

    signal(SIGABRT, report_record);
    start_workers();
    what->make();
    if (what->before)
        let(who_is(first), what->before);
    let(who_is(second ? second : first), misuse);
    go_on();
    return 0;
}
