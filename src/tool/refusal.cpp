// SPDX-License-Identifier: MIT
#include "tool/refusal.h"

#include "tool/process_files.h"

#include <cstdlib>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace fastalloc::tool
{
namespace
{

// Of the files under /proc that only who may read the process may read: root's where it has hidden itself.
uid_t owner_of(int process)
{
    struct stat found;
    return stat(path_of(process, "maps").c_str(), &found) == 0 ? found.st_uid : static_cast<uid_t>(-1);
}

bool has_capability_to_trace()
{
    constexpr unsigned cap_sys_ptrace = 19;
    const std::string mask = field_of(contents_of("/proc/self/status"), "CapEff");
    return (strtoull(mask.c_str(), nullptr, 16) >> cap_sys_ptrace & 1) != 0;
}

// A symbolic link under /proc that says which user namespace a process is in; empty where it may not be read.
std::string user_namespace_of(const std::string &process)
{
    char name[64];
    const ssize_t length = readlink(("/proc/" + process + "/ns/user").c_str(), name, sizeof name);
    return length > 0 ? std::string(name, static_cast<size_t>(length)) : "";
}

} // namespace

std::string reason_of_refusal(int process)
{
    const std::string status = contents_of(path_of(process, "status"));
    const std::string uids = field_of(status, "Uid");
    const unsigned long owner = strtoul(uids.c_str(), nullptr, 10);
    if (!uids.empty() && owner != geteuid() && !has_capability_to_trace())
        return "it belongs to the user " + std::to_string(owner) + " and this is " + std::to_string(geteuid()) +
               ": run the command as that user, or with CAP_SYS_PTRACE";
    const std::string theirs = user_namespace_of(std::to_string(process));
    if (has_capability_to_trace() && !theirs.empty() && theirs != user_namespace_of("self"))
        return "it is in another user namespace, a container's: run the command there, or on the host with "
               "CAP_SYS_PTRACE";
    const int scope = atoi(contents_of("/proc/sys/kernel/yama/ptrace_scope").c_str());
    if (scope == 3)
        return "kernel.yama.ptrace_scope is 3: nobody may read another process until the next boot";
    if (has_capability_to_trace())
        return "a security module or a filter of system calls does not allow it";
    if (scope != 0)
        return "kernel.yama.ptrace_scope is " + std::to_string(scope) +
               ": only with CAP_SYS_PTRACE, as root has it, or where that is 0";
    if (owner_of(process) != geteuid())
        return "it has made itself unreadable (prctl PR_SET_DUMPABLE, a set-user-id program): "
               "run the command with CAP_SYS_PTRACE, as root has it";
    return "the kernel does not allow it: run the command with CAP_SYS_PTRACE, as root has it";
}

std::string sums_of(int process)
{
    std::string source = "smaps_rollup";
    std::string text = contents_of(path_of(process, source));
    std::vector<std::string> keys = {"Rss", "Pss", "Private_Dirty", "AnonHugePages", "Swap"};
    if (text.empty())
    {
        source = "status";
        text = contents_of(path_of(process, source));
        keys = {"VmSize", "VmRSS", "RssAnon", "VmSwap", "Threads"};
    }
    std::string lines;
    for (const std::string &key : keys)
        if (const std::string found = field_of(text, key); !found.empty())
            lines.append("\n  ").append(key).append(": ").append(found);
    return lines.empty() ? "" : "\n/proc/" + std::to_string(process) + "/" + source + " says of its memory:" + lines;
}

} // namespace fastalloc::tool
