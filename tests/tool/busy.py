# SPDX-License-Identifier: MIT
"""A process that allocates and frees all the time, in several threads, is read without harm to it or to the command.

    busy.py COMMAND PROGRAM [LIBRARY]

PROGRAM is busy.c.
"""

import re
import sys
from contextlib import contextmanager
from pathlib import Path

from claims import LIMIT_SECONDS, absolute, claim, expect, report
from target import Program, fastalloc, json_of

PROGRAM, *LIBRARY = map(absolute, sys.argv[2:])
LOOKS = 15
MIB = 1 << 20
KEPT_BYTES = 256 * MIB  # that are never freed


@contextmanager
def unharmed_program():
    """It goes on while it is looked at, and ends as it should afterwards."""
    with Program(PROGRAM, *LIBRARY) as program:
        yield program
        assert program.process.poll() is None, "the process ended while it was looked at"
        program.process.stdin.close()
        assert program.process.wait(LIMIT_SECONDS) == 0, "it does not end as it should"


@claim
def figures_are_plausible():
    """Between what is never freed and what is mapped: the rest is what four threads may be changing."""
    with unharmed_program() as program:
        for _ in range(LOOKS):
            figures = json_of("stat", program.pid)
            totals = figures["totals"]
            assert figures["damage"] == [], f"damage: {figures['damage']}"
            assert KEPT_BYTES < totals["live_bytes"] <= totals["mapped_bytes"], f"live {totals['live_bytes']}"
            assert totals["resident_bytes"] <= totals["mapped_bytes"] + 8 * MIB, f"resident {totals['resident_bytes']}"
            assert totals["attached_threads"] == 5 and totals["arenas"] >= 5, f"{totals['attached_threads']} threads"
            # Counted span by span, while blocks come and go in those already behind and those still ahead.
            parts = sum(row["live_bytes"] for row in figures["classes"])
            least, most = KEPT_BYTES - 8 * MIB, totals["mapped_bytes"] + 8 * MIB
            assert least < parts < most, f"sizes have {parts}, mapped are {totals['mapped_bytes']}"


@claim
def something_is_said_of_each_address():
    with unharmed_program() as program:
        maps = Path(f"/proc/{program.pid}/maps").read_text(encoding="utf-8")
        addresses = re.findall(r"^([0-9a-f]+)-", maps, re.MULTILINE)
        for number in range(LOOKS):
            begin = int(addresses[number % len(addresses)], 16)
            # Of what is on its way nothing may be said, but it is said in a sentence.
            done = fastalloc("where", program.pid, hex(begin + number * 4099))
            assert done.status == 0 or done.said.startswith("fastalloc: "), f"where: {done}"


@claim
def picture_is_drawn():
    with unharmed_program() as program:
        expect(fastalloc("map", program.pid, "-o", "heap.svg"))
        assert "<svg" in Path("heap.svg").read_text(encoding="utf-8"), "map draws nothing"


report()
