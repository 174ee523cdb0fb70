// SPDX-License-Identifier: MIT
//
// Claims about watch/leak_report.cpp: what its lines say. tests/api/leaks.py looks at whole programs.
#include "watch/leak_report.h"

#include "watch/early_blocks.h"

#include "visited_blocks.h"

#include <string>
#include <sys/mman.h>

using namespace fastalloc_test;

namespace
{

// The lines of a report, without what each begins with.
std::vector<std::string> report(Leaks expected, Verbosity verbosity = Verbosity::always)
{
    const int file = memfd_create("report", 0);
    require(report_leaks(file, verbosity) == expected);
    std::string text(100000, 0);
    const ssize_t length = pread(file, text.data(), text.size(), 0);
    close(file);
    text.resize(length > 0 ? static_cast<size_t>(length) : 0);
    std::vector<std::string> lines;
    while (!text.empty())
    {
        const size_t begin = text.find("]: ");
        const size_t end = text.find('\n');
        require(begin < end && end != std::string::npos && text.starts_with("fastalloc: test_leak_report["));
        lines.push_back(text.substr(begin + 3, end - begin - 3));
        text.erase(0, end + 1);
    }
    return lines;
}

void no_block_is_one_line(void **)
{
    assert_alone([] {
        release_block(allocate_block(8));
        require(report(Leaks::none) == std::vector<std::string>{"in use: no block"});
        require(report(Leaks::none, Verbosity::if_any).empty());
    });
}

std::string place(const void *block, size_t bytes)
{
    char text[80];
    snprintf(text, sizeof text, "at %p: %zu bytes", block, bytes);
    return text;
}

void classes_are_summed_up_with_most_bytes_first(void **)
{
    assert_alone([] {
        const std::vector<void *> few = allocate_blocks(2, 1000);
        const std::vector<void *> many = allocate_blocks(300, 16);
        void *const medium = allocate_block(20 * kibibyte);
        void *const large = allocate_block(mebibyte);
        void *const outside_block = allocate_block(40 * mebibyte);
        const std::vector<std::string> lines = report(Leaks::some);
        require(lines.size() == 15);
        require(lines[0] == "in use: 43018944 bytes in 305 blocks");
        require(lines[1] == "42991616 bytes in 2 blocks above 262144");
        require(lines[2] == "20480 bytes in 1 block of 20480");
        require(lines[3] == "4800 bytes in 300 blocks of 16");
        require(lines[4] == "2048 bytes in 2 blocks of 1024");
        require(lines[5] == place(outside_block, 40 * mebibyte));
        require(lines[6] == place(large, mebibyte));
        require(lines[7] == place(medium, 20 * kibibyte));
        require(lines[8] == place(few[0], 1024) || lines[8] == place(few[1], 1024));
        for (size_t line = 10; line < 15; line++)
            require(lines[line].ends_with(": 16 bytes"));
        require(report(Leaks::some, Verbosity::if_any) == lines);
    });
}

void fewer_than_ten_blocks_are_all_named(void **)
{
    assert_alone([] {
        const std::vector<void *> blocks = {allocate_block(64), allocate_block(128), allocate_block(32)};
        const std::vector<std::string> lines = report(Leaks::some);
        require(lines.size() == 7);
        require(lines[4] == place(blocks[1], 128));
        require(lines[5] == place(blocks[0], 64));
        require(lines[6] == place(blocks[2], 32));
    });
}

void a_broken_heap_is_told_in_a_line(void **)
{
    assert_alone([] {
        const std::vector<void *> blocks = allocate_blocks(10, 64);
        release_blocks({blocks.begin(), blocks.begin() + 3});
        *static_cast<uint64_t *>(blocks[1]) = 7;
        const std::vector<std::string> lines = report(Leaks::some);
        require(lines.back().find("leads astray") != std::string::npos);
    });
}

void the_buffers_of_standard_streams_are_left_out(void **)
{
    assert_alone([] {
        void *const buffer = allocate_block(4096);
        setvbuf(stdout, static_cast<char *>(buffer), _IOFBF, 4096);
        require(report(Leaks::none).size() == 1);
        allocate_block(4096);
        require(report(Leaks::some)[0] == "in use: 4096 bytes in 1 block");
    });
}

void early_blocks_are_left_out(void **)
{
    assert_alone([] {
        allocate_blocks(100, 100);
        early_blocks.note();
        require(report(Leaks::none).size() == 1);
        allocate_block(100);
        require(report(Leaks::some)[0] == "in use: 112 bytes in 1 block");
    });
}

void nothing_is_written_where_nothing_can_be(void **)
{
    assert_alone([] {
        allocate_block(8);
        errno = 77;
        require(report_leaks(-1, Verbosity::always) == Leaks::some);
        int ends[2];
        require(pipe(ends) == 0);
        close(ends[0]);
        require(report_leaks(ends[1], Verbosity::always) == Leaks::some); // no SIGPIPE
        require(errno == 77);
    });
}

void a_thread_that_holds_a_lock_is_told_so(void **)
{
    assert_alone([] {
        allocate_block(8);
        const Guard guard(registry.lock);
        require(report(Leaks::busy).empty());
    });
}

void without_memory_there_is_no_report(void **)
{
    assert_alone([] {
        allocate_block(8);
        const int file = memfd_create("report", 0);
        limit_growth(RLIMIT_AS, 0);
        require(report_leaks(file, Verbosity::always) == Leaks::failed);
        require(lseek(file, 0, SEEK_END) == 0);
    });
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(no_block_is_one_line),
        cmocka_unit_test(classes_are_summed_up_with_most_bytes_first),
        cmocka_unit_test(fewer_than_ten_blocks_are_all_named),
        cmocka_unit_test(a_broken_heap_is_told_in_a_line),
        cmocka_unit_test(the_buffers_of_standard_streams_are_left_out),
        cmocka_unit_test(early_blocks_are_left_out),
        cmocka_unit_test(nothing_is_written_where_nothing_can_be),
        cmocka_unit_test(a_thread_that_holds_a_lock_is_told_so),
        cmocka_unit_test(without_memory_there_is_no_report),
    };
    return cmocka_run_group_tests_name("leak_report", tests, nullptr, nullptr);
}
