// SPDX-License-Identifier: MIT
//
// measure - runs a command under an allocator, one or more times, and writes down what it cost
//
//     measure RESULT LIBRARY|- RUNS COMMAND [ARGUMENT...]
//
// LIBRARY is preloaded into the command only. RESULT is a file that receives one line of key=value words. This small
// program exists because Linux counts the memory of the process that starts a command into the command's ru_maxrss:
// started by the Python script, no program could show a peak below the script's own. Exit status: that of the first
// run that failed (128 + signal if it was killed), else 0.
#define _GNU_SOURCE
#include "bench.h"

#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>

extern char **environ;

static uint64_t in_ns(struct timeval time)
{
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_usec * 1000;
}

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

int main(int argc, char **argv)
{
    if (argc < 5)
        bench_fail("usage: measure RESULT LIBRARY|- RUNS COMMAND [ARGUMENT...]");
    char **environment = prepare_environment(argv[2]);
    const uint64_t runs = strtoull(argv[3], NULL, 10);
    uint64_t cpu_ns = 0;
    uint64_t minor_faults = 0;
    uint64_t max_rss_kib = 0;
    int exit_status = 0;
    const struct bench_time start = bench_now();
    for (uint64_t run = 0; run < runs && exit_status == 0; ++run)
    {
        pid_t child;
        const int error = posix_spawnp(&child, argv[4], NULL, NULL, argv + 4, environment);
        if (error != 0)
            bench_fail("%s: %s", argv[4], strerror(error));
        int status = 0;
        struct rusage usage;
        while (wait4(child, &status, 0, &usage) < 0)
            if (errno != EINTR)
                bench_fail("wait4: %s", strerror(errno));
        cpu_ns += in_ns(usage.ru_utime) + in_ns(usage.ru_stime);
        minor_faults += (uint64_t)usage.ru_minflt;
        if ((uint64_t)usage.ru_maxrss > max_rss_kib)
            max_rss_kib = (uint64_t)usage.ru_maxrss;
        exit_status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    }
    const struct bench_time elapsed = bench_since(start);

    FILE *result = fopen(argv[1], "w");
    if (result == NULL)
        bench_fail("%s: %s", argv[1], strerror(errno));
    fprintf(result,
            "wall_ns=%" PRIu64 " cpu_ns=%" PRIu64 " max_rss_kib=%" PRIu64 " minor_faults=%" PRIu64 " status=%d\n",
            elapsed.wall_ns, cpu_ns, max_rss_kib, minor_faults, exit_status);
    if (fclose(result) != 0)
        bench_fail("%s: %s", argv[1], strerror(errno));
    return exit_status;
}
