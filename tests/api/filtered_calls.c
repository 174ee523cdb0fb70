// SPDX-License-Identifier: MIT
//
// filtered_calls.c - programs under a seccomp filter written for libc's malloc, which ends a process that makes a call
// that malloc does not make: what fastalloc(7) says under SYSTEM CALLS of a machine of one node. Calls that both make
// may have the arguments listed here and no others.
//
// This program, started again, lays a filter on itself in main that lets through a list of calls. Other programs make
// many of their own, so they are refused what malloc could want from their start on, which takes numa=off: without the
// library they have to run under the same filter, or the test would prove nothing.
#include <linux/mempolicy.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#include "../support.h"

#include "../children.h"
#include "../filter.h"
#include "../parcel.h"

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif
#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif

#define ALLOW SECCOMP_RET_ALLOW
#define END SECCOMP_RET_KILL_PROCESS
#define COUNT(rows) (sizeof(rows) / sizeof *(rows))

// ---- this program: a list of what may be called ------------------------------------------------------------------

static const struct filter_rule let_through[] = {
    // libc's malloc, with other arguments too
    CALL(brk, ALLOW),
    CALL_WITHIN(mmap, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, ALLOW),
    CALL(munmap, ALLOW),
    CALL_WITHIN(mprotect, 2, PROT_READ | PROT_WRITE, ALLOW),
    CALL_WITHIN(mremap, 3, MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, ALLOW),
    CALL_WITH(madvise, 2, MADV_DONTNEED, ALLOW),
    CALL_WITH(madvise, 2, MADV_HUGEPAGE, ALLOW),
    CALL_WITH(madvise, 2, MADV_NOHUGEPAGE, ALLOW),
    CALL_WITH(madvise, 2, MADV_DODUMP, ALLOW),
    CALL(futex, ALLOW),
    CALL(getrandom, ALLOW),
    CALL(openat, ALLOW), // of /proc/sys/vm/overcommit_memory, where a thread's heap shrinks
    CALL(read, ALLOW),
    CALL(close, ALLOW),
    // threads, forks and the end, by libc
    CALL_WITH(madvise, 2, MADV_GUARD_INSTALL, ALLOW), // of a stack, from glibc 2.42 on
    CALL(clone, ALLOW),
    CALL(clone3, ALLOW),
    CALL(rseq, ALLOW),
    CALL(set_robust_list, ALLOW),
    CALL(rt_sigaction, ALLOW),
    CALL(rt_sigprocmask, ALLOW),
    CALL(exit, ALLOW),
    CALL(exit_group, ALLOW),
    CALL(wait4, ALLOW),
    CALL(clock_nanosleep, ALLOW),
    // what is not met goes to standard error
    CALL_WITH(write, 0, STDERR_FILENO, ALLOW),
};

static struct shelf shelf = {.count = 64};

static void *exchange(void *argument)
{
    exchange_parcels(&shelf, (uint64_t)(uintptr_t)argument, 3000, 14);
    return NULL;
}

static void in_two_threads(void)
{
    pthread_t threads[2];
    for (uintptr_t index = 0; index < 2; index++)
        require(pthread_create(&threads[index], NULL, exchange, (void *)(index + 1)) == 0);
    for (int index = 0; index < 2; index++)
        pthread_join(threads[index], NULL);
    clear_shelf(&shelf);
}

// Beyond what the window is made writable for in one step, then given back.
static void fill_and_trim(void)
{
    enum
    {
        bulk = 100000
    };
    static void *blocks[bulk];
    for (int index = 0; index < bulk; index++)
    {
        blocks[index] = malloc(1000);
        require(blocks[index] != NULL);
        memset(blocks[index], 1, 1000);
    }
    for (int index = 0; index < bulk; index++)
        free(blocks[index]);
    malloc_trim(0);
}

static void grow_to_100_mib(void)
{
    char *block = NULL;
    for (size_t size = 100; size < 100 * mib; size += size / 3 + 50)
    {
        block = realloc(block, size);
        require(block != NULL);
        block[size - 1] = 1;
    }
    free(block);
    block = aligned_alloc(8 * mib, 100);
    require(block != NULL);
    free(block);
}

static int work(void)
{
    // Without a vdso the clock is asked by system calls.
    if (getauxval(AT_SYSINFO_EHDR) == 0 || install_filter(let_through, COUNT(let_through), END) != 0)
        return 77;
    in_two_threads();
    fill_and_trim();
    grow_to_100_mib();
    pid_t child = fork();
    if (child == 0)
    {
        in_two_threads();
        require_whole_heap();
        _exit(requirements_unmet ? 1 : 0);
    }
    int status = -1;
    require(wait4(child, &status, 0, NULL) == child && status == 0);
    in_two_threads();
    require_whole_heap();
    _exit(requirements_unmet ? 1 : 0);
}

static int filters_are_refused(const struct finished_program *finished)
{
    if (!WIFEXITED(finished->status) || WEXITSTATUS(finished->status) != 77)
        return 0;
    print_message("# not tried: this system takes no filters\n");
    return 1;
}

static void assert_was_not_ended(const struct finished_program *finished, const char *who)
{
    if (WIFSIGNALED(finished->status) && WTERMSIG(finished->status) == SIGSYS)
        fail_msg("%s made a call that the filter does not know", who);
    assert_succeeded(finished);
}

static void no_call_is_made_that_libcs_malloc_does_not_make(void **state)
{
    (void)state;
    struct finished_program finished;
    run_self(&finished, "work", NULL, NULL);
    if (!filters_are_refused(&finished))
        assert_was_not_ended(&finished, "the library");
}

// ---- this program, from its start on: one node -------------------------------------------------------------------

