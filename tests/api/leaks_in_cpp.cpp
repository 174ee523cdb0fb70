// SPDX-License-Identifier: MIT
//
// leaks_in_cpp.cpp - leak_check=exit where destructors free: of static objects, of thread-local ones, and what libstdc++
// keeps for itself is no leak of the program.
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
    try
    {
        throw std::runtime_error(text.str());
    }
    catch (const std::exception &thrown)
    {
        std::cout << thrown.what() << std::endl;
    }
    static std::vector<std::string> local(100, std::string(100, 'y'));
}

void leak()
{
    use_cleanly();
    leaked = new int[1000];
}

const mode modes[] = {{"clean", use_cleanly, nullptr}, {"leak", leak, nullptr}};

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

} // namespace

int main(int count, char **arguments)
{
    run_mode(modes, sizeof modes / sizeof *modes, count, arguments);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(destructors_come_before_the_report),
        cmocka_unit_test(what_new_gave_is_reported),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
