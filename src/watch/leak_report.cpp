// SPDX-License-Identifier: MIT
#include "watch/leak_report.h"

#include "os/message.h"
#include "os/thread_table.h"
#include "watch/early_blocks.h"
#include "watch/heap_visit.h"

#include <cstdio>

namespace fastalloc
{
namespace
{

constexpr unsigned named_max = 10;
constexpr unsigned above_classes = class_count; // where large and outside blocks are summed up

struct Sum
{
    uint64_t blocks;
    uint64_t bytes;
};

struct Leaked
{
    Sum all;
    Sum of_class[class_count + 1];
    fastalloc_block largest[named_max]; // the largest first
    unsigned named;
};

void add(Sum *sum, size_t bytes)
{
    ++sum->blocks;
    sum->bytes += bytes;
}

bool is_of_standard_stream(const void *block)
{
    for (const FILE *const stream : {stdin, stdout, stderr})
        if (stream != nullptr && stream->_IO_buf_base == block)
            return true;
    return false;
}

// What is read lies on a page with other blocks, which the program cannot have protected.
bool is_thread_table_of_libc(const fastalloc_block &block)
{
    return block.usable < small_page_bytes && is_thread_table(block.address, block.usable);
}

// Whether no call of the program could have freed it.
bool is_libraries_own(const fastalloc_block &block)
{
    return is_of_standard_stream(block.address) || is_thread_table_of_libc(block) ||
           early_blocks.contains(block.address);
}

void name_if_large(Leaked *leaked, const fastalloc_block &block)
{
    unsigned place = leaked->named;
    while (place > 0 && leaked->largest[place - 1].usable < block.usable)
        --place;
    if (place == named_max)
        return;
    leaked->named += leaked->named < named_max;
    for (unsigned moved = leaked->named - 1; moved > place; --moved)
        leaked->largest[moved] = leaked->largest[moved - 1];
    leaked->largest[place] = block;
}

void gather(const HeapSnapshot &snapshot, Leaked *leaked)
{
    snapshot.visit([=](const fastalloc_block &block) {
        if (is_libraries_own(block))
            return 0;
        const bool has_class = block.class_bytes != 0;
        add(&leaked->all, block.usable);
        add(&leaked->of_class[has_class ? class_of(block.class_bytes) : above_classes], block.usable);
        name_if_large(leaked, block);
        return 0;
    });
}

Message &put(Message &line, const Sum &sum)
{
    return line.decimal(sum.bytes).text(" bytes in ").decimal(sum.blocks).text(sum.blocks == 1 ? " block" : " blocks");
}

void write_class(int file, unsigned index, const Sum &sum)
{
    Message line;
    put(line, sum);
    if (index == above_classes)
        line.text(" above ").decimal(medium_max);
    else
        line.text(" of ").decimal(class_bytes(static_cast<SizeClass>(index)));
    line.write(file);
}

// The class with most bytes first.
void write_classes(int file, Leaked *leaked)
{
    for (;;)
    {
        unsigned most = 0;
        for (unsigned index = 1; index <= above_classes; ++index)
            if (leaked->of_class[index].bytes > leaked->of_class[most].bytes)
                most = index;
        if (leaked->of_class[most].blocks == 0)
            return;
        write_class(file, most, leaked->of_class[most]);
        leaked->of_class[most] = {};
    }
}

void write_report(int file, Leaked *leaked)
{
    Message line;
    put(line.text("in use: "), leaked->all).write(file);
    write_classes(file, leaked);
    for (unsigned place = 0; place < leaked->named; ++place)
        Message()
            .text("at ")
            .pointer(leaked->largest[place].address)
            .text(": ")
            .decimal(leaked->largest[place].usable)
            .text(" bytes")
            .write(file);
}

} // namespace

Leaks report_leaks(int file, Verbosity verbosity)
{
    HeapSnapshot snapshot;
    const SnapshotState state = take_snapshot(&snapshot);
    if (state != SnapshotState::taken)
        return state == SnapshotState::busy ? Leaks::busy : Leaks::failed;
    Leaked leaked = {};
    gather(snapshot, &leaked);
    if (leaked.all.blocks != 0)
        write_report(file, &leaked);
    else if (verbosity == Verbosity::always)
        Message().text("in use: no block").write(file);
    if (snapshot.broken() != nullptr)
        Message().text(snapshot.broken()).text(" ").pointer(snapshot.where_broken()).write(file);
    return leaked.all.blocks != 0 ? Leaks::some : Leaks::none;
}

} // namespace fastalloc
