// SPDX-License-Identifier: MIT
//
// OptionFile: the settings file of a system, /etc/fastalloc.conf, as one process sees it: judged, read and put away.
//
// Every process on the library obeys it, set-user-ID programs too. So it counts only if it is a regular file that the
// owner asked for, root, has and that nobody else may write; what a symbolic link leads to is judged, not the link, which
// only root can put there. Any other is left unread. Opening never waits.
//
// Read by bare system calls: libc's are cancellation points, which malloc is not. The text lies in a mapping of its own,
// as long as the object lives. Owner: its one thread. Keeps errno.
#pragma once

#include "base/config.h"
#include "os/option_value.h"

#include <cstddef>
#include <cstdint>
#include <sys/types.h>

namespace fastalloc
{

inline constexpr char option_file_path[] = "/etc/fastalloc.conf";

// Of a longer file nothing is read. All settings with all their sentences take 3 KiB.
inline constexpr size_t option_file_max_bytes = 64 * kibibyte;

enum class FileState : uint8_t
{
    counts,
    absent,
    unreadable,
    not_regular,
    too_long,
    not_its_owners,
    writable_by_others,
};

// Whether a file counts for nobody because of its owner or mode alone.
bool is_untrusted(FileState state);

// What becomes of such a file.
enum class Untrusted : uint8_t
{
    stays_unread,
    is_read, // to be shown, not to be obeyed
};

class OptionFile
{
public:
    OptionFile(const char *path, uid_t owner, Untrusted untrusted);
    ~OptionFile();

    OptionFile(const OptionFile &) = delete;
    OptionFile &operator=(const OptionFile &) = delete;

    FileState state() const
    {
        return state_;
    }

    // Empty if it was not read.
    Slice text() const
    {
        return {bytes_, count_};
    }

private:
    void read(int file, uid_t owner, Untrusted untrusted);

    FileState state_ = FileState::counts;
    char *bytes_ = nullptr;
    size_t count_ = 0;
    size_t mapped_bytes_ = 0;
};

// Why it does not count, for people: "not owned by root"; of one that counts null.
const char *reason_of(FileState state);

} // namespace fastalloc
