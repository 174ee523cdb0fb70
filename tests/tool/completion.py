# SPDX-License-Identifier: MIT
"""In an interactive bash the words behind fastalloc are completed as its user would want them.

    completion.py SCRIPT COMMAND LISTER

COMMAND says what there is to complete, LISTER prints the table of settings (tests/check/settings.cpp). Each claim is
tried without the package bash-completion, and with it where it is installed.
"""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios

from claims import LIMIT_SECONDS, SURROUNDINGS, absolute, claim, report, run, write

SCRIPT, COMMAND, LISTER = map(absolute, sys.argv[1:])
PACKAGE = "/usr/share/bash-completion/bash_completion"
# Keys of this test's own in readline, and two it has: to the end of the line, and clear it.
COMPLETE, INSERT_ALL, PRINT, CLEAR = "\t", "\x0f", "\x07", "\x05\x15"
COLUMNS = 4000  # no line is broken


class Bash:
    """An interactive bash on a terminal of its own, in the current folder."""

    def __init__(self, sources):
        start = write("start", "\n".join([*(f"source '{source}'" for source in sources), *r'''
            bind 'set enable-bracketed-paste off'
            bind 'set bell-style none'
            bind '"\C-o": insert-completions'
            bind -x '"\C-g": printf "<%s>\n" "$READLINE_LINE"'
            PS1='ready: '
            '''.splitlines()]) + "\n")
        self.process, self.terminal = pty.fork()
        if self.process == 0:
            words = ["bash", "--noprofile", "--rcfile", str(start), "-i"]
            os.execvpe("bash", words, {**SURROUNDINGS, "TERM": "dumb"})
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
        self._read_until("ready: ")

    def _read_until(self, pattern):
        text = ""
        while not re.search(pattern, text):
            ready, _, _ = select.select([self.terminal], [], [], LIMIT_SECONDS)
            assert ready, f"bash is silent after {text!r}"
            text += os.read(self.terminal, 65536).decode(errors="replace")
        return re.search(pattern, text)

    def line_after(self, keys):
        """The line once these keys were typed; it is cleared afterwards."""
        os.write(self.terminal, (keys + PRINT + CLEAR).encode())
        return self._read_until(r"<([^>]*)>\r?\n").group(1)

    def close(self):
        os.kill(self.process, signal.SIGKILL)
        os.waitpid(self.process, 0)
        os.close(self.terminal)


def with_each_bash(function):
    for sources in ([SCRIPT], [PACKAGE, SCRIPT]):
        if not all(map(os.path.exists, sources)):
            continue
        bash = Bash(sources)
        try:
            function(bash)
        finally:
            bash.close()


def expect_lines(pairs):
    def compare(bash):
        for typed, wanted in pairs:
            line = bash.line_after(typed + COMPLETE)
            assert line == wanted, f"{typed!r} becomes {line!r}, not {wanted!r}"

    with_each_bash(compare)


@claim
def commands_and_options_are_completed():
    expect_lines((
        ("fastalloc ru", "fastalloc run "),
        ("fastalloc help con", "fastalloc help conf "),
        ("fastalloc run --val", "fastalloc run --valgrind "),
        ("fastalloc run --stats --h", "fastalloc run --stats --huge "),
        ("fastalloc numa --j", "fastalloc numa --json "),
        ("fastalloc conf --f", "fastalloc conf --file "),
        ("fastalloc top --int", "fastalloc top --interval "),
    ))


@claim
def what_is_offered_is_what_help_lists():
    page = run([COMMAND, "help"]).output
    commands = re.findall(r"^  ([a-z]+)  ", page, re.MULTILINE)
    options = {
        command: set(re.findall(r"^  (--?[a-z]+)", run([COMMAND, "help", command]).output, re.MULTILINE))
        for command in commands if command != "help"
    }

    def compare(bash):
        words = set(bash.line_after("fastalloc " + INSERT_ALL).split()[1:])
        assert words == {*commands, "--help", "--version"}, words
        for command, wanted in options.items():
            words = set(bash.line_after(f"fastalloc {command} -" + INSERT_ALL).split()[2:])
            assert words == wanted, f"{command}: {words}, not {wanted}"

    with_each_bash(compare)


@claim
def settings_and_their_words_are_completed():
    expect_lines((
        ("fastalloc run --huge=al", "fastalloc run --huge=always "),
        ("fastalloc run --huge al", "fastalloc run --huge always "),
        ("fastalloc run --numa=bi", "fastalloc run --numa=bind:"),
        ("fastalloc run --numa int", "fastalloc run --numa interleave "),
        ("fastalloc run --set leak_e", "fastalloc run --set leak_exit_code="),
        ("fastalloc run --set=leak_e", "fastalloc run --set=leak_exit_code="),
        ("fastalloc run --set huge=hugetl", "fastalloc run --set huge=hugetlb "),
        ("fastalloc run --set=stats_signal=USR2", "fastalloc run --set=stats_signal=USR2 "),
        ("fastalloc run --set numa=b", "fastalloc run --set numa=bind:"),
    ))


@claim
def settings_offered_are_those_of_the_table():
    names = {line.split()[0] + "=" for line in run([LISTER]).output.splitlines()}

    def compare(bash):
        words = set(bash.line_after("fastalloc run --set " + INSERT_ALL).split()[3:])
        assert words == names, words ^ names

    with_each_bash(compare)


@claim
def programs_and_their_arguments_are_completed_as_without():
    write("a_program", "#!/bin/sh\n", 0o755)
    write("b_file", "")
    expect_lines((
        ("fastalloc run ./a_", "fastalloc run ./a_program "),
        ("fastalloc run --stats --set huge=never --huge=auto ./a_",
         "fastalloc run --stats --set huge=never --huge=auto ./a_program "),
        ("fastalloc run --huge never -- ./a_", "fastalloc run --huge never -- ./a_program "),
        ("fastalloc run cat b_", "fastalloc run cat b_file "),
        ("fastalloc run --set=slack=1M cat --huge=never b_", "fastalloc run --set=slack=1M cat --huge=never b_file "),
        ("fastalloc run cat --huge=al", "fastalloc run cat --huge=al"),
        ("fastalloc run taskse", "fastalloc run taskset "),
    ))


@claim
def processes_and_files_are_completed():
    write("core.dump", "")
    expect_lines((
        ("fastalloc stat core.d", "fastalloc stat core.dump "),
        ("fastalloc where core.d", "fastalloc where core.dump "),
        ("fastalloc map 1 -o core.d", "fastalloc map 1 -o core.dump "),
        ("fastalloc conf --file core.d", "fastalloc conf --file core.dump "),
    ))

    def compare(bash):
        for command in ("stat", "top", "where", "map"):
            words = bash.line_after(f"fastalloc {command} " + INSERT_ALL).split()
            assert any(word.isdigit() for word in words), f"no process is offered for {command}"

    with_each_bash(compare)


report()
