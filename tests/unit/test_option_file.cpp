// SPDX-License-Identifier: MIT
//
// Claims about os/option_file.h: which files count, and that nothing is read of others. The files lie in a folder of the
// test's own and are the caller's, for the tests need not be root.
#include "os/option_file.h"
#include "os/options.h"

#include "captured_stderr.h"

#include <cerrno>
#include <csetjmp>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <string>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

extern "C" {
#include <cmocka.h>
}

using namespace fastalloc;
using fastalloc_test::capture;
using fastalloc_test::Captured;

namespace
{

constexpr uint64_t mib = 1024 * 1024;

char folder[] = "/tmp/option_file_XXXXXX";
std::string path; // of the file that a test is about

void write_file(const std::string &text, mode_t mode = 0644)
{
    const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(file >= 0);
    assert_int_equal(write(file, text.data(), text.size()), text.size());
    assert_int_equal(fchmod(file, mode), 0);
    close(file);
}

FileState state_of(const std::string &name = path)
{
    const OptionFile file(name.c_str(), getuid(), Untrusted::stays_unread);
    if (file.state() != FileState::counts)
        assert_int_equal(file.text().count, 0);
    assert_true((reason_of(file.state()) == nullptr) == (file.state() == FileState::counts));
    return file.state();
}

std::string text_of(uid_t owner, Untrusted untrusted)
{
    const OptionFile file(path.c_str(), owner, untrusted);
    return {file.text().first, file.text().count};
}

void load(const char *variable, Environment environment = Environment::trusted)
{
    options_load({path.c_str(), getuid(), variable, environment});
}

int make_folder(void **)
{
    if (mkdtemp(folder) == nullptr)
        return -1;
    path = std::string(folder) + "/fastalloc.conf";
    return 0;
}

int remove_folder(void **)
{
    return rmdir(folder);
}

int remove_file(void **)
{
    options_load({});
    unlink(path.c_str());
    return rmdir(path.c_str()) == 0 || errno == ENOENT ? 0 : -1;
}

void a_file_of_its_owner_that_nobody_else_writes_counts(void **)
{
    for (const mode_t mode : {0644u, 0600u, 0444u, 0755u, 0640u})
    {
        write_file("slack=1M\n", mode);
        assert_true(state_of() == FileState::counts);
        assert_string_equal(text_of(getuid(), Untrusted::stays_unread).c_str(), "slack=1M\n");
        unlink(path.c_str());
    }
}

void an_empty_file_counts_and_says_nothing(void **)
{
    write_file("");
    assert_true(state_of() == FileState::counts);
    assert_int_equal(text_of(getuid(), Untrusted::stays_unread).size(), 0);
}

void another_owners_file_is_left_unread(void **)
{
    write_file("slack=1M\n");
    const OptionFile file(path.c_str(), getuid() + 1, Untrusted::stays_unread);
    assert_true(file.state() == FileState::not_its_owners);
    assert_int_equal(file.text().count, 0);
    assert_string_equal(reason_of(file.state()), "not owned by root");
}

void a_file_that_others_may_write_is_left_unread(void **)
{
    for (const mode_t mode : {0664u, 0646u, 0666u, 0620u})
    {
        write_file("slack=1M\n", mode);
        assert_true(state_of() == FileState::writable_by_others);
    }
}

void a_file_that_does_not_count_can_be_read_to_be_shown(void **)
{
    write_file("slack=1M\n", 0666);
    assert_string_equal(text_of(getuid(), Untrusted::is_read).c_str(), "slack=1M\n");
    assert_string_equal(text_of(getuid() + 1, Untrusted::is_read).c_str(), "slack=1M\n");
    write_file(std::string(option_file_max_bytes + 1, '#'), 0666);
    assert_int_equal(text_of(getuid(), Untrusted::is_read).size(), 0);
}

void a_link_counts_if_the_file_it_leads_to_does(void **)
{
    write_file("slack=1M\n");
    const std::string link = std::string(folder) + "/link";
    assert_int_equal(symlink(path.c_str(), link.c_str()), 0);
    const FileState good = state_of(link);
    write_file("slack=1M\n", 0666);
    const FileState bad = state_of(link);
    unlink(link.c_str());
    assert_true(good == FileState::counts && bad == FileState::writable_by_others);
}

void what_is_no_regular_file_neither_counts_nor_is_waited_for(void **)
{
    assert_int_equal(mkfifo(path.c_str(), 0600), 0);
    assert_true(state_of() == FileState::not_regular);
    unlink(path.c_str());
    assert_int_equal(mkdir(path.c_str(), 0700), 0);
    assert_true(state_of() == FileState::not_regular);
    assert_true(state_of("/dev/null") == FileState::not_regular);
}

void the_longest_file_is_read_whole_and_a_longer_one_not_at_all(void **)
{
    std::string text = std::string(option_file_max_bytes - 9, '#') + "\nslack=1M";
    write_file(text);
    load(nullptr);
    assert_int_equal(options().slack, mib);
    write_file(text + "\n");
    assert_true(state_of() == FileState::too_long);
    load(nullptr);
    assert_int_equal(options().slack, 4 * mib);
}

void a_file_that_is_not_there_is_absent(void **)
{
    assert_true(state_of() == FileState::absent);
}

void a_file_that_cannot_be_opened_is_unreadable(void **)
{
    write_file("slack=1M\n");
    assert_true(state_of(path + "/below") == FileState::unreadable);
    const rlimit none = {0, 0};
    rlimit before;
    getrlimit(RLIMIT_NOFILE, &before);
    const rlimit limited = {none.rlim_cur, before.rlim_max};
    setrlimit(RLIMIT_NOFILE, &limited);
    const FileState state = state_of();
    setrlimit(RLIMIT_NOFILE, &before);
    assert_true(state == FileState::unreadable);
}

void nothing_is_left_open_and_errno_is_kept(void **)
{
    const int next = open("/dev/null", O_RDONLY | O_CLOEXEC);
    close(next);
    for (const mode_t mode : {0644u, 0666u, 0u})
    {
        if (mode != 0)
            write_file("slack=1M\n", mode);
        else
            unlink(path.c_str());
        errno = ERANGE;
        load("slack=2M");
        assert_int_equal(errno, ERANGE);
        const int again = open("/dev/null", O_RDONLY | O_CLOEXEC);
        close(again);
        assert_int_equal(again, next);
    }
}

void the_variable_rules_over_the_file_setting_by_setting(void **)
{
    write_file("# of the machine\nslack = 1M\nhuge = never\n");
    load("slack=2M,lease_fund=3M");
    assert_int_equal(options().slack, 2 * mib);
    assert_true(options().huge == Huge::never);
    assert_int_equal(options().lease_fund, 3 * mib);
    assert_true(origin_of(*find_option("slack"), options()) == Origin::environment);
    assert_true(origin_of(*find_option("huge"), options()) == Origin::file);
    assert_true(origin_of(*find_option("lease_fund"), options()) == Origin::environment);
    assert_true(origin_of(*find_option("numa"), options()) == Origin::initial);
}

void what_is_bad_of_the_variable_leaves_what_the_file_says(void **)
{
    write_file("slack=1M\n");
    const Captured captured = capture([] { load("slack=x"); });
    assert_int_equal(options().slack, mib);
    assert_true(origin_of(*find_option("slack"), options()) == Origin::file);
    assert_true(captured.has("FASTALLOC_CONF: skipped slack=x"));
}

void of_the_files_faults_nothing_is_said(void **)
{
    write_file("sluck=1M\nslack=x\nhuge=never\n");
    const Captured captured = capture([] { load(nullptr); });
    assert_int_equal(captured.length, 0);
    assert_true(options().huge == Huge::never);
    write_file("slack=1M\n", 0666);
    const Captured refused = capture([] { load(nullptr); });
    assert_int_equal(refused.length, 0);
    assert_int_equal(options().slack, 4 * mib);
}

void a_secure_process_obeys_the_file_alone(void **)
{
    write_file("slack=1M\n");
    load("slack=2M,huge=never", Environment::secure);
    assert_int_equal(options().slack, mib);
    assert_true(options().huge == Huge::automatic);
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_file_of_its_owner_that_nobody_else_writes_counts, remove_file),
        cmocka_unit_test_teardown(an_empty_file_counts_and_says_nothing, remove_file),
        cmocka_unit_test_teardown(another_owners_file_is_left_unread, remove_file),
        cmocka_unit_test_teardown(a_file_that_others_may_write_is_left_unread, remove_file),
        cmocka_unit_test_teardown(a_file_that_does_not_count_can_be_read_to_be_shown, remove_file),
        cmocka_unit_test_teardown(a_link_counts_if_the_file_it_leads_to_does, remove_file),
        cmocka_unit_test_teardown(what_is_no_regular_file_neither_counts_nor_is_waited_for, remove_file),
        cmocka_unit_test_teardown(the_longest_file_is_read_whole_and_a_longer_one_not_at_all, remove_file),
        cmocka_unit_test_teardown(a_file_that_is_not_there_is_absent, remove_file),
        cmocka_unit_test_teardown(a_file_that_cannot_be_opened_is_unreadable, remove_file),
        cmocka_unit_test_teardown(nothing_is_left_open_and_errno_is_kept, remove_file),
        cmocka_unit_test_teardown(the_variable_rules_over_the_file_setting_by_setting, remove_file),
        cmocka_unit_test_teardown(what_is_bad_of_the_variable_leaves_what_the_file_says, remove_file),
        cmocka_unit_test_teardown(of_the_files_faults_nothing_is_said, remove_file),
        cmocka_unit_test_teardown(a_secure_process_obeys_the_file_alone, remove_file),
    };
    return cmocka_run_group_tests_name("option_file", tests, make_folder, remove_folder);
}
