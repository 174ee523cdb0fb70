# SPDX-License-Identifier: MIT
"""Each public header compiles alone, and twice in one file, as strict C11 and as C++17.

    header.py HEADER... -- C-COMPILER... -- C++-COMPILER...

A header whose name ends in .hpp is for C++ only.
"""

import subprocess
import sys
from pathlib import Path

import report

WARNINGS = ["-pedantic", "-Wall", "-Wextra", "-Wconversion", "-Wundef", "-Werror", "-fsyntax-only"]
C_ARGUMENTS = ["-std=c11", "-Wstrict-prototypes", "-x", "c", "-"]
CPP_ARGUMENTS = ["-std=c++17", "-x", "c++", "-"]


def split(arguments):
    """The three lists between the dashes."""
    first = arguments.index("--")
    second = arguments.index("--", first + 1)
    return arguments[:first], arguments[first + 1: second], arguments[second + 1:]


def main():
    headers, c_compiler, cpp_compiler = split(sys.argv[1:])
    faults = []
    for header in map(Path, headers):
        languages = [("C++17", cpp_compiler, CPP_ARGUMENTS)]
        if header.suffix == ".h":
            languages.append(("C11", c_compiler, C_ARGUMENTS))
        include = f"#include <{header.name}>\n"
        for language, compiler, arguments in languages:
            done = subprocess.run(
                [*compiler, *WARNINGS, f"-I{header.parent}", *arguments],
                input=include * 2 + "int unused_by_the_header;\n",
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            if done.returncode != 0:
                faults.append(f"{header.name} does not compile alone as {language}:\n{done.stdout}")
    report.finish(
        faults,
        f"{len(headers)} header(s) compile alone",
        "A public header includes all it uses and nothing of src/.",
    )


main()
