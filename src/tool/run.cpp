// SPDX-License-Identifier: MIT
//
// fastalloc run: becomes a program that is on the library.
//
// By exec, so that the process, its parent, signals and exit code are the program's own. All it leaves behind is in two
// variables of the environment, LD_PRELOAD and FASTALLOC_CONF, which what the program starts inherits.
#include "tool/characters.h"
#include "tool/command.h"
#include "tool/executable.h"
#include "tool/library.h"
#include "tool/setting.h"
#include "tool/words.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <unistd.h>
#include <vector>

namespace fastalloc::tool
{
namespace
{

struct Request
{
    std::string settings;              // with commas between them
    std::vector<std::string> valgrind; // the words in front of the program's
    std::vector<std::string> program;
};

void add_setting(Request &request, const std::string &setting)
{
    check_settings(setting);
    request.settings = merge_settings(request.settings.c_str(), setting);
}

// Valgrind leaves the library's malloc in place, which hands each call on: fastalloc(7), VALGRIND.
void add_valgrind(Request &request, const char *options)
{
    if (request.valgrind.empty())
        request.valgrind = {"valgrind", "--soname-synonyms=somalloc=nouserintercepts"};
    constexpr char blanks[] = " \t\n";
    const std::string words = options == nullptr ? "" : options;
    for (size_t begin = words.find_first_not_of(blanks); begin != words.npos;)
    {
        const size_t end = words.find_first_of(blanks, begin);
        request.valgrind.push_back(words.substr(begin, end - begin));
        begin = words.find_first_not_of(blanks, end);
    }
}

Request read(Words words)
{
    Request request;
    WordReader reader(words, Operands::end_options);
    while (reader.next())
    {
        if (reader.is("--set"))
            add_setting(request, reader.value());
        else if (reader.is("--huge"))
            add_setting(request, std::string("huge=") + reader.value());
        else if (reader.is("--numa"))
            add_setting(request, std::string("numa=") + reader.value());
        else if (reader.is("--stats"))
            add_setting(request, "stats_print=exit");
        else if (reader.is("--valgrind"))
            add_valgrind(request, reader.value_if_any());
        else
            reader.refuse();
    }
    if (reader.operands().empty())
        throw UsageFailure("no PROGRAM to run");
    request.program.assign(reader.operands().begin(), reader.operands().end());
    return request;
}

// Says what is known to keep the library out of the program, and stops where that would not even start.
void look_at(const std::string &program, const PreloadedLibrary &library)
{
    const std::string path = find_executable(program);
    const Obstacle obstacle = path.empty() ? Obstacle() : find_obstacle(path, library);
    if (obstacle.is_fatal)
        throw Failure("cannot run " + program + " on the library: " + obstacle.clause, exit_cannot_invoke);
    if (!obstacle.clause.empty())
        fprintf(stderr, "fastalloc: %s runs without the library: %s\n", harmless(program).c_str(),
                harmless(obstacle.clause).c_str());
}

void set_variable(const char *name, const std::string &value)
{
    if (setenv(name, value.c_str(), 1) != 0)
        throw std::bad_alloc();
}

[[noreturn]] void execute(std::vector<std::string> &words)
{
    std::vector<char *> pointers;
    pointers.reserve(words.size() + 1);
    for (std::string &word : words)
        pointers.push_back(word.data());
    pointers.push_back(nullptr);
    execvp(pointers[0], pointers.data());
    const int code = errno == ENOENT ? exit_not_found : exit_cannot_invoke;
    throw Failure("cannot run " + words[0] + ": " + strerror(errno), code);
}

} // namespace

int run(Words words)
{
    Request request = read(words);
    const PreloadedLibrary library = find_library();
    look_at(request.program[0], library);
    set_variable("LD_PRELOAD", merge_preload(getenv("LD_PRELOAD"), library.name));
    if (!request.settings.empty())
        set_variable("FASTALLOC_CONF", merge_settings(getenv("FASTALLOC_CONF"), request.settings));
    if (!request.valgrind.empty() && find_executable(request.valgrind[0]).empty())
        throw Failure("valgrind is not installed", exit_not_found);
    request.program.insert(request.program.begin(), request.valgrind.begin(), request.valgrind.end());
    execute(request.program);
}

} // namespace fastalloc::tool
