// SPDX-License-Identifier: MIT
#include "tool/executable.h"

#include "tool/descriptor.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <elf.h>
#include <fcntl.h>
#include <optional>
#include <string_view>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

namespace fastalloc::tool
{
namespace
{

constexpr char own_file[] = "/proc/self/exe";
constexpr size_t line_bytes = 256;       // of the first line of a script the kernel reads no more (BINPRM_BUF_SIZE)
constexpr unsigned interpreters_max = 5; // one script may name another, and so on (execve(2))

class File
{
public:
    explicit File(const std::string &path) : file_(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK))
    {
    }

    // What there is at this place, of at most so many bytes.
    std::string read(uint64_t offset, size_t bytes) const
    {
        std::string content(bytes, 0);
        const ssize_t count = pread(file_.number(), content.data(), bytes, static_cast<off_t>(offset));
        content.resize(count < 0 ? 0 : static_cast<size_t>(count));
        return content;
    }

    template <typename Structure>
    std::optional<Structure> read(uint64_t offset) const
    {
        Structure structure;
        const std::string content = read(offset, sizeof structure);
        if (content.size() != sizeof structure)
            return {};
        memcpy(&structure, content.data(), sizeof structure);
        return structure;
    }

private:
    Descriptor file_;
};

// ---- ELF -------------------------------------------------------------------------------------------------------

struct Elf
{
    unsigned char kind[2]; // EI_CLASS and EI_DATA
    Elf64_Half machine;    // of the class of this program
    std::string linker;    // PT_INTERP; empty if there is none
};

std::optional<Elf> read_elf(const File &file)
{
    const auto header = file.read<Elf64_Ehdr>(0);
    if (!header || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0)
        return {};
    Elf elf{{header->e_ident[EI_CLASS], header->e_ident[EI_DATA]}, header->e_machine, {}};
    if (elf.kind[0] != ELFCLASS64 || header->e_phentsize != sizeof(Elf64_Phdr))
        return elf;
    for (unsigned number = 0; number < header->e_phnum; ++number)
    {
        const auto segment = file.read<Elf64_Phdr>(header->e_phoff + number * sizeof(Elf64_Phdr));
        if (segment && segment->p_type == PT_INTERP && segment->p_filesz != 0 && segment->p_filesz < line_bytes)
            elf.linker = file.read(segment->p_offset, segment->p_filesz - 1);
    }
    return elf;
}

bool are_same_file(const std::string &one, const std::string &other)
{
    struct stat first;
    struct stat second;
    return stat(one.c_str(), &first) == 0 && stat(other.c_str(), &second) == 0 && first.st_dev == second.st_dev &&
           first.st_ino == second.st_ino;
}

Obstacle obstacle_of_elf(const std::string &path, const Elf &elf)
{
    const std::optional<Elf> own = read_elf(File(own_file));
    if (!own)
        return {};
    if (elf.kind[0] != own->kind[0])
        return {"is a 32-bit program"};
    if (elf.kind[1] != own->kind[1] || elf.machine != own->machine)
        return {"is a program for another processor"};
    if (elf.linker.empty())
        return are_same_file(path, own->linker) ? Obstacle() : Obstacle{"is linked statically"};
    const std::string_view name = std::string_view(elf.linker).substr(elf.linker.rfind('/') + 1);
    if (name.starts_with("ld-musl-"))
        return {"is linked with musl, and the library needs glibc", true};
    return {};
}

// ---- rights ----------------------------------------------------------------------------------------------------

// The linker of a program that exec gives rights which its caller does not have takes from LD_PRELOAD only what lies in
// its own folders and is set-user-ID (ld.so(8)).
Obstacle obstacle_of_rights(const std::string &path, const PreloadedLibrary &library)
{
    struct stat file;
    struct statvfs system;
    if (stat(path.c_str(), &file) != 0 || statvfs(path.c_str(), &system) != 0 || (system.f_flag & ST_NOSUID) != 0 ||
        prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
        return {};
    struct stat shared;
    const bool is_bare = library.name.find('/') == std::string::npos;
    if (is_bare && stat(library.path.c_str(), &shared) == 0 && (shared.st_mode & S_ISUID) != 0)
        return {};
    if ((file.st_mode & S_ISUID) != 0 && file.st_uid != getuid())
        return {"is set-user-ID"};
    if ((file.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) && file.st_gid != getgid())
        return {"is set-group-ID"};
    if (getuid() != 0 && getxattr(path.c_str(), "security.capability", nullptr, 0) > 0)
        return {"has file capabilities"};
    return {};
}

// ---- scripts ---------------------------------------------------------------------------------------------------

std::string take_word(std::string_view &line)
{
    const size_t begin = std::min(line.find_first_not_of(" \t"), line.size());
    line.remove_prefix(begin);
    const size_t end = std::min(line.find_first_of(" \t"), line.size());
    std::string word(line.substr(0, end));
    line.remove_prefix(end);
    return word;
}

// What env(1) goes on with: the first word that is neither an option nor a variable.
std::string program_of_env(std::string_view line)
{
    for (;;)
    {
        const std::string word = take_word(line);
        if (word.starts_with("-S") && word.size() > 2)
            return find_executable(word.substr(2));
        if (word.empty() || (word[0] != '-' && word.find('=') == word.npos))
            return word.empty() ? word : find_executable(word);
    }
}

// The file that a script is run by; empty if this is none.
std::string interpreter_of(const File &file)
{
    const std::string begin = file.read(0, line_bytes);
    std::string_view line = std::string_view(begin).substr(0, begin.find('\n'));
    if (!line.starts_with("#!"))
        return {};
    line.remove_prefix(2);
    std::string interpreter = take_word(line);
    const std::string_view name = std::string_view(interpreter).substr(interpreter.rfind('/') + 1);
    if (name != "env")
        return interpreter;
    const std::string program = program_of_env(line);
    return program.empty() ? interpreter : program;
}

} // namespace

std::string find_executable(const std::string &name)
{
    if (name.find('/') != name.npos)
        return name;
    const char *const path = getenv("PATH");
    std::array<char, line_bytes> usual{};
    confstr(_CS_PATH, usual.data(), usual.size());
    const std::string folders = std::string(path == nullptr ? usual.data() : path) + ":";
    for (size_t begin = 0; begin < folders.size() && !name.empty();)
    {
        const size_t end = folders.find(':', begin);
        std::string file = end == begin ? "./" + name : folders.substr(begin, end - begin) + "/" + name;
        struct stat found;
        if (stat(file.c_str(), &found) == 0 && S_ISREG(found.st_mode) && access(file.c_str(), X_OK) == 0)
            return file;
        begin = end + 1;
    }
    return {};
}

Obstacle find_obstacle(const std::string &path, const PreloadedLibrary &library)
{
    std::string executable = path;
    for (unsigned scripts = 0; scripts <= interpreters_max; ++scripts)
    {
        const File file(executable);
        std::string interpreter = interpreter_of(file);
        if (!interpreter.empty())
        {
            executable = std::move(interpreter);
            continue;
        }
        const std::optional<Elf> elf = read_elf(file);
        Obstacle obstacle = elf ? obstacle_of_elf(executable, *elf) : Obstacle();
        if (obstacle.clause.empty())
            obstacle = obstacle_of_rights(executable, library);
        if (!obstacle.clause.empty())
            obstacle.clause = (scripts == 0 ? "it " : executable + ", which runs it, ") + obstacle.clause;
        return obstacle;
    }
    return {};
}

} // namespace fastalloc::tool
