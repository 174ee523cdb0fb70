// SPDX-License-Identifier: MIT
//
// hints.h - what the compiler is told about speed, in four words
//
// The macros say which way a branch usually goes and which functions are hot or cold. None of them
// changes what a program means: each may be defined empty and every test still passes. They are macros
// because the attributes they stand for are spelled by the compiler, not by the language; [[likely]] is
// not used because it cannot stand inside an expression and gcc and clang weigh it differently.
//
// There is no word for "this call is a tail call": clang's musttail demands equal parameter lists, which
// a fast function and its slow twin do not have. That the twins are reached by a jump is checked on the
// built library instead (tests/check/fast_path).
//
// May be included by every file; includes nothing.
#pragma once

// The condition, expected to be true (false): the other way is moved out of the straight line.
#define FASTALLOC_LIKELY(condition) __builtin_expect(static_cast<bool>(condition), true)
#define FASTALLOC_UNLIKELY(condition) __builtin_expect(static_cast<bool>(condition), false)

// For slow twins: never inlined, so that a fast function saves no register for them, and laid out apart,
// so that the hot ones share cache lines.
#define FASTALLOC_SLOW __attribute__((noinline, cold))

// For the pieces a fast function is made of: part of its body in every build, -O0 included.
#define FASTALLOC_INLINE __attribute__((always_inline)) inline
