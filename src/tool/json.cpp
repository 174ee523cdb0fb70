// SPDX-License-Identifier: MIT
#include "tool/json.h"

#include "tool/characters.h"

#include <cinttypes>
#include <cstdio>

namespace fastalloc::tool
{
Json &Json::begin_object(Form form)
{
    return begin('{', '}', form);
}

Json &Json::begin_list(Form form)
{
    return begin('[', ']', form);
}

Json &Json::begin(char begin, char end, Form form)
{
    separate();
    putchar(begin);
    const bool is_within_line = !levels_.empty() && levels_.back().form == Form::line;
    levels_.push_back({end, is_within_line ? Form::line : form, true});
    return *this;
}

Json &Json::end()
{
    const Level level = levels_.back();
    levels_.pop_back();
    if (level.form == Form::lines && !level.is_empty)
        printf("\n%*s", static_cast<int>(2 * levels_.size()), "");
    putchar(level.end);
    if (levels_.empty())
        putchar('\n');
    return *this;
}

Json &Json::key(std::string_view name)
{
    separate();
    quote(name);
    fputs(": ", stdout);
    has_key_ = true;
    return *this;
}

Json &Json::text(std::string_view value)
{
    separate();
    quote(value);
    return *this;
}

Json &Json::number(uint64_t value)
{
    separate();
    printf("%" PRIu64, value);
    return *this;
}

Json &Json::signed_number(int64_t value)
{
    separate();
    printf("%" PRId64, value);
    return *this;
}

Json &Json::boolean(bool value)
{
    separate();
    fputs(value ? "true" : "false", stdout);
    return *this;
}

Json &Json::null()
{
    separate();
    fputs("null", stdout);
    return *this;
}

// What stands between this value and what is before it.
void Json::separate()
{
    if (has_key_ || levels_.empty())
    {
        has_key_ = false;
        return;
    }
    Level &level = levels_.back();
    if (!level.is_empty)
        putchar(',');
    if (level.form == Form::lines)
        printf("\n%*s", static_cast<int>(2 * levels_.size()), "");
    else if (!level.is_empty)
        putchar(' ');
    level.is_empty = false;
}

void Json::quote(std::string_view value)
{
    putchar('"');
    while (!value.empty())
    {
        const size_t bytes = character_bytes(value);
        const auto code = static_cast<unsigned char>(value[0]);
        if (bytes == 0)
            fputs("\\ufffd", stdout);
        else if (is_control(value.substr(0, bytes)))
            printf("\\u%04x", static_cast<unsigned char>(value[bytes - 1])); // the last byte is the number of each
        else if (code == '"' || code == '\\')
            printf("\\%c", code);
        else
            fwrite(value.data(), 1, bytes, stdout);
        value.remove_prefix(bytes == 0 ? 1 : bytes);
    }
    putchar('"');
}

} // namespace fastalloc::tool
