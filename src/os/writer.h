// SPDX-License-Identifier: MIT
//
// Writer: a long text, to a file descriptor, in pieces. What statistics are printed with.
//
// It gathers words and numbers in a small buffer of its own and writes that whenever it is full (os/quiet_write.h), so a
// text may have any length. After a write that failed it drops everything: who has written all asks finish() once. Of
// one thread; it allocates nothing and keeps errno.
#pragma once

#include "base/text.h"

namespace fastalloc
{

class Writer
{
public:
    explicit Writer(int fd) : fd_(fd)
    {
    }

    Writer(const Writer &) = delete;
    Writer &operator=(const Writer &) = delete;

    // As they are: control characters, too.
    Writer &text(const char *string);
    Writer &decimal(uint64_t value);

    // What a text holds, in a column of that width: numbers to its right end, words to its left.
    Writer &right(unsigned width, const Text &cell);
    Writer &left(unsigned width, const Text &cell);

    // Writes what is left. 0, or the errno of the first write that failed.
    int finish();

private:
    void put(char character);
    void put_spaces(unsigned width, const Text &cell);

    static constexpr size_t capacity = 512;

    int fd_;
    int error_ = 0;
    size_t count_ = 0;
    char bytes_[capacity];
};

} // namespace fastalloc
