// SPDX-License-Identifier: MIT
//
// fastalloc: the command. It finds the word that says what to do, and prints what cannot be done.
#include "base/version.h"
#include "tool/characters.h"
#include "tool/command.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <new>
#include <string>
#include <string_view>

namespace
{

using namespace fastalloc::tool;

constexpr Command commands[] = {
    {"run", "[OPTION]... [--] PROGRAM [ARGUMENT]...", "run a program on the library", run,
     "  --set KEY=VALUE       with this setting; may be repeated\n"
     "  --huge WORD           the setting huge: auto, always, never or hugetlb\n"
     "  --numa WORD           the setting numa: auto, off, interleave or bind:NODES\n"
     "  --stats               print where the memory is when the program ends\n"
     "  --valgrind[=OPTIONS]  run it under Valgrind\n"},
    {"conf", "[--json] [--file FILE]", "show the settings programs start with, and what is wrong with them", conf,
     "  --json                for scripts\n"
     "  --file FILE           this settings file in place of /etc/fastalloc.conf\n"},
    {"stat", "PID|CORE [--json]", "show where the memory of a process is", stat,
     "  --json                for scripts\n"},
    {"top", "PID [--interval SECONDS]", "show the same again and again, until q is pressed", top,
     "  --interval SECONDS    so often, 1 if it is not given\n"},
    {"where", "PID|CORE ADDRESS [--json]", "say what is at an address of a process", where,
     "  --json                for scripts\n"},
    {"map", "PID|CORE -o FILE.svg", "draw the chunks of a process: how full, which node, which pages", map,
     "  -o FILE.svg           into this file; - is standard output\n"},
    {"numa", "[--json]", "show the memory nodes, and what the library makes of them", numa,
     "  --json                for scripts\n"},
};

constexpr Command helps = {"help", "[COMMAND]", "show this, or what a command takes", nullptr};

void print_help(FILE *file)
{
    fputs("usage: fastalloc COMMAND [WORD]...\n\n", file);
    for (const Command &command : commands)
        fprintf(file, "  %-6s  %s\n", command.name, command.sentence);
    fprintf(file, "  %-6s  %s\n", helps.name, helps.sentence);
    fputs("\n  --version  show the version\n\nfastalloc(1) says more, fastalloc(7) what the library is.\n", file);
}

void print_usage(FILE *file, const Command &command)
{
    fprintf(file, "usage: fastalloc %s %s\n", command.name, command.synopsis);
}

// Its sentence may have names that others chose, and further lines.
void print_failure(const Failure &failure)
{
    std::string lines = "fastalloc: ";
    std::string_view rest = failure.what();
    for (size_t end = rest.find('\n'); end != rest.npos; end = rest.find('\n'))
    {
        lines += harmless(rest.substr(0, end)) + '\n';
        rest.remove_prefix(end + 1);
    }
    lines += harmless(rest) + '\n';
    fputs(lines.c_str(), stderr);
}

bool asks_for_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

const Command &find(const char *name)
{
    for (const Command &command : commands)
        if (strcmp(command.name, name) == 0)
            return command;
    throw Failure(std::string("there is no command ") + name + ": `fastalloc help` lists them", exit_usage);
}

int help(Words words)
{
    if (words.empty())
        print_help(stdout);
    for (const char *word : words)
    {
        const Command &command = find(word);
        print_usage(stdout, command);
        printf("%s\n%s%s", command.sentence, *command.options == 0 ? "" : "\n", command.options);
    }
    return exit_ok;
}

int perform(Words words)
{
    if (asks_for_help(words[0]) || strcmp(words[0], helps.name) == 0)
        return help(words.subspan(1));
    if (strcmp(words[0], "--version") == 0)
    {
        printf("fastalloc %s\n", fastalloc::version);
        return exit_ok;
    }
    const Command &command = find(words[0]);
    if (words.size() > 1 && asks_for_help(words[1]))
        return help(words.first(1));
    try
    {
        return command.run(words.subspan(1));
    }
    catch (const UsageFailure &failure)
    {
        print_failure(failure);
        print_usage(stderr, command);
        return failure.exit_code;
    }
}

// What was printed may not have been written: a full disk, a pipe nobody reads.
int finish(int code)
{
    if (fflush(stdout) == 0 && ferror(stdout) == 0)
        return code;
    fprintf(stderr, "fastalloc: cannot write the output: %s\n", strerror(errno));
    return exit_failed;
}

} // namespace

int main(int count, char **words)
{
    if (count < 2)
    {
        print_help(stderr);
        return exit_usage;
    }
    try
    {
        return finish(perform(Words(words + 1, static_cast<size_t>(count - 1))));
    }
    catch (const Failure &failure)
    {
        print_failure(failure);
        return failure.exit_code;
    }
    catch (const std::bad_alloc &)
    {
        fputs("fastalloc: out of memory\n", stderr);
        return exit_failed;
    }
}
