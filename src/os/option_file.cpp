// SPDX-License-Identifier: MIT
#include "os/option_file.h"

#include "base/bits.h"
#include "os/keep_errno.h"
#include "os/pages.h"

#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace fastalloc
{
namespace
{

FileState state_of(const struct stat &about, uid_t owner)
{
    if (!S_ISREG(about.st_mode))
        return FileState::not_regular;
    if (about.st_size > static_cast<off_t>(option_file_max_bytes))
        return FileState::too_long;
    if (about.st_uid != owner)
        return FileState::not_its_owners;
    if ((about.st_mode & (S_IWGRP | S_IWOTH)) != 0) // the group's bits are the mask of an access control list, too
        return FileState::writable_by_others;
    return FileState::counts;
}

} // namespace

bool is_untrusted(FileState state)
{
    return state == FileState::not_its_owners || state == FileState::writable_by_others;
}

OptionFile::OptionFile(const char *path, uid_t owner, Untrusted untrusted)
{
    const KeepErrno kept;
    // A FIFO without a writer would be waited for, and a terminal might become the process's own.
    const long file = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (file < 0)
    {
        state_ = errno == ENOENT ? FileState::absent : FileState::unreadable;
        return;
    }
    read(static_cast<int>(file), owner, untrusted);
    syscall(SYS_close, file);
}

OptionFile::~OptionFile()
{
    if (bytes_ != nullptr)
        pages::unmap(bytes_, mapped_bytes_);
}

// What is written while it is read may be missing: who changes the file puts a whole one in its place.
void OptionFile::read(int file, uid_t owner, Untrusted untrusted)
{
    struct stat about = {};
    if (syscall(SYS_fstat, file, &about) != 0)
    {
        state_ = FileState::unreadable;
        return;
    }
    state_ = state_of(about, owner);
    const bool is_wanted = state_ == FileState::counts || (is_untrusted(state_) && untrusted == Untrusted::is_read);
    if (!is_wanted || about.st_size == 0)
        return;
    const auto wanted = static_cast<size_t>(about.st_size);
    mapped_bytes_ = round_up(wanted, pages::page_bytes());
    bytes_ = static_cast<char *>(pages::map(mapped_bytes_, pages::page_bytes()));
    long count = bytes_ != nullptr ? 1 : -1;
    while (count > 0 && count_ < wanted)
    {
        count = syscall(SYS_read, file, bytes_ + count_, wanted - count_);
        count_ += count > 0 ? static_cast<size_t>(count) : 0;
    }
    if (count < 0)
    {
        state_ = FileState::unreadable;
        count_ = 0;
    }
}

const char *reason_of(FileState state)
{
    switch (state)
    {
    case FileState::counts:
        break;
    case FileState::absent:
        return "there is none";
    case FileState::unreadable:
        return "not readable";
    case FileState::not_regular:
        return "not a regular file";
    case FileState::too_long:
        return "longer than 64K";
    case FileState::not_its_owners:
        return "not owned by root";
    case FileState::writable_by_others:
        return "writable by others than its owner";
    }
    return nullptr;
}

} // namespace fastalloc
