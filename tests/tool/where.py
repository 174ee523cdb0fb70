# SPDX-License-Identifier: MIT
"""`fastalloc where` says of every address what it is, in a process and in a core file of it.

    where.py COMMAND PROGRAM [LIBRARY]

PROGRAM is blocks.c, which says what should be said.
"""

import os
import sys
from pathlib import Path

from command import Program, core_of, expect, finish, folder, json_of, run

# How a state that the program names is written by the command.
FREE_IN = {
    "bin": "a bin of its arena",
    "outbox": "the outbox of the thread that freed it",
    "inbox": "the inbox of its arena",
    "never": "its span, never handed out",
}


def look_at(target, places, process):
    arenas = set()
    for what, state, address, begin, size in places:
        found = json_of("where", target, hex(address))
        if found is None:
            continue
        told = f"{target}: {what} {state} {address:#x} is {found}"
        if what == "none":
            expect("state" not in found, told)
            expect(state != "stack" or process is None or found.get("mapping") == "[stack]", told)
            continue
        expect(found["what"] == what and int(found["begin"], 16) == begin and found["usable_bytes"] == size, told)
        expect(found["offset"] == address - begin, told)
        expect(found["state"] == ("live" if state == "live" else "free"), told)
        expect(state not in FREE_IN or found.get("free_in") == FREE_IN[state], told)
        expect(what == "outside" or "chunk" in found and found["pages"] in ("small", "huge"), told)
        expect("node" in found, told)
        if what in ("small", "medium"):
            expect(found["class_bytes"] == size, told)
            arenas.add((found["arena"], found.get("thread")))
    expect(len(arenas) == 1, f"{target}: one thread's blocks are of the arenas {arenas}")
    # Of other processors it is not known.
    known = process if os.uname().machine == "x86_64" else None
    for _, thread in arenas:
        expect(process is None or thread == known, f"{target}: the thread is {thread}")


def look_at_text(program):
    """The same for people: a line that says it all."""
    what, state, address, _, size = next(place for place in program.places if place[0] == "large")
    done = run("where", program.pid, f"{address:x}")
    expect(done.stdout.startswith(f"{address:#x}: {state} {what} block of {size} bytes\n"), done.stdout)
    done = run("where", program.pid, hex(address + 17))
    expect(done.stdout.startswith(f"{address + 17:#x}: 17 bytes into the live"), done.stdout)
    expect("nothing" in run("where", program.pid, "0x10").stdout, "there is something at 0x10")


def main():
    with Program(*sys.argv[2:4]) as program, folder() as scratch:
        look_at(program.pid, program.places, program.pid)
        look_at_text(program)
        core = core_of(program, Path(scratch) / "core")
        if core is not None:
            look_at(core, [place for place in program.places if place[0] != "none"], None)
        for words in (["where"], ["where", program.pid], ["where", program.pid, "x"], ["where", program.pid, "1", "2"]):
            done = run(*words)
            expect(done.returncode == 2 and "usage: " in done.stderr, f"{words}: {done.returncode} {done.stderr}")
    finish(f"{len(program.places)} addresses are explained" + (", and in a core file" if core else ""))


main()
