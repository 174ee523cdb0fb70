// SPDX-License-Identifier: MIT
//
// text.h - puts words and numbers one after the other into a buffer that is given
//
// An allocator cannot print with stdio, which allocates, takes locks and asks the locale. Text is the little
// that messages, settings and statistics need instead: it writes into the caller's bytes, never past their
// end, and touches nothing else, errno included. One thread at a time, the one that owns the buffer.
//
// Invariant: length() < capacity and bytes[length()] is 0, from construction on. What does not fit is
// dropped and the text ends in "..."; from then on nothing is added, so a reader sees that it was cut.
// Control characters come out as '?': what is one line here is one line on the terminal, whatever a
// program's name or an environment variable holds.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fastalloc
{

class Text
{
public:
    // Requires: `bytes` holds `capacity` bytes for as long as the Text is used; capacity is at least 4.
    constexpr Text(char *bytes, size_t capacity) : bytes_(bytes), capacity_(capacity)
    {
        bytes_[0] = 0;
    }

    // The string up to its 0; null adds nothing.
    constexpr Text &text(const char *string)
    {
        for (; string != nullptr && *string != 0; string++)
        {
            put(*string);
        }
        return *this;
    }

    // At most `count` characters of the string, fewer if its 0 comes first; null adds nothing.
    constexpr Text &text(const char *string, size_t count)
    {
        for (size_t i = 0; string != nullptr && i < count && string[i] != 0; i++)
        {
            put(string[i]);
        }
        return *this;
    }

    constexpr Text &decimal(uint64_t value)
    {
        return number(value, 10);
    }

    // With 0x in front and no leading zeros.
    constexpr Text &hexadecimal(uint64_t value)
    {
        return text("0x").number(value, 16);
    }

    Text &pointer(const void *value)
    {
        return hexadecimal(reinterpret_cast<uintptr_t>(value));
    }

    // A size for people: "4096 bytes", from 10000 on in the largest unit that is at most it, cut to one
    // decimal: "9.7 KiB", "4.0 MiB".
    constexpr Text &bytes(uint64_t value)
    {
        if (value < 10000)
        {
            return decimal(value).text(value == 1 ? " byte" : " bytes");
        }
        constexpr const char *units[] = {" KiB", " MiB", " GiB", " TiB", " PiB", " EiB"};
        unsigned unit = 0;
        unsigned shift = 10;
        while (unit + 1 < sizeof(units) / sizeof(units[0]) && (value >> (shift + 10)) != 0)
        {
            unit++;
            shift += 10;
        }
        const uint64_t rest = value & ((uint64_t{1} << shift) - 1);
        return decimal(value >> shift).text(".").decimal((rest * 10) >> shift).text(units[unit]);
    }

    constexpr size_t length() const
    {
        return length_;
    }

    constexpr const char *string() const
    {
        return bytes_;
    }

    constexpr bool was_cut() const
    {
        return cut_;
    }

private:
    constexpr void put(char character)
    {
        if (cut_)
        {
            return;
        }
        if (length_ + 1 == capacity_)
        {
            cut_ = true;
            for (size_t i = length_ - 3; i < length_; i++)
            {
                bytes_[i] = '.';
            }
            return;
        }
        const auto code = static_cast<unsigned char>(character);
        bytes_[length_++] = (code < 0x20 || code == 0x7f) ? '?' : character;
        bytes_[length_] = 0;
    }

    constexpr Text &number(uint64_t value, unsigned base)
    {
        char digits[20] = {}; // 2^64 - 1 has 20 decimal digits
        unsigned count = 0;
        do
        {
            digits[count++] = "0123456789abcdef"[value % base];
            value /= base;
        } while (value != 0);
        while (count != 0)
        {
            put(digits[--count]);
        }
        return *this;
    }

    char *bytes_;
    size_t capacity_;
    size_t length_ = 0;
    bool cut_ = false;
};

} // namespace fastalloc
