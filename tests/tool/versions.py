# SPDX-License-Identifier: MIT
"""A process of another version of the library is read as that version's table of the layout says.

    versions.py COMMAND PROGRAM HEADER [LIBRARY]

There is no other version to run. So a core file is changed into what one of another version would be: members of its
structures change places, the table is shorter or longer than the command's, or there is none. HEADER is heap/layout.h.
"""

import json
import struct
import sys
from pathlib import Path

from command import Program, core_of, expect, finish, folder, json_of, run
from layout import Core


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
    def __init__(self, path, header, places, scratch):
        self.path, self.header, self.places, self.scratch = path, header, places, scratch
        self.core = Core(path, header)
        self.lacking = Path(scratch) / "lacking"
        self.lacking.write_bytes(self.core.bytes)
        self.figures = json_of("stat", path)
        self.blocks = {place[2]: json_of("where", path, hex(place[2])) for place in places}

    def changed(self, change):
        core = Core(self.path, self.header)
        change(core)
        path = Path(self.scratch) / "changed"
        path.write_bytes(core.bytes)
        return path

    def expect_same(self, name, change):
        path = self.changed(change)
        figures = json_of("stat", path)
        expect(figures is not None and same(self.figures, figures), f"{name}: other figures")
        for address, known in self.blocks.items():
            found = json_of("where", path, hex(address))
            expect(found is not None and same(known, found), f"{name}: {address:#x} is {found}, not {known}")

    def expect_failure(self, name, change, words):
        done = run("stat", self.changed(change))
        expect(done.returncode == 1 and words in done.stderr, f"{name}: {done.returncode} {done.stdout}{done.stderr}")

    def expect_less(self, name, change, missing):
        figures = json_of("stat", self.changed(change))
        expect(figures is not None, f"{name}: nothing is said")
        if figures is not None:
            totals = {key: value for key, value in self.figures["totals"].items() if key not in missing}
            expect(same(totals, figures["totals"]), f"{name}: other figures")
            expect(not missing & figures["totals"].keys(), f"{name}: there are still {missing}")


    def expect_sense_without(self, name):
        """Without one member, the same is said but for what depends on it, or that nothing can be."""
        offset, width = self.core.members[name]
        with open(self.lacking, "r+b") as file:
            file.seek(self.core.table_at + offset)
            whole = file.read(width)
            file.seek(-width, 1)
            file.write(struct.pack("<I", ABSENT))
            file.flush()
            done = run("stat", self.lacking, "--json")
            file.seek(-width, 1)
            file.write(whole)
        if done.returncode != 0:
            expect(done.returncode == 1 and "makes no sense" in done.stderr, f"without {name}: {done.stderr}")
            return
        figures = json.loads(done.stdout)
        for part in ("totals", "nodes", "classes", "arenas"):
            known, found = self.figures[part], figures[part]
            pairs = [(known, found)] if part == "totals" else list(zip(known, found))
            expect(part == "totals" or len(known) == len(found), f"without {name}: {part} have {len(found)} rows")
            for known, found in pairs:
                wrong = {key: value for key, value in found.items() if value != known[key]}
                expect(wrong.keys() <= DEPENDENT.get(name, set()), f"without {name}: {part}: {wrong}")


def swap_spans(core):
    core.swap_members(span_records(core), "span_capacity", "span_handed_out", 2)
    core.swap_members(span_records(core), "span_fresh", "span_start", 2)
    core.swap_members(span_records(core), "span_slices", "span_back", 4)
    core.swap_members(span_records(core), "span_kind", "span_size_class", 1)


def swap_root(core):
    core.swap_members([core.root["window_bounds"]], "bounds_base", "bounds_link_secret", 8)
    core.swap_members([core.root["outside"]], "outside_entries", "outside_bytes", 8)


# The first member of each pair is where a shorter table ends.
def shorten(core, name):
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


def main():
    header = sys.argv[3]
    with folder() as scratch:
        with Program(sys.argv[2], *sys.argv[4:5]) as program:
            path = core_of(program, Path(scratch) / "core")
        if path is None:
            print("ok: without gdb there is no core file to change")
            return
        places = [place for place in program.places if place[0] != "none"][::13]
        versions = Versions(path, header, places, scratch)
        versions.expect_same("nothing changed", lambda core: None)
        versions.expect_same("members of spans elsewhere", swap_spans)
        versions.expect_same("members of window and registry elsewhere", swap_root)
        versions.expect_same("a longer table", lengthen)
        versions.expect_same("a table without what comes last", lambda core: shorten(core, "live_blocks_bytes"))
        versions.expect_less(
            "a table without limits",
            lambda core: shorten(core, "limits_held"),
            {"held_bytes", "limit_bytes", "peak_held_bytes", "live_at_peak_bytes"},
        )
        versions.expect_failure("a table without spans", lambda core: shorten(core, "record_stride"), "makes no sense")
        versions.expect_failure(
            "another layout version", lambda core: struct.pack_into("<Q", core.bytes, core.root_at + 8, 2), "layout version is 2"
        )
        versions.expect_failure(
            "no table", lambda core: struct.pack_into("<Q", core.bytes, core.root_at + 96, 0), "older than this command"
        )
        for name, (_, width) in versions.core.members.items():
            if width == 4 and name != "bytes":
                versions.expect_sense_without(name)
        dead = versions.changed(write_fatal_line)
        for words in (["stat", dead], ["where", dead, hex(places[0][2])]):
            expect(run(*words).stdout.startswith("free(): ?wrong\n"), f"{words[0]} does not begin with the fatal line")
        expect(json_of("stat", dead)["fatal_line"] == "free(): ?wrong", "the fatal line is not in the figures")
    finish("structures are found where the table says, whatever version wrote it")


main()
