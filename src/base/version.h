// SPDX-License-Identifier: MIT
//
// The library's version, "MAJOR.MINOR.PATCH", as the public header has it.
#pragma once

#include "fastalloc.h"

#define FASTALLOC_TEXT_OF(number) #number
#define FASTALLOC_TEXT(number) FASTALLOC_TEXT_OF(number)

namespace fastalloc
{

inline constexpr char version[] = FASTALLOC_TEXT(FASTALLOC_VERSION_MAJOR) "." FASTALLOC_TEXT(
    FASTALLOC_VERSION_MINOR) "." FASTALLOC_TEXT(FASTALLOC_VERSION_PATCH);

} // namespace fastalloc
