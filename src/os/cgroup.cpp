// SPDX-License-Identifier: MIT
#include "os/cgroup.h"

#include "base/text.h"
#include "os/small_file.h"

#include <cerrno>
#include <cstring>

namespace fastalloc::cgroup
{
namespace
{

constinit const char *membership_file = "/proc/self/cgroup";
constinit const char *mount_point = "/sys/fs/cgroup";

constexpr const char *limit_names[] = {"/memory.max", "/memory.high"};

constexpr size_t path_capacity = 1024;
constexpr size_t lines_capacity = 4096; // a line for each controller of version 1 may come first

// A number, or "max".
uint64_t read_limit(const char *group, const char *name)
{
    char path[path_capacity];
    Text text(path, sizeof path);
    text.text(mount_point).text(group).text(name);
    char bytes[32];
    if (text.was_cut())
        return unlimited;
    read_begin(path, bytes, sizeof bytes);
    if (bytes[0] < '0' || bytes[0] > '9')
        return unlimited;
    uint64_t value = 0;
    for (const char *digit = bytes; *digit >= '0' && *digit <= '9'; ++digit)
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, static_cast<uint64_t>(*digit - '0'), &value))
            return unlimited;
    return value;
}

// The group of version 2 among the lines "number:controllers:path" is the one numbered 0. Null if there is none.
char *find_group(char *lines)
{
    constexpr char begin[] = "0::/";
    for (char *line = lines; line != nullptr; line = strchr(line, '\n'))
    {
        line += *line == '\n';
        if (strncmp(line, begin, sizeof begin - 1) != 0)
            continue;
        char *const path = line + sizeof begin - 2;
        path[strcspn(path, "\n")] = 0;
        return path;
    }
    return nullptr;
}

} // namespace

uint64_t memory_limit()
{
    const int saved_errno = errno;
    char lines[lines_capacity];
    read_begin(membership_file, lines, sizeof lines);
    uint64_t least = unlimited;
    char *const group = find_group(lines);
    // A group above the mount point, as seen from within a namespace, begins with /.. and has no files here.
    for (char *end = group != nullptr ? group + strlen(group) : nullptr; end != nullptr; end = strrchr(group, '/'))
    {
        *end = 0;
        for (const char *const name : limit_names)
        {
            const uint64_t limit = read_limit(group, name);
            least = limit < least ? limit : least;
        }
    }
    errno = saved_errno;
    return least;
}

void set_places_for_tests(const char *membership, const char *mount)
{
    membership_file = membership != nullptr ? membership : "/proc/self/cgroup";
    mount_point = mount != nullptr ? mount : "/sys/fs/cgroup";
}

} // namespace fastalloc::cgroup
