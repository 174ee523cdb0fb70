// SPDX-License-Identifier: MIT
#include "tool/target.h"

#include "base/text.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>

namespace fastalloc::tool
{

std::string hexadecimal(uint64_t value)
{
    char bytes[24];
    return Text(bytes, sizeof bytes).hexadecimal(value).string();
}

const Mapping *Target::mapping_at(uint64_t address) const
{
    const auto behind =
        std::upper_bound(mappings_.begin(), mappings_.end(), address,
                         [](uint64_t wanted, const Mapping &mapping) { return wanted < mapping.begin; });
    if (behind == mappings_.begin())
        return nullptr;
    const Mapping &found = *(behind - 1);
    return found.contains(address) ? &found : nullptr;
}

uint64_t Target::writable_bytes(uint64_t begin, uint64_t end) const
{
    uint64_t bytes = 0;
    for (const Mapping &mapping : mappings_)
        if (mapping.writable && mapping.begin < end && begin < mapping.end)
            bytes += std::min(end, mapping.end) - std::max(begin, mapping.begin);
    return bytes;
}

std::string Target::description() const
{
    const std::string of_program = program_.empty() ? "" : " (" + program_ + ")";
    return file_.empty() ? "process " + std::to_string(process_) + of_program
                         : "core file " + harmless(file_) + of_program;
}

void Target::read_all(uint64_t address, void *to, size_t bytes)
{
    effort_.spend(Effort::of_reading + bytes);
    if (!read(address, to, bytes))
        throw Damage("cannot read " + std::to_string(bytes) + " bytes at " + hexadecimal(address) + " of " +
                     description());
}

void Target::read_kept(uint64_t address, void *to, size_t bytes)
{
    auto *destination = static_cast<char *>(to);
    while (bytes != 0)
    {
        const uint64_t page = address / page_bytes;
        const size_t offset = address % page_bytes;
        const size_t here = std::min(bytes, page_bytes - offset);
        effort_.spend(Effort::of_step);
        auto kept = pages_.find(page);
        if (kept == pages_.end())
        {
            if (pages_.size() >= pages_max)
                pages_.clear();
            std::array<char, page_bytes> read_now;
            read_all(page * page_bytes, read_now.data(), page_bytes);
            kept = pages_.emplace(page, read_now).first;
        }
        memcpy(destination, kept->second.data() + offset, here);
        destination += here;
        address += here;
        bytes -= here;
    }
}

void Target::require_life() const
{
    if (is_running() && has_ended())
        throw Failure(description() + " has ended");
}

void look_at(const char *word, const std::function<void(Target &)> &look)
{
    const std::unique_ptr<Target> target = open_target(word);
    try
    {
        look(*target);
    }
    catch (const Failure &)
    {
        target->require_life();
        throw;
    }
}

std::unique_ptr<Target> open_target(const char *word)
{
    char *end;
    errno = 0;
    const long number = strtol(word, &end, 10);
    if (*word == 0 || *end != 0)
        return open_core_file(word);
    if (errno != 0 || number <= 0 || number > INT_MAX)
        throw UsageFailure(std::string("there can be no process ") + word);
    return open_process(static_cast<int>(number));
}

} // namespace fastalloc::tool
