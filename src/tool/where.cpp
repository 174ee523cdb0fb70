// SPDX-License-Identifier: MIT
//
// fastalloc where: what is at an address.
#include "tool/json.h"
#include "tool/locate.h"
#include "tool/screen.h"

#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>

namespace fastalloc::tool
{
namespace
{

// In hexadecimal, as debuggers and our own messages write addresses, with 0x or without.
uint64_t parse_address(const char *word)
{
    char *end;
    errno = 0;
    const uint64_t address = strtoull(word, &end, 16);
    if (*word == 0 || *word == '-' || *end != 0 || errno != 0)
        throw UsageFailure(std::string(word) + " is no address: it is written in hexadecimal, as 0x7f3210");
    return address;
}

void print_json(Heap &heap, const Located &found)
{
    Json json;
    json.begin_object().key("process").number(static_cast<uint64_t>(heap.target.process()));
    if (!heap.target.file().empty())
        json.key("core").text(heap.target.file()).key("fatal_line").text(heap.fatal_line());
    json.key("address").text(hexadecimal(found.address)).key("what").text(found.what);
    json.key("changed").boolean(found.changed);
    if (found.is_block)
    {
        json.key("state").text(found.is_live ? "live" : "free");
        json.key("begin").text(hexadecimal(found.begin)).key("offset").number(found.address - found.begin);
        json.key("usable_bytes").number(found.bytes);
        if (!found.is_live)
            json.key("free_in").text(found.free_in);
    }
    if (found.class_bytes)
        json.key("class_bytes").number(*found.class_bytes);
    if (found.number)
        json.key("number").number(*found.number).key("span").text(hexadecimal(found.span));
    if (found.arena)
        json.key("arena").number(*found.arena).key("arena_address").text(hexadecimal(found.arena_address));
    if (found.thread != 0)
        json.key("thread").number(static_cast<uint64_t>(found.thread));
    if (found.node)
        json.key("node").signed_number(*found.node);
    if (found.chunk)
        json.key("chunk").number(found.chunk->number).key("pages").text(page_names[page_row_of(*found.chunk)]);
    if (!found.mapping.empty())
        json.key("mapping").text(found.mapping);
    json.end();
}

void print_text(Heap &heap, const Located &found)
{
    if (const std::string line = heap.fatal_line(); !line.empty())
        printf("%s\n", line.c_str());
    printf("%s: ", hexadecimal(found.address).c_str());
    if (found.is_block)
    {
        if (found.address != found.begin)
            printf("%" PRIu64 " bytes into the ", found.address - found.begin);
        printf("%s %s block of %" PRIu64 " bytes", found.is_live ? "live" : "free", found.what.c_str(), found.bytes);
        printf(found.address != found.begin ? " at %s\n" : "\n", hexadecimal(found.begin).c_str());
    }
    else
        printf("%s\n", found.what.c_str());
    if (!found.mapping.empty())
        printf("  mapping  %s\n", found.mapping.c_str());
    if (!found.free_in.empty())
        printf("  free in  %s\n", found.free_in.c_str());
    if (found.number)
        printf("  span     at %s, block %" PRIu64 " of %" PRIu64 "\n", hexadecimal(found.span).c_str(), *found.number,
               found.capacity);
    if (found.arena)
    {
        printf("  arena    %" PRIu64 " at %s", *found.arena, hexadecimal(found.arena_address).c_str());
        printf(found.thread != 0 ? ", of thread %d\n" : "\n", found.thread);
    }
    if (found.node)
        printf("  node     %s\n", *found.node < 0 ? "none in particular" : std::to_string(*found.node).c_str());
    if (found.chunk)
        printf("  chunk    %" PRIu64 " of %s pages\n", found.chunk->number, page_names[page_row_of(*found.chunk)]);
    if (found.changed)
        puts("  It changed while it was read: it may be otherwise by now.");
}

} // namespace

int where(Words words)
{
    WordReader reader(words, Operands::anywhere);
    const bool as_json = reader.asks_for_json();
    const auto operands = operands_of(reader, {"a process or core file", "an address"});
    const uint64_t address = parse_address(operands[1]);
    look_at(operands[0], [&](Target &target) {
        Heap heap(target);
        const Located found = locate(heap, address);
        if (as_json)
            print_json(heap, found);
        else
            print_text(heap, found);
    });
    return exit_ok;
}

} // namespace fastalloc::tool
