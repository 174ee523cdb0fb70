// SPDX-License-Identifier: MIT
//
// A core file: what the kernel, or a debugger, wrote of a process's memory. Each segment says which addresses it has and
// where in the file they are; notes say which files were mapped where, and which threads there were.
#include "tool/descriptor.h"
#include "tool/target.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <elf.h>
#include <fcntl.h>
#include <sys/procfs.h>
#include <sys/stat.h>
#include <unistd.h>

namespace fastalloc::tool
{
namespace
{

// A file, and nothing beyond its end: one that becomes shorter meanwhile is cut off.
class Bytes
{
public:
    Bytes(const std::string &path, Effort *effort)
        : file_(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)), effort_(*effort)
    {
        struct stat found;
        const bool is_open = file_.is_open() && fstat(file_.number(), &found) == 0;
        const char *const why = !is_open                  ? strerror(errno)
                                : !S_ISREG(found.st_mode) ? "it is no core file, and no number of a process"
                                                          : nullptr;
        if (why != nullptr)
            throw Failure("cannot read " + path + ": " + why);
        bytes_ = static_cast<uint64_t>(found.st_size);
    }

    bool copy(uint64_t offset, void *to, uint64_t bytes) const
    {
        if (offset > bytes_ || bytes > bytes_ - offset)
            return false;
        effort_.spend(Effort::of_step + bytes);
        auto *destination = static_cast<char *>(to);
        while (bytes != 0)
        {
            const ssize_t done = pread(file_.number(), destination, bytes, static_cast<off_t>(offset));
            if (done <= 0)
                return false;
            destination += done;
            offset += static_cast<uint64_t>(done);
            bytes -= static_cast<uint64_t>(done);
        }
        return true;
    }

    template <typename Value>
    bool get(uint64_t offset, Value *value) const
    {
        return copy(offset, value, sizeof *value);
    }

    uint64_t size() const
    {
        return bytes_;
    }

private:
    Descriptor file_;
    Effort &effort_;
    uint64_t bytes_ = 0;
};

// More than a process can have mappings.
constexpr uint64_t headers_max = 1 << 20;

struct Segment
{
    uint64_t begin;
    uint64_t bytes; // in memory
    uint64_t offset;
    uint64_t in_file;
};

struct ThreadPointer
{
    int thread;
    uint64_t address;
};

#if defined(__x86_64__)
constexpr Elf64_Half own_machine = EM_X86_64;
#else
constexpr Elf64_Half own_machine = EM_AARCH64;
#endif

class CoreFile final : public Target
{
public:
    explicit CoreFile(const char *path) : bytes_(path, &effort_)
    {
        file_ = path;
        const std::vector<Elf64_Phdr> notes = read_headers();
        std::sort(segments_.begin(), segments_.end(),
                  [](const Segment &one, const Segment &other) { return one.begin < other.begin; });
        std::sort(mappings_.begin(), mappings_.end(),
                  [](const Mapping &one, const Mapping &other) { return one.begin < other.begin; });
        for (const Elf64_Phdr &note : notes)
            read_notes(note.p_offset, std::min<uint64_t>(note.p_filesz, bytes_.size()));
        if (segments_.empty())
            throw Failure("cannot read " + file_ + ": it has no memory of the process");
    }

    bool read(uint64_t address, void *to, size_t bytes) override;

    std::optional<uint64_t> resident_bytes(uint64_t, uint64_t) override
    {
        return std::nullopt;
    }

    std::optional<uint64_t> huge_page_bytes(uint64_t, uint64_t) override
    {
        return std::nullopt;
    }

    int thread_at(uint64_t address) override;

    bool is_running() const override
    {
        return false;
    }

    bool is_cut_off() const override
    {
        return is_cut_off_;
    }

    bool has_ended() const override
    {
        return true;
    }

private:
    std::vector<Elf64_Phdr> read_headers();
    void add_segment(const Elf64_Phdr &header);
    void read_notes(uint64_t offset, uint64_t bytes);
    void read_note(uint32_t type, uint64_t offset, uint64_t bytes);
    void name_files(uint64_t offset, uint64_t bytes);

    Bytes bytes_;
    bool is_cut_off_ = false;
    std::vector<Segment> segments_;
    std::vector<ThreadPointer> thread_pointers_;
    int noted_thread_ = 0; // the last one a note was about
};

// Returns those of notes.
std::vector<Elf64_Phdr> CoreFile::read_headers()
{
    Elf64_Ehdr header;
    if (!bytes_.get(0, &header) || memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_type != ET_CORE)
        throw Failure(file_ + " is no core file");
    if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_machine != own_machine)
        throw Failure(file_ + " is a core file of another kind of processor, or of a program of 32 bits");
    uint64_t count = header.e_phnum;
    if (count == PN_XNUM) // the number has no room there
    {
        Elf64_Shdr section;
        if (!bytes_.get(header.e_shoff, &section))
            throw Failure(file_ + " is cut off");
        count = section.sh_info;
    }
    if (count > headers_max)
        throw Failure(file_ + " is no core file: it has " + std::to_string(count) + " parts");
    std::vector<Elf64_Phdr> notes;
    for (uint64_t number = 0; number < count; ++number)
    {
        Elf64_Phdr program;
        if (header.e_phentsize < sizeof program || !bytes_.get(header.e_phoff + number * header.e_phentsize, &program))
            throw Failure(file_ + " is cut off");
        if (program.p_type == PT_LOAD)
            add_segment(program);
        else if (program.p_type == PT_NOTE)
            notes.push_back(program);
    }
    return notes;
}

