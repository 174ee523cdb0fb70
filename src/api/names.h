// SPDX-License-Identifier: MIT
//
// How api/ gives its functions their names: FASTALLOC_TWIN(malloc) makes fastalloc_malloc another name of malloc.
#pragma once

#include "fastalloc.h"

// A twin has libc's declaration of the other name but not its attributes (how results may be assumed to behave), and
// mallinfo's is marked as deprecated; neither matters to a symbol.
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmissing-attributes"
#endif

#define FASTALLOC_TWIN(name) __attribute__((visibility("default"), alias(#name))) decltype(name) fastalloc_##name
