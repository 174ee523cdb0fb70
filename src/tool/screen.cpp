// SPDX-License-Identifier: MIT
#include "tool/screen.h"

#include "base/text.h"

#include <algorithm>
#include <clocale>
#include <cstdlib>
#include <cstring>
#include <langinfo.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace fastalloc::tool
{
namespace
{

constexpr unsigned width_max = 120; // wider is not easier to read

struct Look
{
    const char *colour; // of the foreground
    const char *block;
    char letter;
};

constexpr Look looks[] = {
    {"32", "█", '#'}, // live
    {"33", "▓", '+'}, // waiting
    {"36", "▒", '-'}, // spans
    {"34", "░", '.'}, // chunks
    {"35", "▞", 'm'}, // tables
    {"92", "▆", '@'}, // outside
    {"0", "█", '#'},  // plain
};

const Look &look_of(Ink ink)
{
    return looks[static_cast<unsigned>(ink)];
}

} // namespace

Screen::Screen(int fd) : is_terminal_(isatty(fd) != 0)
{
    setlocale(LC_CTYPE, "");
    const char *const charset = nl_langinfo(CODESET);
    has_blocks_ = charset != nullptr && strcmp(charset, "UTF-8") == 0;
    const char *const no_colour = getenv("NO_COLOR");
    const char *const terminal = getenv("TERM");
    has_colours_ = is_terminal_ && (no_colour == nullptr || *no_colour == 0) &&
                   (terminal == nullptr || strcmp(terminal, "dumb") != 0);
    winsize size;
    if (is_terminal_ && ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col != 0)
    {
        width_ = std::min(static_cast<unsigned>(size.ws_col), width_max);
        height_ = std::max(static_cast<unsigned>(size.ws_row), 4u);
    }
}

std::string Screen::coloured(const char *code, std::string_view text) const
{
    if (!has_colours_)
        return std::string(text);
    return std::string("\033[").append(code).append("m").append(text).append("\033[0m");
}

std::string Screen::drawn(Ink ink, unsigned count) const
{
    const Look &look = look_of(ink);
    std::string characters;
    for (unsigned index = 0; index < count; ++index)
        if (has_blocks_)
            characters += look.block;
        else
            characters += look.letter;
    return count == 0 || ink == Ink::plain ? characters : coloured(look.colour, characters);
}

std::string Screen::sample(Ink ink) const
{
    return drawn(ink, 1);
}

std::string Screen::bold(std::string_view text) const
{
    return coloured("1", text);
}

std::string Screen::faint(std::string_view text) const
{
    return coloured("2", text);
}

std::string Screen::bar(const std::vector<Part> &parts, uint64_t whole, unsigned width) const
{
    std::string drawing;
    uint64_t sum = 0;
    unsigned drawn_to = 0;
    for (const Part &part : parts)
    {
        sum += part.amount;
        const double exact = whole == 0 ? 0 : static_cast<double>(sum) * width / static_cast<double>(whole);
        auto end = static_cast<unsigned>(std::min(exact + 0.5, static_cast<double>(width)));
        if (part.amount != 0 && end == drawn_to)
            end = std::min(end + 1, width);
        if (end <= drawn_to)
            continue;
        drawing += drawn(part.ink, end - drawn_to);
        drawn_to = end;
    }
    return drawing + std::string(width - drawn_to, ' ');
}

std::string Screen::bytes(uint64_t amount)
{
    char text[32];
    return amount == 0 ? "0" : Text(text, sizeof text).bytes(amount).string();
}

std::string Screen::percentage(uint64_t part, uint64_t whole)
{
    const uint64_t thousandths =
        whole == 0 ? 0 : static_cast<uint64_t>(static_cast<double>(part) * 1000 / static_cast<double>(whole));
    return std::to_string(thousandths / 10) + "." + std::to_string(thousandths % 10) + "%";
}

std::string Screen::right(unsigned width, std::string_view text)
{
    return std::string(text.size() < width ? width - text.size() : 0, ' ').append(text);
}

std::string Screen::left(unsigned width, std::string_view text)
{
    return std::string(text).append(text.size() < width ? width - text.size() : 0, ' ');
}

} // namespace fastalloc::tool
