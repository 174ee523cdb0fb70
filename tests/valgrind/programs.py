#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""programs.py LIBRARY - of real programs memcheck tells with the library preloaded, left in place, nothing that it does
not tell without."""

import shutil
import sys

import tool

TEXT = __file__

# Enough that ten are there on any machine that can build this.
COMMANDS = [
    ["ls", "-lR", "/etc/apt"],
    ["sort", TEXT],
    ["grep", "-E", "(a|b)+c", TEXT],
    ["sed", "-E", "s/(.)(.)/\\2\\1/g", TEXT],
    ["awk", "{ words[$1]++ } END { for (word in words) print word, words[word] }", TEXT],
    ["bash", "-c", "a=(1 2 3); for i in ${a[@]}; do b=$b$i; done; echo ${b//2/x} $(echo inner)"],
    ["perl", "-e", "my %h; $h{$_ % 97} .= \"$_ \" for 1 .. 3000; print join ',', sort keys %h"],
    ["python3", "-S", "-c", "print(sorted({str(n): n for n in range(3000)}.items())[:3])"],
    ["tar", "-cf", "/dev/null", TEXT],
    ["xz", "-c", TEXT],
    ["gzip", "-c", TEXT],
    ["find", "/etc/apt", "-name", "*.list"],
    ["diff", TEXT, "/etc/passwd"],
    ["date", "+%A %B"],
    ["gcc", "--version"],
]
PROGRAMS_MIN = 10


def told_by(command, preload):
    """(The kind of each error and in which functions it was made, the exit status, whether the library's own show)."""
    told, status, _ = tool.run("memcheck", tool.IN_PLACE, command, preload)
    # As XML it tells what was not freed as well, and such programs leave that to their end.
    errors = [(one.kind, one.stacks[0][:2]) for one in told if not one.kind.startswith("Leak_")]
    return errors, status, any(name.endswith("forwarding_allocate") for one in told for name in one.stacks[0])


def main():
    library = sys.argv[1]
    faults = tool.Faults()
    run = 0
    served = 0
    for command in COMMANDS:
        program = shutil.which(command[0], path="/usr/bin:/bin")
        if program is None:
            continue
        command[0] = program
        run += 1
        without, status, _ = told_by(command, None)
        with_library, status_with, shows = told_by(command, library)
        served += shows
        faults.expect(status == status_with, f"{command[0]} ends with {status_with}, without the library with {status}")
        for one in with_library:
            if one in without:
                without.remove(one)
            else:
                faults.expect(False, f"{command[0]}: {one}")
    faults.expect(run >= PROGRAMS_MIN, f"only {run} programs are installed")
    faults.expect(served > 0, "no stack of a block that was not freed names the library: it was not preloaded")
    faults.finish(f"memcheck tells nothing of {run} programs that it does not tell without the library")


main()
