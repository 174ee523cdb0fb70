// SPDX-License-Identifier: MIT
//
// throwing_library.cpp - a C++ library for a program that is not C++: what its operators new do without memory is told
// in return values.
#include <cstddef>
#include <new>
#include <string>
#include <vector>

namespace
{

int handler_calls;

void count_once()
{
    handler_calls++;
    std::set_new_handler(nullptr);
}

} // namespace

// Whether `new` of `bytes` ends in a bad_alloc that is caught here.
extern "C" __attribute__((visibility("default"))) int library_catches_bad_alloc(size_t bytes)
{
    try
    {
        void *block = ::operator new(bytes);
        ::operator delete(block);
    }
    catch (const std::bad_alloc &)
    {
        return 1;
    }
    return 0;
}

// How often the new_handler is called for `new` of `bytes`; -1 if no bad_alloc follows.
extern "C" __attribute__((visibility("default"))) int library_counts_handler_calls(size_t bytes)
{
    handler_calls = 0;
    std::set_new_handler(count_once);
    return library_catches_bad_alloc(bytes) ? handler_calls : -1;
}

// Whether nothrow new of `bytes` is null.
extern "C" __attribute__((visibility("default"))) int library_gets_null(size_t bytes)
{
    return ::operator new(bytes, std::nothrow) == nullptr;
}

// Ordinary use: the sum of the lengths of `count` strings.
extern "C" __attribute__((visibility("default"))) int library_adds_lengths(size_t count)
{
    std::vector<std::string> strings;
    for (size_t index = 0; index < count; index++)
        strings.emplace_back(index, 'x');
    size_t sum = 0;
    for (const std::string &string : strings)
        sum += string.size();
    return static_cast<int>(sum);
}