static const struct filter_rule ended_on_one_node[] = {
    CALL_WITH(get_mempolicy, 4, MPOL_F_MEMS_ALLOWED, ALLOW), // which nodes there are
    CALL(get_mempolicy, END),
    CALL(getcpu, END),
    CALL(mbind, END),
    CALL(move_pages, END),
    CALL(sched_getaffinity, END),
    CALL(set_mempolicy, END),
};

static void refuse_all_about_nodes(void)
{
    if (install_filter(ended_on_one_node, COUNT(ended_on_one_node), ALLOW) != 0)
        _exit(77);
}

static int there_are_several_nodes(void)
{
    unsigned long nodes[16] = {0};
    unsigned count = 0;
    if (syscall(SYS_get_mempolicy, NULL, nodes, 8 * sizeof nodes, NULL, MPOL_F_MEMS_ALLOWED) == 0)
        for (unsigned word = 0; word < COUNT(nodes); word++)
            count += (unsigned)__builtin_popcountl(nodes[word]);
    return count > 1;
}

static void on_one_node_nothing_is_asked_but_which_nodes_there_are(void **state)
{
    (void)state;
    struct finished_program finished;
    if (there_are_several_nodes())
    {
        print_message("# not tried: there are several nodes\n");
        return;
    }
    run_self(&finished, "work", NULL, refuse_all_about_nodes);
    if (!filters_are_refused(&finished))
        assert_was_not_ended(&finished, "the library");
}

// ---- other programs: a list of what ends them --------------------------------------------------------------------

static const struct filter_rule ended_for[] = {
    // what allocators make to know nodes, processors and pages, to move memory and to look after it in the background
    CALL(getcpu, END),
    CALL(mbind, END),
    CALL(set_mempolicy, END),
    CALL(get_mempolicy, END),
    CALL(move_pages, END),
    CALL(membarrier, END),
    CALL_WITH(prctl, 0, PR_SET_VMA, ALLOW),
    CALL(prctl, END),
    CALL(memfd_create, END),
    CALL(userfaultfd, END),
    CALL(mincore, END),
    CALL(mlock, END),
    CALL(mlock2, END),
    CALL(mlockall, END),
    CALL(process_madvise, END),
    CALL(remap_file_pages, END),
    CALL(timer_create, END),
    CALL(timerfd_create, END),
    CALL(setitimer, END),
    CALL(sched_yield, END),
    CALL(sched_setaffinity, END),
    CALL(rt_sigtimedwait, END),
    CALL(rt_sigpending, END),
    CALL_WITH(madvise, 2, MADV_DONTNEED, ALLOW),
    CALL_WITH(madvise, 2, MADV_HUGEPAGE, ALLOW),
    CALL_WITH(madvise, 2, MADV_NOHUGEPAGE, ALLOW),
    CALL_WITH(madvise, 2, MADV_DONTDUMP, ALLOW),
    CALL_WITH(madvise, 2, MADV_DODUMP, ALLOW),
    CALL_WITH(madvise, 2, MADV_GUARD_INSTALL, ALLOW), // libc, of a thread's stack
    CALL(madvise, END),
};

static void refuse_what_malloc_could_want(void)
{
    setenv("FASTALLOC_CONF", "numa=off", 1);
    if (install_filter(ended_for, COUNT(ended_for), ALLOW) != 0)
        _exit(77);
}

static void refuse_and_do_without_the_library(void)
{
    unsetenv("LD_PRELOAD");
    refuse_what_malloc_could_want();
}

static void assert_runs_filtered(const char *command)
{
    struct finished_program with, without;
    char *const arguments[] = {(char *)"/bin/sh", (char *)"-c", (char *)command, NULL};
    if (!getenv("LD_PRELOAD"))
    {
        print_message("# not tried: nothing is preloaded into other programs\n");
        return;
    }
    run_program(&without, arguments, refuse_and_do_without_the_library, 30);
    if (filters_are_refused(&without))
        return;
    if (without.status != 0)
    {
        print_message("# not tried: without the library it ends with 0x%x\n", (unsigned)without.status);
        return;
    }
    run_program(&with, arguments, refuse_what_malloc_could_want, 30);
    assert_was_not_ended(&with, command);
    assert_string_equal(with.output, without.output);
}

static void sort_runs_filtered(void **state)
{
    (void)state;
    assert_runs_filtered("seq 1 100000 | sort -r --parallel=2 -S 16M | head -n 5 && seq 1 100000 | sort -R | wc -l");
}

static void sqlite3_runs_filtered(void **state)
{
    (void)state;
    assert_runs_filtered(
        "sqlite3 :memory: 'create table t(a, b)' 'with recursive n(i) as (select 1 union all select i + 1 from n "
        "where i < 50000) insert into t select i, hex(i * i) from n' 'create index j on t(b)' "
        "'select count(*), max(b) from t'");
}

static void python_runs_filtered(void **state)
{
    (void)state;
    assert_runs_filtered("PYTHONMALLOC=malloc /usr/bin/python3 -I -c 'import threading; r = []; t = "
                         "[threading.Thread(target=lambda: r.append(len(str(list(range(100000)))))) for i in "
                         "range(4)]; [x.start() for x in t]; [x.join() for x in t]; print(r)'");
}

int main(int count, char **arguments)
{
    if (count > 1)
        return work();
    own_path = arguments[0];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_call_is_made_that_libcs_malloc_does_not_make),
        cmocka_unit_test(on_one_node_nothing_is_asked_but_which_nodes_there_are),
        cmocka_unit_test(sort_runs_filtered),
        cmocka_unit_test(sqlite3_runs_filtered),
        cmocka_unit_test(python_runs_filtered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