void CoreFile::add_segment(const Elf64_Phdr &header)
{
    if (header.p_memsz == 0 || header.p_vaddr + header.p_memsz < header.p_vaddr)
        return;
    const uint64_t in_file = std::min(header.p_filesz, header.p_memsz);
    is_cut_off_ = is_cut_off_ || header.p_offset > bytes_.size() || in_file > bytes_.size() - header.p_offset;
    segments_.push_back({header.p_vaddr, header.p_memsz, header.p_offset, in_file});
    mappings_.push_back({header.p_vaddr, header.p_vaddr + header.p_memsz, (header.p_flags & PF_R) != 0,
                         (header.p_flags & PF_W) != 0, true, false, ""});
}

void CoreFile::read_notes(uint64_t offset, uint64_t bytes)
{
    const auto aligned = [](uint64_t size) { return (size + 3) & ~uint64_t{3}; };
    const uint64_t end = offset + bytes;
    Elf64_Nhdr note;
    while (offset < end && bytes_.get(offset, &note))
    {
        const uint64_t contents = offset + sizeof note + aligned(note.n_namesz);
        char name[4] = {};
        if (note.n_namesz >= sizeof name && bytes_.copy(offset + sizeof note, name, sizeof name) &&
            (memcmp(name, "CORE", 4) == 0 || memcmp(name, "LINU", 4) == 0))
            read_note(note.n_type, contents, note.n_descsz);
        offset = contents + aligned(note.n_descsz);
    }
}

void CoreFile::read_note(uint32_t type, uint64_t offset, uint64_t bytes)
{
    if (elf_prpsinfo information;
        type == NT_PRPSINFO && bytes >= sizeof information && bytes_.get(offset, &information))
    {
        process_ = information.pr_pid;
        program_ = harmless({information.pr_fname, strnlen(information.pr_fname, sizeof information.pr_fname)});
    }
    if (elf_prstatus status; type == NT_PRSTATUS && bytes >= sizeof status && bytes_.get(offset, &status))
    {
        noted_thread_ = status.pr_pid;
        effort_.keep(sizeof(ThreadPointer));
#if defined(__x86_64__)
        constexpr size_t fs_base = 21; // struct user_regs_struct
        thread_pointers_.push_back({noted_thread_, status.pr_reg[fs_base]});
#endif
    }
#if defined(__aarch64__)
    if (uint64_t pointer; type == NT_ARM_TLS && bytes_.get(offset, &pointer))
        thread_pointers_.push_back({noted_thread_, pointer});
#endif
    if (type == NT_FILE)
        name_files(offset, bytes);
}

// A count and a page size, then begin, end and offset of each mapping, then all names with their zeros.
void CoreFile::name_files(uint64_t offset, uint64_t bytes)
{
    uint64_t count;
    if (!bytes_.get(offset, &count) || count > bytes / (3 * sizeof count))
        return;
    uint64_t name_at = offset + (2 + 3 * count) * sizeof count;
    for (uint64_t number = 0; number < count; ++number)
    {
        uint64_t range[2];
        std::string name;
        char character;
        if (!bytes_.get(offset + (2 + 3 * number) * sizeof count, &range))
            return;
        while (name_at < offset + bytes && bytes_.get(name_at++, &character) && character != 0)
            if (name.size() < PATH_MAX)
                name += character;
        const auto first = std::partition_point(mappings_.begin(), mappings_.end(),
                                                [&](const Mapping &mapping) { return mapping.end <= range[0]; });
        for (auto mapping = first; mapping != mappings_.end() && mapping->begin < range[1]; ++mapping)
        {
            effort_.spend(Effort::of_step);
            effort_.keep(name.size());
            mapping->has_file = true;
            mapping->name = harmless(name);
        }
    }
}

bool CoreFile::read(uint64_t address, void *to, size_t bytes)
{
    auto *destination = static_cast<char *>(to);
    while (bytes != 0)
    {
        const auto behind =
            std::upper_bound(segments_.begin(), segments_.end(), address,
                             [](uint64_t wanted, const Segment &segment) { return wanted < segment.begin; });
        if (behind == segments_.begin())
            return false;
        const Segment &segment = *(behind - 1);
        const uint64_t into = address - segment.begin;
        if (into >= segment.in_file)
            return false;
        const size_t here = std::min<uint64_t>(bytes, segment.in_file - into);
        if (!bytes_.copy(segment.offset + into, destination, here))
            return false;
        destination += here;
        address += here;
        bytes -= here;
    }
    return true;
}

// Thread-local memory lies right below the thread pointer on amd64, right above it on arm64.
int CoreFile::thread_at(uint64_t address)
{
    constexpr uint64_t farthest = 1 << 20;
    int found = 0;
    uint64_t least = farthest;
    for (const ThreadPointer &pointer : thread_pointers_)
    {
        const uint64_t distance = own_machine == EM_X86_64 ? pointer.address - address : address - pointer.address;
        if (distance < least)
        {
            least = distance;
            found = pointer.thread;
        }
    }
    return found;
}

} // namespace

std::unique_ptr<Target> open_core_file(const char *path)
{
    return std::make_unique<CoreFile>(path);
}

} // namespace fastalloc::tool
