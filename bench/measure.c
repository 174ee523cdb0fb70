// SPDX-License-Identifier: MIT
//
// measure - runs a command under an allocator, one or more times, and writes down what it cost
//
//     measure RESULT LIBRARY|- RUNS watched|alone COMMAND [ARGUMENT...]
//
// LIBRARY is preloaded into the command only. RESULT is a file that receives one line of key=value words. This small
// program exists because Linux counts the memory of the process that starts a command into the command's ru_maxrss:
// started by the Python script, no program could show a peak below the script's own. Exit status: that of the first
// run that failed (128 + signal if it was killed), else 0.
//
// A watched command is also looked at while it runs. Its resident memory is read from /proc/PID/statm at equal
// intervals: 1 ms at first, doubled whenever the samples fill their room, so that a run of 64 ms and more leaves 64 to
// 128 of them. How much of its anonymous memory lies on huge pages is read from /proc/PID/smaps_rollup, which walks through
// all its memory, only when resident memory has grown by an eighth since the last time.
#define _GNU_SOURCE
#include "bench.h"

#include <poll.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

extern char **environ;

enum
{
    SAMPLES = 128,
    FIRST_INTERVAL_MS = 1
};

// What is seen of the command while it runs.
static struct
{
    uint64_t rss_kib[SAMPLES];
    size_t count;
    int interval_ms;
    uint64_t virtual_kib;                             // the most
    uint64_t rollup_rss_kib, anonymous_kib, huge_kib; // when resident memory was largest, of the times it was read
} seen = {.interval_ms = FIRST_INTERVAL_MS};

struct totals
{
    uint64_t cpu_ns;
    uint64_t minor_faults;
    uint64_t max_rss_kib;
};

// The caller's environment with LD_PRELOAD set to `library` ("-": none).
static char **prepare_environment(const char *library)
{
    static const char name[] = "LD_PRELOAD=";
    const size_t name_length = sizeof name - 1;
    size_t count = 0;
    while (environ[count] != NULL)
        ++count;
    char **result = bench_array(count + 2, sizeof(char *));
    size_t kept = 0;
    for (size_t i = 0; i < count; ++i)
        if (strncmp(environ[i], name, name_length) != 0)
            result[kept++] = environ[i];
    if (strcmp(library, "-") != 0)
    {
        const size_t bytes = name_length + strlen(library) + 1;
        result[kept] = bench_array(bytes, 1);
        snprintf(result[kept], bytes, "%s%s", name, library);
    }
    return result;
}

// The text of /proc/PID/NAME; empty when the process has ended.
static const char *read_about(pid_t pid, const char *name)
{
    static char text[4096];
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t length = file < 0 ? 0 : read(file, text, sizeof text - 1);
    if (file >= 0)
        close(file);
    text[length < 0 ? 0 : length] = 0;
    return text;
}

static void look_at_huge_pages(pid_t pid, uint64_t rss_kib)
{
    if (rss_kib < seen.rollup_rss_kib + seen.rollup_rss_kib / 8 + 1)
        return;
    const char *text = read_about(pid, "smaps_rollup");
    if (*text == 0)
        return;
    seen.rollup_rss_kib = rss_kib;
    seen.anonymous_kib = bench_kib_of(text, "\nAnonymous:");
    seen.huge_kib = bench_kib_of(text, "\nAnonHugePages:");
}

static void make_room(void)
{
    if (seen.count < SAMPLES)
        return;
    seen.count /= 2;
    for (size_t i = 0; i < seen.count; ++i)
        seen.rss_kib[i] = seen.rss_kib[2 * i + 1];
    seen.interval_ms *= 2;
}

static void take_sample(pid_t pid)
{
    unsigned long long pages, resident;
    if (sscanf(read_about(pid, "statm"), "%llu %llu", &pages, &resident) != 2 || pages == 0)
        return;
    const uint64_t page_kib = (uint64_t)sysconf(_SC_PAGESIZE) / 1024;
    make_room();
    seen.rss_kib[seen.count++] = resident * page_kib;
    if (pages * page_kib > seen.virtual_kib)
        seen.virtual_kib = pages * page_kib;
    look_at_huge_pages(pid, resident * page_kib);
}

