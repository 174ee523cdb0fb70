// SPDX-License-Identifier: MIT
//
// KeepErrno: what is called inside malloc, which must not change errno when it succeeds. For a scope.
#pragma once

#include <cerrno>

namespace fastalloc
{

class KeepErrno
{
public:
    KeepErrno() : saved_(errno)
    {
    }

    ~KeepErrno()
    {
        errno = saved_;
    }

    KeepErrno(const KeepErrno &) = delete;
    KeepErrno &operator=(const KeepErrno &) = delete;

private:
    int saved_;
};

} // namespace fastalloc
