# SPDX-License-Identifier: MIT
"""`fastalloc where` says of every address what it is, in a process and in a core file of it.

    where.py COMMAND PROGRAM [LIBRARY]

PROGRAM is blocks.c, which says what should be said.
"""

import os
import sys

from claims import absolute, claim, expect, report
from target import Program, core_of, fastalloc, json_of

PROGRAM, *LIBRARY = map(absolute, sys.argv[2:])
# How a state that the program names is written by the command.
FREE_IN = {
    "bin": "a bin of its arena",
    "outbox": "the outbox of the thread that freed it",
    "inbox": "the inbox of its arena",
    "never": "its span, never handed out",
}


def look_at_blocks(target, places):
    for what, state, address, begin, size in places:
        if what == "none":
            continue
        found = json_of("where", target, hex(address))
        told = f"{target}: {what} {state} {address:#x} is {found}"
        assert found["what"] == what and int(found["begin"], 16) == begin and found["usable_bytes"] == size, told
        assert found["offset"] == address - begin, told
        assert found["state"] == ("live" if state == "live" else "free"), told
        assert state not in FREE_IN or found.get("free_in") == FREE_IN[state], told
        assert what == "outside" or "chunk" in found and found["pages"] in ("small", "huge"), told
        assert "node" in found, told
        assert what not in ("small", "medium") or found["class_bytes"] == size, told


def arena_and_thread(target, places):
    """Of the blocks that one thread allocated."""
    found = (json_of("where", target, hex(place[2])) for place in places if place[0] in ("small", "medium"))
    arenas = {(block["arena"], block.get("thread")) for block in found}
    assert len(arenas) == 1, f"{target}: one thread's blocks are of the arenas {arenas}"
    return arenas.pop()


@claim
def blocks_are_what_the_program_says():
    with Program(PROGRAM, *LIBRARY) as program:
        look_at_blocks(program.pid, program.places)


@claim
def what_is_no_block_is_said_to_be_none():
    with Program(PROGRAM, *LIBRARY) as program:
        others = [place for place in program.places if place[0] == "none"]
        assert others, "the program names nothing but blocks"
        for what, state, address, _, _ in others:
            found = json_of("where", program.pid, hex(address))
            told = f"{program.pid}: {what} {state} {address:#x} is {found}"
            assert "state" not in found, told
            assert state != "stack" or found.get("mapping") == "[stack]", told


@claim
def blocks_of_one_thread_are_of_its_arena():
    with Program(PROGRAM, *LIBRARY) as program:
        _, thread = arena_and_thread(program.pid, program.places)
        # Of other processors it is not known.
        known = program.pid if os.uname().machine == "x86_64" else None
        assert thread == known, f"{program.pid}: the thread is {thread}"


@claim
def first_line_for_people_says_it_all():
    with Program(PROGRAM, *LIBRARY) as program:
        what, state, address, _, size = next(place for place in program.places if place[0] == "large")
        done = fastalloc("where", program.pid, f"{address:x}")
        assert done.output.startswith(f"{address:#x}: {state} {what} block of {size} bytes\n"), done
        done = fastalloc("where", program.pid, hex(address + 17))
        assert done.output.startswith(f"{address + 17:#x}: 17 bytes into the live"), done
        assert "nothing" in fastalloc("where", program.pid, "0x10").output, "there is something at 0x10"


@claim
def blocks_in_a_core_file_are_what_the_program_says():
    with Program(PROGRAM, *LIBRARY) as program:
        core = core_of(program)
    look_at_blocks(core, program.places)
    arena_and_thread(core, program.places)


@claim
def words_that_are_not_understood_exit_2():
    with Program(PROGRAM, *LIBRARY) as program:
        for words in ([], [program.pid], [program.pid, "x"], [program.pid, "1", "2"]):
            expect(fastalloc("where", *words), status=2, said="usage: ")


report()