// Until the command ends. The samples' times are sums of intervals, not of what poll made of them.
static void watch(pid_t pid)
{
    const int handle = (int)syscall(SYS_pidfd_open, pid, 0);
    if (handle < 0)
        return; // an old kernel: the run goes unwatched
    const uint64_t start_ns = bench_clock_ns(CLOCK_MONOTONIC);
    uint64_t due_ms = FIRST_INTERVAL_MS;
    for (;;)
    {
        const uint64_t past_ms = (bench_clock_ns(CLOCK_MONOTONIC) - start_ns) / 1000000;
        struct pollfd ended = {.fd = handle, .events = POLLIN};
        if (poll(&ended, 1, due_ms > past_ms ? (int)(due_ms - past_ms) : 0) > 0)
            break;
        take_sample(pid);
        due_ms += (uint64_t)seen.interval_ms;
    }
    close(handle);
}

// Returns the exit status.
static int run_once(char **command, char **environment, int is_watched, struct totals *totals)
{
    pid_t child;
    const int error = posix_spawnp(&child, command[0], NULL, NULL, command, environment);
    if (error != 0)
        bench_fail("%s: %s", command[0], strerror(error));
    if (is_watched)
        watch(child);
    int status = 0;
    struct rusage usage;
    while (wait4(child, &status, 0, &usage) < 0)
        if (errno != EINTR)
            bench_fail("wait4: %s", strerror(errno));
    totals->cpu_ns += bench_timeval_ns(usage.ru_utime) + bench_timeval_ns(usage.ru_stime);
    totals->minor_faults += (uint64_t)usage.ru_minflt;
    if ((uint64_t)usage.ru_maxrss > totals->max_rss_kib)
        totals->max_rss_kib = (uint64_t)usage.ru_maxrss;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void write_result(const char *path, uint64_t wall_ns, const struct totals *totals, int exit_status)
{
    FILE *result = fopen(path, "w");
    if (result == NULL)
        bench_fail("%s: %s", path, strerror(errno));
    fprintf(result, "wall_ns=%" PRIu64 " cpu_ns=%" PRIu64 " max_rss_kib=%" PRIu64 " minor_faults=%" PRIu64 " status=%d",
            wall_ns, totals->cpu_ns, totals->max_rss_kib, totals->minor_faults, exit_status);
    fprintf(result, " virtual_kib=%" PRIu64 " anonymous_kib=%" PRIu64 " huge_kib=%" PRIu64 " rss_step_ms=%d rss_kib=",
            seen.virtual_kib, seen.anonymous_kib, seen.huge_kib, seen.interval_ms);
    for (size_t i = 0; i < seen.count; ++i)
        fprintf(result, "%s%" PRIu64, i == 0 ? "" : ",", seen.rss_kib[i]);
    fputc('\n', result);
    if (fclose(result) != 0)
        bench_fail("%s: %s", path, strerror(errno));
}

int main(int argc, char **argv)
{
    if (argc < 6)
        bench_fail("usage: measure RESULT LIBRARY|- RUNS watched|alone COMMAND [ARGUMENT...]");
    char **environment = prepare_environment(argv[2]);
    const uint64_t runs = strtoull(argv[3], NULL, 10);
    const int is_watched = strcmp(argv[4], "watched") == 0;
    struct totals totals = {0, 0, 0};
    int exit_status = 0;
    const struct bench_time start = bench_now();
    for (uint64_t run = 0; run < runs && exit_status == 0; ++run)
        exit_status = run_once(argv + 5, environment, is_watched, &totals);
    write_result(argv[1], bench_since(start).wall_ns, &totals, exit_status);
    return exit_status;
}
