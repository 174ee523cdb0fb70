// SPDX-License-Identifier: MIT
//
// The search for fastalloc_root: where it is in a target, found by its contents.
//
// Symbols are of no help with a program that has the library inside it, or one whose library was replaced on disk since.
// The record lies in the data of a program or a library: in private writable memory of a file, or right behind that,
// where programs have their copies of libraries' variables. It was written when the process began, so of a running process
// only pages that were written are read. Its magic is looked for there, and all it says must hold together. Of two that do the one that is in use counts: a program's copy leaves an unused original.
#pragma once

#include "heap/layout.h"
#include "heap/root.h"
#include "tool/target.h"

namespace fastalloc::tool
{

struct FoundRoot
{
    uint64_t address;
    Root root;
    Layout layout; // members that the library's table does not have are absent, pointers null
};

// What a pointer of the target says, which is never followed here.
inline uint64_t address_in(const void *pointer)
{
    return reinterpret_cast<uintptr_t>(pointer);
}

// Throws a Failure where there is none, or one of another layout version.
FoundRoot find_root(Target &target);

} // namespace fastalloc::tool
