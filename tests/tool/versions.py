# SPDX-License-Identifier: MIT
"""A process of another version of the library is read as that version's table of the layout says.

    versions.py COMMAND PROGRAM [LIBRARY]

There is no other version to run. So a core file of PROGRAM, which is blocks.c, is changed into what one of another
version would be: members of its structures change places, the table is shorter or longer than the command's, or there
is none.
"""

import json
import struct
import sys
from pathlib import Path

from claims import absolute, claim, expect, report
from core import Core
from target import Program, core_of, fastalloc, json_of

PROGRAM, *LIBRARY = map(absolute, sys.argv[2:])
ABSENT = 0xFFFFFFFF
# What such a library would not have, and where it would be counted.
WITHOUT_SPARES = {"cached_bytes", "live_bytes", "live_blocks"}
WITHOUT_OUTBOXES = {"cached_bytes", "boxed_bytes", "live_bytes", "live_blocks"}
DEPENDENT = {
    "arena_backs": WITHOUT_SPARES,
    "arena_outbox": WITHOUT_OUTBOXES,
}


def span_records(core):
    """The addresses of the records of the first 64 chunks."""
    return [core.root["window_base"] - number * core.layout("record_stride") for number in range(1, 2048)]


def same(one, other, left_out=()):
    return all(one[key] == other[key] for key in one if key not in ("core", *left_out))


class Versions:
    """A core file of this version, and what is said of it."""

    def __init__(self):
        with Program(PROGRAM, *LIBRARY) as program:
            self.path = core_of(program)
        self.core = Core(self.path)
        self.figures = json_of("stat", self.path)
        self.addresses = [hex(place[2]) for place in program.places if place[0] != "none"][::13]
        self.blocks = {address: json_of("where", self.path, address) for address in self.addresses}

    def changed(self, change):
        core = Core(self.path)
        change(core)
        path = Path("changed").absolute()
        path.write_bytes(core.bytes)
        return path

    def expect_same(self, name, change):
        path = self.changed(change)
        assert same(self.figures, json_of("stat", path)), f"{name}: other figures"
        for address, known in self.blocks.items():
            found = json_of("where", path, address)
            assert same(known, found), f"{name}: {address} is {found}, not {known}"

    def expect_less(self, name, change, missing):
        figures = json_of("stat", self.changed(change))
        totals = {key: value for key, value in self.figures["totals"].items() if key not in missing}
        assert same(totals, figures["totals"]), f"{name}: other figures"
        assert not missing & figures["totals"].keys(), f"{name}: there are still {missing}"

    def expect_sense_without(self, name, lacking):
        """Without one member, the same is said but for what depends on it, or that nothing can be."""
        offset, width = self.core.members[name]
        with open(lacking, "r+b") as file:
            file.seek(self.core.table_at + offset)
            whole = file.read(width)
            file.seek(-width, 1)
            file.write(struct.pack("<I", ABSENT))
            file.flush()
            done = fastalloc("stat", lacking, "--json")
            file.seek(-width, 1)
            file.write(whole)
        if done.status != 0:
            assert done.status == 1 and "makes no sense" in done.said, f"without {name}: {done.said}"
            return
        figures = json.loads(done.output)
        for part in ("totals", "nodes", "classes", "arenas"):
            known, found = self.figures[part], figures[part]
            pairs = [(known, found)] if part == "totals" else list(zip(known, found))
            assert part == "totals" or len(known) == len(found), f"without {name}: {part} have {len(found)} rows"
            for known, found in pairs:
                wrong = {key: value for key, value in found.items() if value != known[key]}
                assert wrong.keys() <= DEPENDENT.get(name, set()), f"without {name}: {part}: {wrong}"


def swap_spans(core):
    core.swap_members(span_records(core), "span_capacity", "span_handed_out", 2)
    core.swap_members(span_records(core), "span_fresh", "span_start", 2)
    core.swap_members(span_records(core), "span_slices", "span_back", 4)
    core.swap_members(span_records(core), "span_kind", "span_size_class", 1)


def swap_root(core):
    core.swap_members([core.root["window_bounds"]], "bounds_base", "bounds_link_secret", 8)
    core.swap_members([core.root["outside"]], "outside_entries", "outside_bytes", 8)


def shorten(core, name):
    """The table ends before this member."""
    core.set_layout("bytes", core.members[name][0])
    end = core.table_at + core.table_bytes
    begin = core.table_at + core.members[name][0]
    core.bytes[begin:end] = b"\xa5" * (end - begin)


def lengthen(core):
    core.set_layout("bytes", core.table_bytes + 64)


def write_fatal_line(core):
    at = core.place(core.root["fatal_line"])
    line = b"free(): \x1bwrong\0"
    core.bytes[at:at + len(line)] = line


@claim
def members_are_found_where_the_table_says():
    versions = Versions()
    versions.expect_same("nothing changed", lambda core: None)
    versions.expect_same("members of spans elsewhere", swap_spans)
    versions.expect_same("members of window and registry elsewhere", swap_root)


@claim
def table_may_be_longer_or_end_early():
    versions = Versions()
    versions.expect_same("a longer table", lengthen)
    versions.expect_same("a table without what comes last", lambda core: shorten(core, "live_blocks_bytes"))


@claim
def what_the_table_does_not_have_is_left_out():
    Versions().expect_less(
        "a table without limits",
        lambda core: shorten(core, "limits_held"),
        {"held_bytes", "limit_bytes", "peak_held_bytes", "live_at_peak_bytes"},
    )


@claim
def table_without_spans_is_refused():
    path = Versions().changed(lambda core: shorten(core, "record_stride"))
    expect(fastalloc("stat", path), status=1, said="makes no sense")


@claim
def another_layout_version_is_refused():
    path = Versions().changed(lambda core: struct.pack_into("<Q", core.bytes, core.root_at + 8, 2))
    expect(fastalloc("stat", path), status=1, said="layout version is 2")


@claim
def library_without_a_table_is_refused():
    path = Versions().changed(lambda core: struct.pack_into("<Q", core.bytes, core.root_at + 96, 0))
    expect(fastalloc("stat", path), status=1, said="older than this command")


@claim
def any_member_may_be_absent():
    versions = Versions()
    lacking = versions.changed(lambda core: None)
    for name, (_, width) in versions.core.members.items():
        if width == 4 and name != "bytes":
            versions.expect_sense_without(name, lacking)


@claim
def fatal_line_comes_first_without_what_a_terminal_obeys():
    versions = Versions()
    dead = versions.changed(write_fatal_line)
    for words in (["stat", dead], ["where", dead, versions.addresses[0]]):
        output = fastalloc(*words).output
        assert output.startswith("free(): ?wrong\n"), f"{words[0]} does not begin with the fatal line: {output}"
    assert json_of("stat", dead)["fatal_line"] == "free(): ?wrong", "the fatal line is not in the figures"


report()
