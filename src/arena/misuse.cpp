// SPDX-License-Identifier: MIT
#include "arena/misuse.h"

#include "heap/window.h"
#include "os/message.h"
#include "os/options.h"

namespace fastalloc
{
namespace
{

constexpr const char *manual = "; see fastalloc(7), MISUSE";

// For what is noticed after the call that was wrong.
const char *rerun()
{
    return options().check == Check::on ? "" : "; FASTALLOC_CONF=check=on finds the call";
}

} // namespace

void fatal_foreign(const char *call, const void *block)
{
    Message()
        .text(call)
        .text("(")
        .pointer(block)
        .text("): not a block of this allocator, or one freed before")
        .text(manual)
        .fatal();
}

void fatal_double_free(const void *block, size_t bytes)
{
    Message()
        .text("free(")
        .pointer(block)
        .text("): double free of a ")
        .decimal(bytes)
        .text("-byte block")
        .text(manual)
        .fatal();
}

void fatal_freed(const char *call, const void *block, size_t bytes)
{
    Message()
        .text(call)
        .text("(")
        .pointer(block)
        .text("): a ")
        .decimal(bytes)
        .text("-byte block that was freed before")
        .text(manual)
        .fatal();
}

void fatal_inside(const char *call, const void *block, size_t bytes)
{
    Message()
        .text(call)
        .text("(")
        .pointer(block)
        .text("): points into a ")
        .decimal(bytes)
        .text("-byte block")
        .text(manual)
        .fatal();
}

void fatal_wrong_size(const char *call, const void *block, size_t size, size_t usable)
{
    Message()
        .text(call)
        .text("(")
        .pointer(block)
        .text(", ")
        .decimal(size)
        .text("): a ")
        .decimal(usable)
        .text("-byte block cannot have been asked for with this size")
        .text(manual)
        .fatal();
}

void fatal_too_many_blocks(const Span *span)
{
    const size_t bytes = class_bytes(span->size_class);
    const void *const begin = reinterpret_cast<void *>(address_of(span));
    Message()
        .text("more ")
        .decimal(bytes)
        .text("-byte blocks were freed into the span at ")
        .pointer(begin)
        .text(" than it gave: a double free")
        .text(rerun())
        .text(manual)
        .fatal();
}

void fatal_handed_out_twice(const void *block)
{
    Message()
        .text("malloc: the block at ")
        .pointer(block)
        .text(" is in use: a free block that led to it was written to")
        .text(manual)
        .fatal();
}

void fatal_written_when_free(const void *block)
{
    Message()
        .text("malloc: the block at ")
        .pointer(block)
        .text(" was written to while it was free")
        .text(manual)
        .fatal();
}

void fatal_broken_invariant(const char *broken)
{
    Message().text("broken invariant: ").text(broken).fatal();
}

void fatal_broken_link(const void *link)
{
    Message().text("a freed block was written to: its link leads to ").pointer(link).text(rerun()).text(manual).fatal();
}

} // namespace fastalloc
