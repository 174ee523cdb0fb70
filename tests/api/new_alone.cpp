// SPDX-License-Identifier: MIT
//
// new_alone.cpp - a static C++ program that names nothing of the malloc family still has the archive's: what libc
// allocates in it is a block of ours.
#include "fastalloc.h"

#include <cstdio>
#include <cstring>

namespace
{

int is_the_one(void *one, const fastalloc_block *block)
{
    return block->address == one ? 2 : 0;
}

} // namespace

int main()
{
    char *const block = new char[8]();
    char *const copy = strdup("by libc");
    const bool ours = copy != nullptr && fastalloc_heap_visit(is_the_one, copy) == 2;
    const bool also_ours = fastalloc_heap_visit(is_the_one, block) == 2;
    delete[] block;
    std::printf("1..1\n%s 1 - libc's strdup allocates where new does\n", ours && also_ours ? "ok" : "not ok");
    return ours && also_ours ? 0 : 1;
}
