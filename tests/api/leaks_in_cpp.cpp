// SPDX-License-Identifier: MIT
//
// leaks_in_cpp.cpp - leak_check=exit where destructors free: of static objects, of thread-local ones, and what libstdc++
// keeps for itself is no leak of the program. What libgcc keeps of a static program that has thrown, from gcc 13 on, is
// reported: one table, however often it throws.
#include <iostream>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "../support.h"

#include "../children.h"

namespace
{

std::map<std::string, std::vector<int>> global = {{"a name that is too long for its string", {1, 2, 3}}};
thread_local std::string of_thread(1000, 'x');
int *volatile leaked; // else the compiler sees that nobody needs the block

// Leaves nothing but what the destructors of the objects above free.
void use_cleanly()
{
    free(malloc(100)); // of a static program that never calls it, malloc is libc's
    global["another name that is too long for its string"].resize(10000);
    std::vector<std::thread> threads;
    for (int thread = 0; thread < 4; thread++)
        threads.emplace_back([] { of_thread += std::to_string(of_thread.size()); });
    for (std::thread &thread : threads)
        thread.join();
    of_thread += "x";
    std::ostringstream text;
    text << 1.5 << " some words";
    std::cout << text.str() << std::endl;
    static std::vector<std::string> local(100, std::string(100, 'y'));
}

void leak()
{
    use_cleanly();
    leaked = new int[1000];
}

void throw_times(int times)
{
    use_cleanly();
    for (int count = 0; count < times; count++)
    {
        try
        {
            throw std::runtime_error("a message that is too long for its string");
        }
        catch (const std::exception &)
        {
        }
    }
}

void throw_once()
{
    throw_times(1);
}

void throw_often()
{
    throw_times(100);
}

const mode modes[] = {{"clean", use_cleanly, nullptr},
                      {"leak", leak, nullptr},
                      {"throw_once", throw_once, nullptr},
                      {"throw_often", throw_often, nullptr}};

finished_program finished;

void run(const char *mode)
{
    setenv("FASTALLOC_CONF", "leak_check=exit,leak_exit_code=9", 1);
    run_self(&finished, mode, nullptr, nullptr);
    unsetenv("FASTALLOC_CONF");
    assert_string_equal(finished.output, "1.5 some words\n");
}

void destructors_come_before_the_report(void **)
{
    run("clean");
    assert_string_equal(finished.errors, "");
    assert_int_equal(finished.status, 0);
}

void what_new_gave_is_reported(void **)
{
    run("leak");
    assert_non_null(strstr(finished.errors, "]: in use: 4096 bytes in 1 block\n"));
    assert_int_equal(WEXITSTATUS(finished.status), 9);
}

// The number of blocks in use that was reported last.
unsigned long reported_blocks()
{
    unsigned long bytes = 0;
    unsigned long blocks = 0;
    const char *const sum = strstr(finished.errors, "]: in use: ");
    if (sum != nullptr)
        assert_int_equal(sscanf(sum, "]: in use: %lu bytes in %lu block", &bytes, &blocks), 2);
    return blocks;
}

void exceptions_leave_nothing(void **)
{
    run("throw_once");
    const unsigned long of_libgcc = reported_blocks();
    assert_true(of_libgcc <= 1);
    run("throw_often");
    assert_int_equal(reported_blocks(), of_libgcc);
}

} // namespace

int main(int count, char **arguments)
{
    run_mode(modes, sizeof modes / sizeof *modes, count, arguments);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(destructors_come_before_the_report),
        cmocka_unit_test(what_new_gave_is_reported),
        cmocka_unit_test(exceptions_leave_nothing),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
