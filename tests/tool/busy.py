# SPDX-License-Identifier: MIT
"""A process that allocates and frees all the time, in several threads, is read without harm to it or to the command.

    busy.py COMMAND PROGRAM [LIBRARY]

PROGRAM is busy.c.
"""

import re
import sys
from pathlib import Path

from command import Program, expect, finish, folder, json_of, run

LOOKS = 15
MIB = 1 << 20
KEPT_BYTES = 256 * MIB  # that are never freed


def look_at_figures(figures):
    """Sums are plausible, within what four threads may be changing."""
    totals = figures["totals"]
    expect(figures["damage"] == [], f"damage: {figures['damage']}")
    expect(KEPT_BYTES < totals["live_bytes"] <= totals["mapped_bytes"], f"live {totals['live_bytes']}")
    expect(totals["resident_bytes"] <= totals["mapped_bytes"] + 8 * MIB, f"resident {totals['resident_bytes']}")
    expect(totals["attached_threads"] == 5 and totals["arenas"] >= 5, f"{totals['attached_threads']} threads")
    parts = sum(row["live_bytes"] for row in figures["classes"])
    difference = abs(parts - totals["live_bytes"])
    expect(difference < 64 * MIB, f"sizes have {parts}, all {totals['live_bytes']}")


def main():
    with Program(*sys.argv[2:4]) as program, folder() as scratch:
        path = Path(f"/proc/{program.pid}/maps")
        addresses = re.findall(r"^([0-9a-f]+)-", path.read_text(encoding="utf-8"), re.MULTILINE)
        for number in range(LOOKS):
            figures = json_of("stat", program.pid)
            if figures is not None:
                look_at_figures(figures)
            begin = int(addresses[number % len(addresses)], 16)
            # Of what is on its way nothing may be said, but it is said in a sentence.
            done = run("where", program.pid, hex(begin + number * 4099))
            expect(done.returncode == 0 or done.stderr.startswith("fastalloc: "), f"where: {done}")
        picture = Path(scratch) / "heap.svg"
        done = run("map", program.pid, "-o", picture)
        expect(done.returncode == 0 and "<svg" in picture.read_text(encoding="utf-8"), f"map: {done}")
        expect(program.process.poll() is None, "the process ended while it was looked at")
        program.process.stdin.close()
        expect(program.process.wait() == 0, "it does not end as it should")
    finish(f"a busy process was looked at {LOOKS} times")


main()
