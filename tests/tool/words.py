# SPDX-License-Identifier: MIT
"""The command as a whole: help, words it does not know, output that cannot be written.

    words.py COMMAND VERSION
"""

import re
import sys

from claims import absolute, claim, expect, report, run

COMMAND = absolute(sys.argv[1])
VERSION = sys.argv[2]


def commands():
    return re.findall(r"^  ([a-z]+)  ", run([COMMAND, "help"]).output, re.MULTILINE)


@claim
def without_words_it_says_what_there_is_and_exits_2():
    done = run([COMMAND])
    expect(done, status=2, output="", said="usage: fastalloc COMMAND")


@claim
def help_is_on_standard_output():
    texts = {run([COMMAND, word]).output for word in ("help", "--help", "-h")}
    assert len(texts) == 1 and {"run", "conf", "numa"} <= set(commands())
    for command in commands():
        if command == "help":
            continue
        one = run([COMMAND, "help", command])
        expect(one, said="")
        assert one.output.startswith(f"usage: fastalloc {command} ")
        expect(run([COMMAND, command, "--help"]), output=one.output, said="")
        assert max(map(len, one.output.splitlines())) <= 80, one
    assert max(map(len, texts.pop().splitlines())) <= 80


@claim
def version_is_that_of_the_project():
    expect(run([COMMAND, "--version"]), output=f"fastalloc {VERSION}\n", said="")


@claim
def unknown_words_exit_2():
    expect(run([COMMAND, "nothing"]), status=2, output="", said="fastalloc: there is no command nothing")
    expect(run([COMMAND, "--nothing"]), status=2, output="", said="there is no command --nothing")
    expect(run([COMMAND, "help", "nothing"]), status=2, output="", said="there is no command nothing")
    for command in commands():
        if command != "help":
            expect(run([COMMAND, command, "--nothing"]), status=2, output="", said="there is no option --nothing")
    for command in ("conf", "numa"):
        expect(run([COMMAND, command, "word"]), status=2, output="", said="it is not known what to do with word")


@claim
def output_that_cannot_be_written_is_a_failure():
    for words in (["help"], ["--version"], ["conf"], ["conf", "--json"], ["numa"], ["numa", "--json"]):
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = run([COMMAND, *words], stdout=full)
        expect(done, status=1, said="fastalloc: cannot write the output: No space left")


@claim
def standard_output_that_is_closed_is_a_failure():
    expect(run(["sh", "-c", '"$1" numa >&-', "sh", COMMAND]), status=1, said="cannot write the output")


report()
