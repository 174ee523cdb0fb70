# SPDX-License-Identifier: MIT
"""`fastalloc stat` says of a quiet process what the library in it says of itself, and of its core file the same.

    figures.py COMMAND PROGRAM [LIBRARY]
"""

import json
import os
import re
import sys
from pathlib import Path

from command import Program, core_of, expect, finish, folder, json_of, run

# A look changes them: it takes locks, walks over tables, and lets time pass in the library.
NOT_TOLD = {"lock_waits", "shared_writes"}
UNTOUCHED_BYTES = 64 << 20  # that the program has mapped of a file
RESIDENT = {"resident_bytes", "metadata_resident_bytes"}


def resident_bytes(process):
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    return int(re.search(r"VmRSS:\s*(\d+)", status).group(1)) << 10


def compare(name, inside, outside, left_out):
    """Each member of `inside` but those is in `outside`, and the same."""
    for member, value in inside.items():
        if member not in left_out:
            expect(outside.get(member) == value, f"{name}.{member}: {value} inside, {outside.get(member)} outside")


def compare_all(inside, outside, left_out):
    compare("totals", inside["totals"], outside["totals"], left_out)
    for rows in ("nodes", "classes", "arenas"):
        here = [row for row in inside[rows] if row.get("committed_bytes", 1)]
        there = [row for row in outside[rows] if row.get("committed_bytes", 1)]
        expect(len(here) == len(there), f"{rows}: {len(here)} inside, {len(there)} outside")
        for number, (one, other) in enumerate(zip(here, there)):
            compare(f"{rows}[{number}]", one, other, left_out)


def look_at_sums(figures):
    """What fastalloc.h promises of a process that stands still."""
    totals = figures["totals"]
    parts = (
        "live cached inbox free_in_spans tail free_slice slack unbacked lost metadata".split()
    )
    expect(totals["mapped_bytes"] == sum(totals[f"{part}_bytes"] for part in parts), "the parts are not the whole")
    expect(sum(row["live_bytes"] for row in figures["classes"]) == totals["live_bytes"], "sizes are not the whole")
    for row in figures["classes"]:
        parts = row["live_bytes"] + row["cached_bytes"] + row["boxed_bytes"] + row["free_bytes"] + row["tail_bytes"]
        expect(parts == row["span_bytes"], f"the parts of {row} are not the whole")


def main():
    # Not where a build of packages says that what is resident is nobody's business.
    judges_memory = os.environ.get("FASTALLOC_TESTS_JUDGE_MEMORY") != "no"
    with Program(*sys.argv[2:4]) as program, folder() as scratch:
        inside = json.loads(program.do("json"))
        resident = resident_bytes(program.pid)
        outside = json_of("stat", program.pid)
        grown = resident_bytes(program.pid) - resident
        expect(grown < UNTOUCHED_BYTES // 16, f"to be looked at gave the process {grown} bytes of memory")
        compare_all(inside, outside, NOT_TOLD if judges_memory else NOT_TOLD | RESIDENT)
        expect(outside["version"] == inside["version"] and outside["process"] == program.pid, "version or process")
        expect(not outside["changed"] and not outside["damage"], f"{outside['changed']}, {outside['damage']}")
        look_at_sums(outside)
        page = run("stat", program.pid).stdout
        name = Path(f"/proc/{program.pid}/comm").read_text(encoding="utf-8").strip()
        expect(f"{name}[{program.pid}]" in page.splitlines()[0], page)
        for word in ("mapped", "live outside", "in bins", "  idle ", "block size", "node", "pages"):
            expect(word in page, f"the page has no {word}")
        expect(max(map(len, page.splitlines())) <= 80, "the page is wider than 80 columns")
        expect("\033" not in page, "there are colours in a file")
        core = core_of(program, Path(scratch) / "core")
        if core is not None:
            of_core = json_of("stat", core)
            compare_all(inside, of_core, NOT_TOLD | RESIDENT)
            look_at_sums(of_core)
    finish("figures from outside are those from inside")


main()
