# SPDX-License-Identifier: MIT
"""The name of a program or of a core file reaches a terminal without what the terminal would obey, and scripts as it is.

    names.py COMMAND PROGRAM [LIBRARY]
"""

import re
import shutil
import sys
from pathlib import Path

from command import Program, core_of, expect, finish, folder, json_of, run

# The kernel keeps 15 bytes of a program's name.
NAME = "a\033[2J\u009b2J\u20acz"
SHOWN = "a?[2J?2J\u20acz"
OBEYED = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f]")


def look_at(target, wanted):
    for words in (["stat", target], ["where", target, "0x1000"], ["map", target, "-o", "-"], ["where", target, "none"]):
        done = run(*words)
        expect(not OBEYED.search(done.stdout + done.stderr), f"{words}: {done}")
    page = run("stat", target).stdout
    expect(wanted in page.splitlines()[0], page)
    figures = run("stat", target, "--json").stdout
    expect(not OBEYED.search(figures), figures)


def main():
    with folder() as scratch:
        copy = Path(scratch) / NAME
        shutil.copy(sys.argv[2], copy)
        with Program(copy, *sys.argv[3:4]) as program:
            look_at(program.pid, f"{SHOWN}[{program.pid}]")
            core = core_of(program, Path(scratch) / "core")
            if core is not None:
                named = Path(scratch) / f"core {NAME}"
                core.rename(named)
                look_at(named, f" in {scratch}/core {SHOWN}")
                expect(json_of("stat", named)["core"] == str(named), "scripts have another name of the core file")
        copy.write_text("", encoding="utf-8")
        expect(f"/{SHOWN} is no core file" in run("stat", copy).stderr, "what is no core file is called otherwise")
    finish("names are shown without what a terminal would obey")


main()
