# SPDX-License-Identifier: MIT
"""A damaged heap is called damaged, or described; the command neither crashes nor goes on for ever.

    damaged.py COMMAND PROGRAM [LIBRARY [SEED]]

PROGRAM is blocks.c. Bytes of a core file of it that describe the heap are changed, most of them at random.
"""

import json
import random
import resource
import struct
import sys
from pathlib import Path

from claims import absolute, claim, report
from core import Core
from target import Program, core_of, fastalloc, json_of

PROGRAM, *LIBRARY = map(absolute, sys.argv[2:4])
SEED = int(sys.argv[4]) if len(sys.argv) > 4 else 1
ROUNDS = 60
# No more than that may the command take, whatever it reads.
MEMORY_BYTES = 1 << 30


def limit_memory():
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


def interesting(core):
    """Pieces of the file that the command reads: (offset, bytes)."""
    root = core.root
    stride = core.layout("region_stride")
    tables = core.member(root["window"], "window_chunk_tables")
    return [
        (core.root_at, 104),
        (core.table_at, core.table_bytes),
        (core.place(root["window_bounds"]), 24),
        (core.place(root["registry"]), 64),
        (core.place(root["outside"]), 64),
        (core.place(root["window"]), 64),
        (core.place(root["window_base"] - 64 * 160), 64 * 128),
        (core.place(tables - stride), core.layout("region_chunks") + 8 * core.layout("chunk_stride")),
        (core.place(core.member(root["registry"], "registry_first")), core.layout("arena_bytes")),
    ]


def damage(core, pieces, dice):
    offset, size = dice.choice(pieces)
    for _ in range(dice.choice((1, 1, 4, 32))):
        at = offset + dice.randrange(size)
        kind = dice.randrange(3)
        if kind == 0:
            core.bytes[at] ^= 1 << dice.randrange(8)
        elif kind == 1:
            core.bytes[at] = dice.choice((0, 0x7F, 0xFF))
        else:
            core.bytes[at & ~7:(at & ~7) + 8] = dice.randbytes(8)


def pretend_room(core):
    """The table of outside blocks has room for more than there is memory."""
    struct.pack_into("<Q", core.bytes, core.place(core.root["outside"] + core.layout("outside_capacity")), 1 << 26)


def pretend_regions(core):
    """The window is as large as an address space, and all its chunks are those of one region."""
    struct.pack_into("<Q", core.bytes, core.root_at + 24, 1 << 47)
    limit_at = core.place(core.root["window_bounds"] + core.layout("bounds_limit_bytes"))
    struct.pack_into("<Q", core.bytes, limit_at, 1 << 47)


def pretend_large_entries(core):
    core.set_layout("entry_stride", 1 << 20)
    pretend_room(core)


def pretend_large_arenas(core):
    core.set_layout("arena_bytes", 1 << 20)


@claim
def sizes_beyond_all_memory_are_called_damage():
    with Program(PROGRAM, *LIBRARY) as program:
        core = Core(core_of(program))
    whole = bytes(core.bytes)
    bad = Path("bad")
    for pretend in (pretend_room, pretend_regions, pretend_large_entries, pretend_large_arenas):
        core.bytes[:] = whole
        pretend(core)
        bad.write_bytes(core.bytes)
        done = fastalloc("stat", bad, "--json", preexec_fn=limit_memory)
        told = f"{pretend.__name__}: {done.status}: {done.said}"
        assert done.status == 0 or done.said.startswith("fastalloc: "), told
        assert "out of memory" not in done.said, told
        assert done.status == 1 or json.loads(done.output)["damage"], f"{told}: nothing is called damaged"


@claim
def entry_that_has_nearly_all_addresses_is_survived():
    """A free entry of a running process's table of outside blocks says that they are a block."""
    with Program(PROGRAM, *LIBRARY) as program:
        core = Core(core_of(program))
        entries, capacity = (core.member(core.root["outside"], f"outside_{name}") for name in ("entries", "capacity"))
        places = [entries + slot * core.layout("entry_stride") for slot in range(capacity)]
        free = next(place for place in places if core.member(place, "entry_address") == 0)
        with open(f"/proc/{program.pid}/mem", "r+b", buffering=0) as memory:
            for member, value in (("entry_address", 4096), ("entry_bytes", (1 << 47) - 8192)):
                memory.seek(free + core.layout(member))
                memory.write(struct.pack("<Q", value))
        done = fastalloc("stat", program.pid, preexec_fn=limit_memory)
        assert done.status in (0, 1), f"a wrong entry: {done.status}: {done.said}"


@claim
def box_that_goes_in_a_circle_has_what_it_says():
    """As the blocks of one may seem to do that are used again while they are read."""
    with Program(PROGRAM, *LIBRARY) as program:
        core = Core(core_of(program))
        (boxed,) = (place[2] for place in program.places if place[1] == "inbox")
    path = Path("circle")
    path.write_bytes(core.bytes)
    sound = json_of("stat", path)["classes"]
    secret = core.member(core.root["window_bounds"], "bounds_link_secret")
    struct.pack_into("<Q", core.bytes, core.place(boxed), boxed ^ secret)
    path.write_bytes(core.bytes)
    circle = json_of("stat", path)["classes"]
    assert circle == sound, f"not {sound}, but {circle}"


@claim
def random_damage_is_survived():
    with Program(PROGRAM, *LIBRARY) as program:
        core = Core(core_of(program))
    dice = random.Random(SEED)
    pieces = interesting(core)
    whole = bytes(core.bytes)
    addresses = [place[2] for place in program.places if place[0] != "none"]
    bad = Path("bad")
    for number in range(ROUNDS):
        core.bytes[:] = whole
        damage(core, pieces, dice)
        bad.write_bytes(core.bytes if number % 10 else core.bytes[: dice.randrange(len(whole))])
        for words in (
            ["stat", bad],
            ["stat", bad, "--json"],
            ["where", bad, hex(dice.choice(addresses))],
            ["map", bad, "-o", "bad.svg"],
        ):
            done = fastalloc(*words, preexec_fn=limit_memory)
            told = f"seed {SEED}, round {number}: {words[0]}: {done.status}: {done.said}"
            assert done.status in (0, 1), told
            assert done.status == 0 or done.said.startswith("fastalloc: "), told


report()
