// SPDX-License-Identifier: MIT
//
// Characters: those of text that others wrote, names of files and programs among it: which bytes are one, and which of
// them a terminal would obey.
//
// No state.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace fastalloc::tool
{

// The bytes of the character of UTF-8 that begins a text, 0 if it is none (RFC 3629). Requires: the text is not empty.
size_t character_bytes(std::string_view text);

// Whether these bytes, all of one character, are a control character: below U+0020, or from U+007F to U+009F.
bool is_control(std::string_view character);

// The text for people: a '?' in place of each control character, and of each byte that belongs to no character.
std::string harmless(std::string_view text);

} // namespace fastalloc::tool
