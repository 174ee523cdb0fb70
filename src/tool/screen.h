// SPDX-License-Identifier: MIT
//
// Screen: what the page of figures is written for: how wide, with which characters, whether in colours. And the page's
// parts: amounts for people, bars.
//
// Colours only on a terminal, and where NO_COLOR does not say otherwise; blocks only where the locale is UTF-8.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fastalloc::tool
{

// What a part of a bar stands for, and how it looks.
enum class Ink
{
    live,
    waiting, // free blocks of threads
    spans,   // free, in spans
    chunks,  // free parts and chunks
    tables,
    outside,
    plain,
};

struct Part
{
    Ink ink;
    uint64_t amount;
};

class Screen
{
public:
    // For a file descriptor as it is now.
    explicit Screen(int fd);

    // The columns beside so many that are taken: none where the screen is narrower.
    unsigned room_beside(unsigned columns) const
    {
        return width_ > columns ? width_ - columns : 0;
    }

    unsigned height() const
    {
        return height_;
    }

    bool is_terminal() const
    {
        return is_terminal_;
    }

    // The parts of `whole`, so many characters wide: each that is not 0 is seen as far as there is room.
    std::string bar(const std::vector<Part> &parts, uint64_t whole, unsigned width) const;

    // One character that shows an ink, for legends.
    std::string sample(Ink ink) const;

    std::string bold(std::string_view text) const;
    std::string faint(std::string_view text) const;

    // "4.0 MiB"; "0" for none.
    static std::string bytes(uint64_t amount);

    // "12.5%", not rounded up; of nothing "0.0%".
    static std::string percentage(uint64_t part, uint64_t whole);

    // In a column, to its right or left end.
    static std::string right(unsigned width, std::string_view text);
    static std::string left(unsigned width, std::string_view text);

private:
    std::string coloured(const char *code, std::string_view text) const;
    std::string drawn(Ink ink, unsigned count) const;

    unsigned width_ = 80;
    unsigned height_ = 24;
    bool is_terminal_ = false;
    bool has_colours_ = false;
    bool has_blocks_ = false;
};

} // namespace fastalloc::tool
