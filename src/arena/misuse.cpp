// SPDX-License-Identifier: MIT
#include "arena/misuse.h"

#include "os/message.h"

namespace fastalloc
{

void fatal_foreign(const char *call, const void *block)
{
    Message().text(call).text("(").pointer(block).text("): not a block of this allocator").fatal();
}

void fatal_double_free(const void *block, size_t bytes)
{
    Message().text("free(").pointer(block).text("): double free of a block of ").bytes(bytes).fatal();
}

void fatal_inside(const char *call, const void *block, size_t bytes)
{
    Message().text(call).text("(").pointer(block).text("): points into a block of ").bytes(bytes).fatal();
}

void fatal_wrong_size(const char *call, const void *block, size_t size, size_t usable)
{
    Message()
        .text(call)
        .text("(")
        .pointer(block)
        .text(", ")
        .decimal(size)
        .text("): a block of ")
        .bytes(usable)
        .text(" cannot have been asked for with this size")
        .fatal();
}

void fatal_too_many_blocks(const void *block, size_t bytes)
{
    Message()
        .text("more blocks of ")
        .bytes(bytes)
        .text(" were freed than handed out, among them ")
        .pointer(block)
        .text(": a double free")
        .fatal();
}

void fatal_broken_invariant(const char *broken)
{
    Message().text("broken invariant: ").text(broken).fatal();
}

void fatal_broken_link(const void *link)
{
    Message().text("a freed block was written to: its link decodes to ").pointer(link).fatal();
}

} // namespace fastalloc
