// SPDX-License-Identifier: MIT
//
// Claims about os/cgroup.h, on files that are made up.
#include "os/cgroup.h"

#include "heap/limits.h"

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string>

#include "layers.h"

using namespace fastalloc_test;

namespace
{

std::string scratch;

void write_file(const std::string &name, const std::string &contents)
{
    std::ofstream(scratch + name) << contents;
}

int make_scratch(void **)
{
    scratch = std::filesystem::temp_directory_path() / ("fastalloc-cgroup-" + std::to_string(getpid()));
    std::filesystem::create_directories(scratch + "/mount/a/b");
    static std::string membership, mount;
    membership = scratch + "/membership";
    mount = scratch + "/mount";
    cgroup::set_places_for_tests(membership.c_str(), mount.c_str());
    return 0;
}

int remove_scratch(void **)
{
    cgroup::set_places_for_tests(nullptr, nullptr);
    return std::filesystem::remove_all(scratch) == 0;
}

void without_files_there_is_no_limit(void **)
{
    errno = 1;
    assert_int_equal(cgroup::memory_limit(), cgroup::unlimited);
    write_file("/membership", "");
    assert_int_equal(cgroup::memory_limit(), cgroup::unlimited);
    write_file("/membership", "7:memory:/a\n1:name=systemd:/a\n"); // version 1 only
    write_file("/mount/a/memory.max", "1000\n");
    assert_int_equal(cgroup::memory_limit(), cgroup::unlimited);
    assert_int_equal(errno, 1);
}

void the_lowest_on_the_way_up_counts(void **)
{
    write_file("/membership", "7:memory:/x\n0::/a/b\n");
    write_file("/mount/a/memory.max", "max\n");
    assert_int_equal(cgroup::memory_limit(), cgroup::unlimited);
    write_file("/mount/a/b/memory.max", "5000\n");
    assert_int_equal(cgroup::memory_limit(), 5000);
    write_file("/mount/a/b/memory.high", "4000\n");
    assert_int_equal(cgroup::memory_limit(), 4000);
    write_file("/mount/a/memory.high", "3000\n");
    assert_int_equal(cgroup::memory_limit(), 3000);
    write_file("/mount/memory.max", "2000\n");
    assert_int_equal(cgroup::memory_limit(), 2000);
    write_file("/membership", "0::/a\n");
    assert_int_equal(cgroup::memory_limit(), 2000);
    write_file("/membership", "0::/\n");
    assert_int_equal(cgroup::memory_limit(), 2000);
    write_file("/mount/memory.max", "0\n");
    assert_int_equal(cgroup::memory_limit(), 0);
}

void what_is_no_number_is_no_limit(void **)
{
    write_file("/membership", "0::/\n");
    for (const char *const text : {"", "\n", "-5\n", "99999999999999999999999\n", "much\n"})
    {
        write_file("/mount/memory.max", text);
        assert_int_equal(cgroup::memory_limit(), cgroup::unlimited);
    }
    write_file("/membership", "0::/" + std::string(3000, 'x') + "\n"); // longer than a path
    write_file("/mount/memory.max", "7\n");
    assert_int_equal(cgroup::memory_limit(), 7); // of the mount point
}

void a_process_that_grows_reads_its_limit(void **)
{
    assert_alone([] {
        write_file("/membership", "0::/\n");
        write_file("/mount/memory.max", std::to_string(64 * mebibyte));
        void *const little = allocate_block(mebibyte);
        require(limits.ceiling() == Limits::none);
        const std::vector<void *> blocks = allocate_blocks(40, mebibyte / 2);
        require(limits.ceiling() == 64 * mebibyte);
        write_file("/mount/memory.max", std::to_string(96 * mebibyte));
        const std::vector<void *> more = allocate_blocks(40, mebibyte / 2);
        require(limits.ceiling() == 96 * mebibyte);
        release_blocks(blocks);
        release_blocks(more);
        release_block(little);
    });
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(without_files_there_is_no_limit),
        cmocka_unit_test(the_lowest_on_the_way_up_counts),
        cmocka_unit_test(what_is_no_number_is_no_limit),
        cmocka_unit_test(a_process_that_grows_reads_its_limit),
    };
    return cmocka_run_group_tests_name("cgroup", tests, make_scratch, remove_scratch);
}
