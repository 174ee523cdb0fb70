// SPDX-License-Identifier: MIT
//
// A running process, read by process_vm_readv: it is neither stopped nor changed, and no memory of it is written. Where
// that is refused, who could allow it is named, and what the kernel says of the process's memory anyway.
#include "base/config.h"
#include "tool/descriptor.h"
#include "tool/process_files.h"
#include "tool/refusal.h"
#include "tool/target.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

namespace fastalloc::tool
{
namespace
{

std::string without_newline(std::string text)
{
    while (!text.empty() && text.back() == '\n')
        text.pop_back();
    return text;
}

// "55d0-55e0 rw-p 00001000 fe:00 1234    /usr/bin/cat"
bool parse_mapping(const std::string &line, Mapping *mapping)
{
    unsigned long begin, end, offset, inode;
    char access[5];
    int name_at = 0;
    if (sscanf(line.c_str(), "%lx-%lx %4s %lx %*s %lu %n", &begin, &end, access, &offset, &inode, &name_at) != 5)
        return false;
    *mapping = {begin,
                end,
                access[0] == 'r',
                access[1] == 'w',
                access[3] == 'p',
                inode != 0,
                harmless(line.substr(std::min(static_cast<size_t>(name_at), line.size())))};
    return true;
}

std::vector<Mapping> mappings_of(int process)
{
    std::vector<Mapping> mappings;
    std::ifstream file(path_of(process, "maps"));
    Mapping mapping;
    for (std::string line; std::getline(file, line);)
        if (parse_mapping(line, &mapping))
            mappings.push_back(mapping);
    return mappings;
}

// Bits of a page's word in /proc/PID/pagemap: Documentation/admin-guide/mm/pagemap.rst.
constexpr uint64_t page_is_present = uint64_t{1} << 63;
constexpr uint64_t page_is_swapped = uint64_t{1} << 62;
constexpr uint64_t page_is_shared = uint64_t{1} << 61; // a file's, or of shared memory

uint64_t kernel_page_bytes()
{
    return static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

class Process final : public Target
{
public:
    explicit Process(int process);

    bool read(uint64_t address, void *to, size_t bytes) override;
    std::optional<uint64_t> resident_bytes(uint64_t begin, uint64_t end) override;
    std::optional<uint64_t> huge_page_bytes(uint64_t begin, uint64_t end) override;
    std::vector<Range> written_ranges(uint64_t begin, uint64_t end) override;
    int thread_at(uint64_t address) override;

    bool is_running() const override
    {
        return true;
    }

    bool has_ended() const override;

private:
    static void refuse_foreign_numbers();
    void refuse_what_has_no_memory() const;
    void refuse_32_bits() const;
    void try_to_read();
    int thread_called(int own_number) const;
    template <typename Visit>
    bool look_at_pages(uint64_t begin, uint64_t end, const Visit &visit);

    Descriptor handle_; // that becomes readable when it ends; none where the kernel has none
    Descriptor pagemap_;
};

Process::Process(int process)
    : handle_(static_cast<int>(syscall(SYS_pidfd_open, process, 0))),
      pagemap_(open(path_of(process, "pagemap").c_str(), O_RDONLY | O_CLOEXEC))
{
    refuse_foreign_numbers();
    process_ = process;
    program_ = harmless(without_newline(contents_of(path_of(process, "comm"))));
    refuse_what_has_no_memory();
    mappings_ = mappings_of(process);
    // What may be read, process_vm_readv says, and not the mappings, which a process that is being ended has none of.
    try_to_read();
    refuse_32_bits();
}

// A process that is ending has no memory before it counts as ended.
bool Process::has_ended() const
{
    pollfd event = {handle_.number(), POLLIN, 0};
    if (handle_.is_open() && poll(&event, 1, 0) == 1)
        return true;
    char byte;
    const iovec here = {&byte, 1};
    const iovec there = {nullptr, 1};
    return process_vm_readv(process_, &here, 1, &there, 1, 0) < 0 && errno == ESRCH;
}

// The numbers we are given and those under /proc must be the same.
void Process::refuse_foreign_numbers()
{
    char name[16] = {};
    const ssize_t length = readlink("/proc/self", name, sizeof name - 1);
    if (length <= 0)
        throw Failure("cannot read processes: /proc is not mounted, or of another PID namespace");
    if (name != std::to_string(getpid()))
        throw Failure("cannot read processes: /proc is of another PID namespace");
}

void Process::refuse_what_has_no_memory() const
{
    const std::string status = contents_of(path_of(process_, "status"));
    if (status.empty())
    {
        if (access(path_of(process_, "").c_str(), F_OK) == 0)
            throw Failure("cannot read " + path_of(process_, "status"));
        throw Failure("there is no process " + std::to_string(process_));
    }
    const std::string state = field_of(status, "State");
    if (state.compare(0, 1, "Z") == 0 || state.compare(0, 1, "X") == 0)
        throw Failure(description() + " has ended: only its parent has not asked for its exit code yet");
    if (field_of(status, "VmSize").empty())
        throw Failure(description() + " is a thread of the kernel, or is just ending: it has no memory of its own");
}

void Process::try_to_read()
{
    if (mappings_.empty())
    {
        if (access(path_of(process_, "").c_str(), F_OK) != 0)
            throw Failure(description() + " has ended");
        throw Failure("cannot read " + description() + ": " + reason_of_refusal(process_) + sums_of(process_));
    }
    for (const Mapping &mapping : mappings_)
    {
        char byte;
        if (!mapping.readable || mapping.name == "[vvar]")
            continue;
        if (read(mapping.begin, &byte, 1))
            return;
        if (errno == ESRCH)
            throw Failure(description() + " has ended");
        if (errno == ENOSYS)
            throw Failure("cannot read " + description() + ": the kernel has no process_vm_readv");
        if (errno == EPERM)
            throw Failure("cannot read " + description() + ": " + reason_of_refusal(process_) + sums_of(process_));
    }
    throw Failure("cannot read " + description() + ": no mapping of it can be read");
}

// The program's own file says it.
void Process::refuse_32_bits() const
{
    unsigned char head[5] = {};
    const Descriptor file(open(path_of(process_, "exe").c_str(), O_RDONLY | O_CLOEXEC));
    const bool known = pread(file.number(), head, sizeof head, 0) == sizeof head && memcmp(head, "\177ELF", 4) == 0;
    if (known && head[4] == 1)
        throw Failure(description() + " is a program of 32 bits: libfastalloc is for 64 bits");
}

bool Process::read(uint64_t address, void *to, size_t bytes)
{
    auto *destination = static_cast<char *>(to);
    while (bytes != 0)
    {
        const iovec here = {destination, bytes};
        const iovec there = {reinterpret_cast<void *>(address), bytes};
        const ssize_t done = process_vm_readv(process_, &here, 1, &there, 1, 0);
        if (done <= 0)
            return false;
        destination += done;
        address += static_cast<uint64_t>(done);
        bytes -= static_cast<size_t>(done);
    }
    return true;
}

// Address space that is only reserved has no pages, and may be larger than can be asked about.
std::optional<uint64_t> Process::resident_bytes(uint64_t begin, uint64_t end)
{
    uint64_t pages = 0;
    bool is_known = true;
    effort_.spend(Effort::of_step);
    const auto first = std::partition_point(mappings_.begin(), mappings_.end(),
                                            [&](const Mapping &mapping) { return mapping.end <= begin; });
    for (auto mapping = first; mapping != mappings_.end() && mapping->begin < end; ++mapping)
        if (mapping->readable || mapping->writable)
            is_known = look_at_pages(std::max(begin, mapping->begin), std::min(end, mapping->end),
                                     [&](uint64_t, uint64_t word) { pages += (word & page_is_present) != 0; }) &&
                       is_known;
    return is_known ? std::optional(pages * kernel_page_bytes()) : std::nullopt;
}

// What the kernel says of each page, as far as there are any; false where it says nothing.
template <typename Visit>
bool Process::look_at_pages(uint64_t begin, uint64_t end, const Visit &visit)
{
    if (!pagemap_.is_open())
        return false;
    const uint64_t page = kernel_page_bytes();
    uint64_t words[4096];
    for (uint64_t first = begin / page; first * page < end;)
    {
        const uint64_t left = (end - first * page + page - 1) / page;
        const size_t wanted = std::min<uint64_t>(left, std::size(words)) * sizeof words[0];
        effort_.spend(Effort::of_reading + wanted);
        const ssize_t bytes = pread(pagemap_.number(), words, wanted, static_cast<off_t>(first * sizeof words[0]));
        if (bytes <= 0 || bytes % static_cast<ssize_t>(sizeof words[0]) != 0)
            return bytes == 0; // it has ended
        const auto count = static_cast<size_t>(bytes) / sizeof words[0];
        for (size_t index = 0; index < count; ++index)
            visit((first + index) * page, words[index]);
        first += count;
    }
    return true;
}

// To read any other page of a private mapping would give the process memory for it.
std::vector<Range> Process::written_ranges(uint64_t begin, uint64_t end)
{
    std::vector<Range> ranges;
    const bool is_known = look_at_pages(begin, end, [&](uint64_t page, uint64_t word) {
        if ((word & (page_is_present | page_is_swapped)) == 0 || (word & page_is_shared) != 0)
            return;
        if (ranges.empty() || ranges.back().end != page)
            ranges.push_back({page, page});
        ranges.back().end = page + kernel_page_bytes();
    });
    return is_known ? ranges : Target::written_ranges(begin, end);
}

std::optional<uint64_t> Process::huge_page_bytes(uint64_t begin, uint64_t end)
{
    std::ifstream file(path_of(process_, "smaps"));
    bool is_readable = false;
    bool inside = false;
    uint64_t kibibytes = 0;
    Mapping mapping;
    for (std::string line; std::getline(file, line);)
    {
        unsigned long amount;
        if (parse_mapping(line, &mapping))
        {
            is_readable = true;
            inside = begin <= mapping.begin && mapping.end <= end;
        }
        else if (inside && (sscanf(line.c_str(), "AnonHugePages: %lu", &amount) == 1 ||
                            sscanf(line.c_str(), "Private_Hugetlb: %lu", &amount) == 1))
            kibibytes += amount;
    }
    return is_readable ? std::optional(kibibytes * 1024) : std::nullopt;
}

// A thread's number here; what it says itself is its number in its own PID namespace, the last of those it has.
int Process::thread_called(int own_number) const
{
    std::error_code error;
    for (const auto &entry : std::filesystem::directory_iterator(path_of(process_, "task"), error))
    {
        const std::string numbers = field_of(contents_of(entry.path() / "status"), "NSpid");
        const size_t last = numbers.find_last_of(" \t");
        if (atoi(numbers.c_str() + (last == std::string::npos ? 0 : last + 1)) == own_number && !numbers.empty())
            return atoi(entry.path().filename().c_str());
    }
    return 0;
}

// glibc on amd64: a thread's local memory lies below its descriptor, which names itself twice and its thread.
int Process::thread_at(uint64_t address)
{
#if defined(__x86_64__) && defined(__GLIBC__)
    constexpr uint64_t searched = 64 * kibibyte;
    constexpr uint64_t own_address_again = 16;
    constexpr uint64_t thread_number = 720;
    try
    {
        for (uint64_t place = (address + 15) & ~uint64_t{15}; place < address + searched; place += 16)
        {
            if (value<uint64_t>(place) != place || value<uint64_t>(place + own_address_again) != place)
                continue;
            const int number = value<int>(place + thread_number);
            return thread_called(number);
        }
    }
    catch (const Damage &)
    {
    }
#else
    (void)address;
#endif
    return 0;
}

} // namespace

std::unique_ptr<Target> open_process(int process)
{
    return std::make_unique<Process>(process);
}

} // namespace fastalloc::tool
