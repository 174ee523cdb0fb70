// SPDX-License-Identifier: MIT
//
// tracer.h - runs this program anew under ptrace and refuses chosen system calls, whoever makes them and how: libc's
// wrappers or bare, linked, preloaded or static. A filter stops the program at the calls in question only, so that all
// others go at full speed. The program marks where counting begins and where every call goes well again, which are
// calls too, of prctl with numbers that mean nothing. Include after support.h, children.h and filter.h.
#ifndef TESTS_TRACER_H
#define TESTS_TRACER_H

#include <elf.h>
#include <linux/mman.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>

enum
{
    mark_begin = 0x66610001,
    mark_heal = 0x66610002,
};

// In the traced program.
static inline void mark(long what)
{
    syscall(SYS_prctl, what, 0L, 0L, 0L, 0L);
}

// Which of the calls between the marks are refused, the first being 1: first <= number <= last.
struct refusals
{
    unsigned first;
    unsigned last;
    // Filled by trace(): how many there were, and what the first refused one was.
    unsigned seen;
    long refused_call;
};

static const struct filter_rule traced_calls[] = {
    CALL(mmap, SECCOMP_RET_TRACE),          CALL(munmap, SECCOMP_RET_TRACE),
    CALL(mprotect, SECCOMP_RET_TRACE),      CALL(mremap, SECCOMP_RET_TRACE),
    CALL(madvise, SECCOMP_RET_TRACE),       CALL(mbind, SECCOMP_RET_TRACE),
    CALL(get_mempolicy, SECCOMP_RET_TRACE), CALL(sysinfo, SECCOMP_RET_TRACE),
    CALL(prlimit64, SECCOMP_RET_TRACE),     CALL(getcpu, SECCOMP_RET_TRACE),
    CALL(membarrier, SECCOMP_RET_TRACE),    CALL(sched_getaffinity, SECCOMP_RET_TRACE),
    CALL(brk, SECCOMP_RET_TRACE),           CALL(prctl, SECCOMP_RET_TRACE),
};

static inline const char *name_of_call(long number)
{
    static const struct
    {
        long number;
        const char *name;
    } names[] = {
        {SYS_mmap, "mmap"},
        {SYS_munmap, "munmap"},
        {SYS_mprotect, "mprotect"},
        {SYS_mremap, "mremap"},
        {SYS_madvise, "madvise"},
        {SYS_mbind, "mbind"},
        {SYS_get_mempolicy, "get_mempolicy"},
        {SYS_sysinfo, "sysinfo"},
        {SYS_prlimit64, "prlimit64"},
    };
    for (size_t index = 0; index < sizeof names / sizeof *names; index++)
        if (names[index].number == number)
            return names[index].name;
    return "another call";
}

// ---- registers ---------------------------------------------------------------------------------------------------

struct traced_call
{
    struct user_regs_struct registers;
    long number;
    unsigned long first_argument;
};

static inline int read_call(pid_t thread, struct traced_call *call)
{
    struct iovec all = {&call->registers, sizeof call->registers};
    if (ptrace(PTRACE_GETREGSET, thread, (void *)NT_PRSTATUS, &all) != 0)
        return -1;
#if defined(__x86_64__)
    call->number = (long)call->registers.orig_rax;
    call->first_argument = call->registers.rdi;
#else
    call->number = (long)call->registers.regs[8];
    call->first_argument = call->registers.regs[0];
#endif
    return 0;
}

// The stopped call is not made; the program sees `error`.
static inline int refuse_call(pid_t thread, struct traced_call *call, int error)
{
    struct iovec all = {&call->registers, sizeof call->registers};
#if defined(__x86_64__)
    call->registers.orig_rax = (unsigned long long)-1;
    call->registers.rax = (unsigned long long)-(long)error;
#else
    int none = -1;
    struct iovec number = {&none, sizeof none};
    if (ptrace(PTRACE_SETREGSET, thread, (void *)NT_ARM_SYSTEM_CALL, &number) != 0)
        return -1;
    call->registers.regs[0] = (unsigned long long)-(long)error;
#endif
    return ptrace(PTRACE_SETREGSET, thread, (void *)NT_PRSTATUS, &all) == 0 ? 0 : -1;
}

// ---- the run -----------------------------------------------------------------------------------------------------

static pid_t traced_program;

static inline void end_traced_program(int signal)
{
    (void)signal;
    kill(traced_program, SIGKILL);
}

static inline int error_for(long number)
{
    switch (number)
    {
    case SYS_mmap:
    case SYS_munmap:
    case SYS_mprotect:
    case SYS_mremap:
    case SYS_madvise:
    case SYS_brk:
        return ENOMEM;
    default:
        return EPERM;
    }
}

static inline void look_at_call(pid_t thread, struct refusals *refusals, int *counting)
{
    struct traced_call call;
    if (read_call(thread, &call) != 0)
        return;
    if (call.number == SYS_prctl)
    {
        if (call.first_argument == mark_begin)
            *counting = 1;
        else if (call.first_argument == mark_heal)
            *counting = 0;
        return;
    }
    if (!*counting)
        return;
    refusals->seen++;
    if (refusals->seen < refusals->first || refusals->seen > refusals->last)
        return;
    if (refuse_call(thread, &call, error_for(call.number)) == 0 && refusals->refused_call < 0)
        refusals->refused_call = call.number;
}

// Starts this program with `mode` as its argument and returns its wait status; -1 where it cannot be traced. A program
// that has not ended after `seconds` is killed.
static inline int trace(const char *mode, struct refusals *refusals, void (*prepare)(void), unsigned seconds)
{
    char *const arguments[] = {own_path, (char *)mode, NULL};
    refusals->seen = 0;
    refusals->refused_call = -1;
    fflush(NULL);
    traced_program = fork();
    if (traced_program == 0)
    {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
            _exit(126);
        raise(SIGSTOP);
        if (prepare)
            prepare();
        if (install_filter(traced_calls, sizeof traced_calls / sizeof *traced_calls, SECCOMP_RET_ALLOW) != 0)
            _exit(126);
        execv(arguments[0], arguments);
        _exit(127);
    }
    int status = 0, counting = 0;
    const long options = PTRACE_O_TRACESECCOMP | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
    if (waitpid(traced_program, &status, 0) != traced_program || !WIFSTOPPED(status) ||
        ptrace(PTRACE_SETOPTIONS, traced_program, NULL, (void *)options) != 0)
    {
        kill(traced_program, SIGKILL);
        waitpid(traced_program, &status, 0);
        return -1;
    }
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = end_traced_program;
    sigaction(SIGALRM, &action, NULL);
    alarm(seconds);
    ptrace(PTRACE_CONT, traced_program, NULL, NULL);
    for (;;)
    {
        const pid_t thread = waitpid(-1, &status, __WALL);
        if (thread < 0 && errno == EINTR)
            continue;
        if (thread < 0)
            break;
        if (!WIFSTOPPED(status))
        {
            if (thread == traced_program)
                break;
            continue;
        }
        long signal = 0;
        if (status >> 8 == (SIGTRAP | PTRACE_EVENT_SECCOMP << 8))
            look_at_call(thread, refusals, &counting);
        else if (status >> 16 == 0 && WSTOPSIG(status) != SIGSTOP)
            signal = WSTOPSIG(status);
        ptrace(PTRACE_CONT, thread, NULL, (void *)signal);
    }
    alarm(0);
    return status;
}

#endif // TESTS_TRACER_H
