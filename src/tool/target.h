// SPDX-License-Identifier: MIT
//
// Target: what is looked at: a running process or a core file. Its memory by address, and what is mapped where.
//
// Nothing that comes from a target is trusted, and no address of it is ever followed but through read(). A process goes
// on while it is read: what was read together need not fit together.
//
// One thread. Words that are read one by one come by pages that are kept; forget() drops them.
#pragma once

#include "tool/characters.h"
#include "tool/command.h"
#include "tool/effort.h"
#include "tool/words.h"

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <vector>

namespace fastalloc::tool
{

struct Mapping
{
    uint64_t begin;
    uint64_t end;
    bool readable;
    bool writable;
    bool is_private;
    bool has_file;
    std::string name; // the file, or [heap], [stack] and such; may be empty

    bool contains(uint64_t address) const
    {
        return begin <= address && address < end;
    }
};

struct Range
{
    uint64_t begin;
    uint64_t end;
};

// Of a part of the heap the target has no memory that can be read, or nonsense.
struct Damage : Failure
{
    using Failure::Failure;
};

class Target
{
public:
    virtual ~Target() = default;
    Target(const Target &) = delete;
    Target &operator=(const Target &) = delete;

    // False if any of these bytes cannot be read.
    virtual bool read(uint64_t address, void *to, size_t bytes) = 0;

    // Pages of an address range that have memory, in bytes, as far as it is mapped. Nothing where that is not known.
    virtual std::optional<uint64_t> resident_bytes(uint64_t begin, uint64_t end) = 0;

    // Of the mappings in an address range, what lies on huge pages. The same.
    virtual std::optional<uint64_t> huge_page_bytes(uint64_t begin, uint64_t end) = 0;

    // Of a range of a private mapping, at page bounds, what the process has written since it was mapped; all where that is
    // not known.
    virtual std::vector<Range> written_ranges(uint64_t begin, uint64_t end)
    {
        return {{begin, end}};
    }

    // The thread whose thread-local memory an address is in, 0 where that is not known.
    virtual int thread_at(uint64_t address) = 0;

    virtual bool is_running() const = 0;

    // Whether its file ends before what it says to have.
    virtual bool is_cut_off() const
    {
        return false;
    }

    // Of a process, that it does not run any more.
    virtual bool has_ended() const = 0;

    // Throws a Failure where it was a process and has ended.
    void require_life() const;

    // In ascending order, as they were when the target was opened.
    const std::vector<Mapping> &mappings() const
    {
        return mappings_;
    }

    // The mapping that has this address, null if none has.
    const Mapping *mapping_at(uint64_t address) const;

    // Writable bytes that are mapped between two addresses.
    uint64_t writable_bytes(uint64_t begin, uint64_t end) const;

    // Its number, 0 if it is not known; its program's name, maybe empty; and what to call it, as "process 12 (cat)".
    int process() const
    {
        return process_;
    }

    const std::string &program() const
    {
        return program_;
    }

    std::string description() const;

    // The core file, empty for a process.
    const std::string &file() const
    {
        return file_;
    }

    // As read(), by pages that are kept, but throws Damage.
    void read_kept(uint64_t address, void *to, size_t bytes);

    // A value, the same way.
    template <typename Value>
    Value value(uint64_t address)
    {
        static_assert(std::is_trivially_copyable_v<Value>);
        Value found;
        read_kept(address, &found, sizeof found);
        return found;
    }

    // As read(), but throws Damage.
    void read_all(uint64_t address, void *to, size_t bytes);

    void forget()
    {
        pages_.clear();
    }

    // What the look at it has cost. Readings by read() alone are the caller's to count.
    Effort &effort()
    {
        return effort_;
    }

protected:
    Target() = default;

    std::vector<Mapping> mappings_;
    std::string program_;
    std::string file_;
    int process_ = 0;
    Effort effort_;

private:
    static constexpr size_t page_bytes = 4096;
    static constexpr size_t pages_max = 16384; // that are kept

    std::unordered_map<uint64_t, std::array<char, page_bytes>> pages_;
};

// Looks at what the word names. Where that fails because the process has ended meanwhile, the Failure says so.
void look_at(const char *word, const std::function<void(Target &)> &look);

// What the word names: the number of a process, or a core file. Throws a Failure that says why it cannot be read.
std::unique_ptr<Target> open_target(const char *word);

// Its two kinds.
std::unique_ptr<Target> open_process(int process);
std::unique_ptr<Target> open_core_file(const char *path);

// "0x7f00".
std::string hexadecimal(uint64_t value);

} // namespace fastalloc::tool
