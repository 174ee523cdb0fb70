// SPDX-License-Identifier: MIT
#include "tool/characters.h"

namespace fastalloc::tool
{

size_t character_bytes(std::string_view text)
{
    const auto first = static_cast<unsigned char>(text[0]);
    if (first < 0x80)
        return 1;
    const size_t bytes = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || text.size() < bytes)
        return 0;
    for (size_t place = 1; place < bytes; ++place)
        if ((static_cast<unsigned char>(text[place]) & 0xc0) != 0x80)
            return 0;
    const auto second = static_cast<unsigned char>(text[1]);
    const bool is_overlong = (first == 0xe0 && second < 0xa0) || (first == 0xf0 && second < 0x90);
    const bool is_beyond = (first == 0xed && second > 0x9f) || (first == 0xf4 && second > 0x8f);
    return is_overlong || is_beyond ? 0 : bytes;
}

bool is_control(std::string_view character)
{
    const auto first = static_cast<unsigned char>(character[0]);
    if (first < 0x80)
        return first < 0x20 || first == 0x7f;
    return first == 0xc2 && static_cast<unsigned char>(character[1]) < 0xa0;
}

std::string harmless(std::string_view text)
{
    std::string safe;
    while (!text.empty())
    {
        const size_t bytes = character_bytes(text);
        if (bytes == 0 || is_control(text.substr(0, bytes)))
            safe += '?';
        else
            safe += text.substr(0, bytes);
        text.remove_prefix(bytes == 0 ? 1 : bytes);
    }
    return safe;
}

} // namespace fastalloc::tool
