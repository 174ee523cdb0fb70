// SPDX-License-Identifier: MIT
#include "os/writer.h"

#include "os/quiet_write.h"

namespace fastalloc
{

void Writer::put(char character)
{
    if (count_ == capacity)
        finish();
    bytes_[count_++] = character;
}

int Writer::finish()
{
    if (error_ == 0 && count_ != 0)
        error_ = quiet_write(fd_, bytes_, count_);
    count_ = 0;
    return error_;
}

Writer &Writer::text(const char *string)
{
    for (; *string != 0; ++string)
        put(*string);
    return *this;
}

Writer &Writer::decimal(uint64_t value)
{
    char digits[24];
    return text(Text(digits, sizeof digits).decimal(value).string());
}

void Writer::put_spaces(unsigned width, const Text &cell)
{
    for (size_t length = cell.length(); length < width; ++length)
        put(' ');
}

Writer &Writer::right(unsigned width, const Text &cell)
{
    put_spaces(width, cell);
    return text(cell.string());
}

Writer &Writer::left(unsigned width, const Text &cell)
{
    text(cell.string());
    put_spaces(width, cell);
    return *this;
}

} // namespace fastalloc
