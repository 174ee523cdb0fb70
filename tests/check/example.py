# SPDX-License-Identifier: MIT
"""The example of a manual page is the file that comes with the library, and does what the page says.

    example.py PAGE SOURCE BUILT LIBRARY

Under EXAMPLES the page shows SOURCE, but for the comment it begins with, and then a terminal: `$ ` and `> ` stand before
what was typed, and what was printed follows. The commands but for those of the compiler are given to a shell that finds
BUILT, which was made of SOURCE, under SOURCE's name, and LIBRARY where libraries are. They succeed, and print the lines
of the page, where a number of the page stands for any from half of it to twice as much, or to 2, a row of # for any, and
a line of three points for any lines.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import report
from manual import displays_of, plain, section_of

COMMENT = re.compile(r"\A/\*.*?\*/\n", re.DOTALL)
TOKEN = re.compile(r"#+|\d+|\w+|[^\w\s]")


def commands_and_lines(terminal):
    """What is typed, and what is printed."""
    typed, printed = [], []
    for line in terminal.splitlines():
        if line.startswith("$ "):
            typed.append(line[2:])
        elif line.startswith("> "):
            typed[-1] += "\n" + line[2:]
        else:
            printed.append(line)
    return [command for command in typed if not command.startswith("cc ")], printed


def is_meant(shown, printed):
    """Whether a line of the page stands for a line that was printed."""
    of_page, of_program = TOKEN.findall(shown), TOKEN.findall(printed)
    return len(of_page) == len(of_program) and all(map(is_meant_by_token, of_page, of_program))


def is_meant_by_token(shown, printed):
    if shown.isdigit() and printed.isdigit():
        return int(shown) // 2 <= int(printed) <= max(2 * int(shown), 2)
    return shown == printed or not (shown + printed).strip("#")


def are_meant(shown, printed):
    """The same of all lines."""
    if not shown:
        return not printed
    if shown[0] == "...":
        return any(are_meant(shown[1:], printed[skipped:]) for skipped in range(len(printed) + 1))
    return bool(printed) and is_meant(shown[0], printed[0]) and are_meant(shown[1:], printed[1:])


def main():
    page, source, built, library = map(Path, sys.argv[1:])
    displays = displays_of(section_of(plain(page.read_text(encoding="utf-8")), "EXAMPLES"))
    text = COMMENT.sub("", source.read_text(encoding="utf-8"))
    if len(displays) != 2 or displays[0] != text:
        report.finish([f"{page.name}: EXAMPLES does not show {source.name}, and then what it does"], "", "")
    commands, lines = commands_and_lines(displays[1])
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / (source.stem + built.suffix)).symlink_to(built.resolve())
        done = subprocess.run(
            ["sh", "-ec", "\n".join(commands)],
            cwd=scratch,
            env={**os.environ, "LC_ALL": "C", "LD_LIBRARY_PATH": str(library.resolve().parent)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    print(done.stdout[-2000:])
    faults = [] if done.returncode == 0 else [f"{source.name} ended with {done.returncode}"]
    if not are_meant(lines, done.stdout.splitlines()):
        faults.append(f"{page.name} says of {source.name}:\n" + "\n".join(lines))
    report.finish(faults, f"{source.name} is in {page.name} and does what is said", "Give the page what it prints.")


main()
