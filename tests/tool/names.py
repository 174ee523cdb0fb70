# SPDX-License-Identifier: MIT
"""The name of a program or of a core file reaches a terminal without what it would obey, and scripts as it is.

    names.py COMMAND PROGRAM [LIBRARY]

PROGRAM is blocks.c.
"""

import re
import shutil
import sys
from pathlib import Path

from claims import absolute, claim, report, write
from target import Program, core_of, fastalloc, json_of

PROGRAM, *LIBRARY = map(absolute, sys.argv[2:])
# The kernel keeps 15 bytes of a program's name.
NAME = "a\033[2J\u009b2J\u20acz"
SHOWN = "a?[2J?2J\u20acz"
OBEYED = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f]")


def named_program():
    return Program(shutil.copy(PROGRAM, Path(NAME).absolute()), *LIBRARY)


def named_core():
    with named_program() as program:
        return core_of(program).rename(Path(f"core {NAME}").absolute())


def look_at(target, wanted):
    for words in (["stat", target], ["where", target, "0x1000"], ["map", target, "-o", "-"], ["where", target, "none"]):
        done = fastalloc(*words)
        assert not OBEYED.search(done.output + done.said), f"{words}: {done}"
    page = fastalloc("stat", target).output
    assert wanted in page.splitlines()[0], page
    figures = fastalloc("stat", target, "--json").output
    assert not OBEYED.search(figures), figures


@claim
def name_of_a_process_has_nothing_that_a_terminal_obeys():
    with named_program() as program:
        look_at(program.pid, f"{SHOWN}[{program.pid}]")


@claim
def name_of_a_core_file_has_nothing_that_a_terminal_obeys():
    core = named_core()
    look_at(core, f" in {core.parent}/core {SHOWN}")


@claim
def scripts_have_the_name_of_a_core_file_as_it_is():
    core = named_core()
    assert json_of("stat", core)["core"] == str(core), "scripts have another name of the core file"


@claim
def name_of_what_is_no_core_file_has_nothing_that_a_terminal_obeys():
    said = fastalloc("stat", write(NAME, "")).said
    assert f"/{SHOWN} is no core file" in said, f"what is no core file is called otherwise: {said}"


report()
