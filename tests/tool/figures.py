# SPDX-License-Identifier: MIT
"""`fastalloc stat` says of a quiet process what the library in it says of itself, and of its core file the same.

    figures.py COMMAND PROGRAM [LIBRARY]

PROGRAM is blocks.c.
"""

import json
import os
import re
import sys
from pathlib import Path

from claims import absolute, claim, report
from target import Program, core_of, fastalloc, json_of

PROGRAM, *LIBRARY = map(absolute, sys.argv[2:])
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
            found = outside.get(member)
            assert found == value, f"{name}.{member}: {value} inside, {found} outside"


def compare_all(inside, outside, left_out):
    compare("totals", inside["totals"], outside["totals"], left_out)
    for rows in ("nodes", "classes", "arenas"):
        here = [row for row in inside[rows] if row.get("committed_bytes", 1)]
        there = [row for row in outside[rows] if row.get("committed_bytes", 1)]
        assert len(here) == len(there), f"{rows}: {len(here)} inside, {len(there)} outside"
        for number, (one, other) in enumerate(zip(here, there)):
            compare(f"{rows}[{number}]", one, other, left_out)


def look_at_sums(figures):
    """What fastalloc.h promises of a process that stands still."""
    totals = figures["totals"]
    parts = "live cached inbox free_in_spans tail free_slice slack unbacked lost metadata".split()
    assert totals["mapped_bytes"] == sum(totals[f"{part}_bytes"] for part in parts), "the parts are not the whole"
    assert sum(row["live_bytes"] for row in figures["classes"]) == totals["live_bytes"], "sizes are not the whole"
    for row in figures["classes"]:
        parts = row["live_bytes"] + row["cached_bytes"] + row["boxed_bytes"] + row["free_bytes"] + row["tail_bytes"]
        assert parts == row["span_bytes"], f"the parts of {row} are not the whole"


@claim
def figures_from_outside_are_those_from_inside():
    # Not where a build of packages says that what is resident is nobody's business.
    judges_memory = os.environ.get("FASTALLOC_TESTS_JUDGE_MEMORY") != "no"
    with Program(PROGRAM, *LIBRARY) as program:
        inside = json.loads(program.do("json"))
        outside = json_of("stat", program.pid)
    compare_all(inside, outside, NOT_TOLD if judges_memory else NOT_TOLD | RESIDENT)
    assert outside["version"] == inside["version"] and outside["process"] == program.pid, "version or process"
    assert not outside["changed"] and not outside["damage"], f"{outside['changed']}, {outside['damage']}"


@claim
def figures_of_a_core_file_are_those_from_inside():
    with Program(PROGRAM, *LIBRARY) as program:
        inside = json.loads(program.do("json"))
        core = core_of(program)
    compare_all(inside, json_of("stat", core), NOT_TOLD | RESIDENT)


@claim
def parts_are_the_whole():
    with Program(PROGRAM, *LIBRARY) as program:
        look_at_sums(json_of("stat", program.pid))


@claim
def parts_are_the_whole_in_a_core_file():
    with Program(PROGRAM, *LIBRARY) as program:
        core = core_of(program)
    look_at_sums(json_of("stat", core))


@claim
def process_that_is_looked_at_does_not_grow():
    with Program(PROGRAM, *LIBRARY) as program:
        resident = resident_bytes(program.pid)
        json_of("stat", program.pid)
        grown = resident_bytes(program.pid) - resident
    assert grown < UNTOUCHED_BYTES // 16, f"to be looked at gave the process {grown} bytes of memory"


@claim
def page_names_the_process_and_its_parts():
    with Program(PROGRAM, *LIBRARY) as program:
        page = fastalloc("stat", program.pid).output
        name = Path(f"/proc/{program.pid}/comm").read_text(encoding="utf-8").strip()
    assert f"{name}[{program.pid}]" in page.splitlines()[0], page
    for word in ("mapped", "live outside", "in bins", "  idle ", "block size", "node", "pages"):
        assert word in page, f"the page has no {word}"


@claim
def page_in_a_file_has_at_most_80_columns_and_no_colours():
    with Program(PROGRAM, *LIBRARY) as program:
        page = fastalloc("stat", program.pid).output
    assert max(map(len, page.splitlines())) <= 80, "the page is wider than 80 columns"
    assert "\033" not in page, "there are colours in a file"


report()
