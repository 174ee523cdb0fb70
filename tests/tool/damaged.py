# SPDX-License-Identifier: MIT
"""A damaged heap is called damaged, or described; the command neither crashes nor goes on for ever.

    damaged.py COMMAND PROGRAM HEADER [LIBRARY [SEED]]

Bytes of a core file that describe the heap are changed at random. HEADER is heap/layout.h.
"""

import json
import random
import resource
import struct
import sys
from pathlib import Path

from command import Program, core_of, expect, finish, folder, run
from layout import Core

ROUNDS = 60
# No more than that may the command take, whatever it reads.
MEMORY_BYTES = 1 << 30


def limit_memory():
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


def interesting(core):
    """Pieces of the file that the command reads: (offset, bytes)."""
    root = core.root
    stride = core.layout("region_stride")
    tables = int.from_bytes(core.bytes[core.place(root["window"] + core.layout("window_chunk_tables")):][:8], "little")
    pieces = [
        (core.root_at, 104),
        (core.table_at, core.table_bytes),
        (core.place(root["window_bounds"]), 24),
        (core.place(root["registry"]), 64),
        (core.place(root["outside"]), 64),
        (core.place(root["window"]), 64),
        (core.place(root["window_base"] - 64 * 160), 64 * 128),
        (core.place(tables - stride), core.layout("region_chunks") + 8 * core.layout("chunk_stride")),
    ]
    first_arena = int.from_bytes(
        core.bytes[core.place(root["registry"] + core.layout("registry_first")):][:8], "little"
    )
    pieces.append((core.place(first_arena), core.layout("arena_bytes")))
    return pieces


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


def word_at(core, address):
    return struct.unpack_from("<Q", core.bytes, core.place(address))[0]


def claim_room(core):
    """The table of outside blocks has room for more than there is memory."""
    struct.pack_into("<Q", core.bytes, core.place(core.root["outside"] + core.layout("outside_capacity")), 1 << 26)


def claim_regions(core):
    """The window is as large as an address space, and all its chunks are those of one region."""
    struct.pack_into("<Q", core.bytes, core.root_at + 24, 1 << 47)
    struct.pack_into("<Q", core.bytes, core.place(core.root["window_bounds"] + core.layout("bounds_limit_bytes")), 1 << 47)


def claim_large_entries(core):
    core.set_layout("entry_stride", 1 << 20)
    claim_room(core)


def claim_large_arenas(core):
    core.set_layout("arena_bytes", 1 << 20)


def look_at_claims(core, whole, bad):
    for claim in (claim_room, claim_regions, claim_large_entries, claim_large_arenas):
        core.bytes[:] = whole
        claim(core)
        bad.write_bytes(core.bytes)
        done = run("stat", bad, "--json", preexec_fn=limit_memory)
        told = f"{claim.__name__}: {done.returncode}: {done.stderr}"
        expect(done.returncode == 0 or done.stderr.startswith("fastalloc: "), told)
        expect("out of memory" not in done.stderr, told)
        expect(done.returncode == 1 or json.loads(done.stdout)["damage"], f"{told}: nothing is called damaged")


def look_at_wrong_entry(program, core):
    """A free entry of a running process's table of outside blocks says that nearly all addresses are a block."""
    entries = word_at(core, core.root["outside"] + core.layout("outside_entries"))
    capacity = word_at(core, core.root["outside"] + core.layout("outside_capacity"))
    places = [entries + slot * core.layout("entry_stride") for slot in range(capacity)]
    free = next(place for place in places if word_at(core, place + core.layout("entry_address")) == 0)
    with open(f"/proc/{program.pid}/mem", "r+b", buffering=0) as memory:
        for member, value in (("entry_address", 4096), ("entry_bytes", (1 << 47) - 8192)):
            memory.seek(free + core.layout(member))
            memory.write(struct.pack("<Q", value))
    done = run("stat", program.pid, preexec_fn=limit_memory)
    expect(done.returncode in (0, 1), f"a wrong entry: {done.returncode}: {done.stderr}")


def main():
    seed = int(sys.argv[5]) if len(sys.argv) > 5 else 1
    dice = random.Random(seed)
    with folder() as scratch:
        with Program(sys.argv[2], *sys.argv[4:5]) as program:
            path = core_of(program, Path(scratch) / "core")
            if path is not None:
                look_at_wrong_entry(program, Core(path, sys.argv[3]))
        if path is None:
            print("ok: without gdb there is no core file to damage")
            return
        core = Core(path, sys.argv[3])
        pieces = interesting(core)
        whole = bytes(core.bytes)
        bad = Path(scratch) / "bad"
        addresses = [place[2] for place in program.places if place[0] != "none"]
        look_at_claims(core, whole, bad)
        for number in range(ROUNDS):
            core.bytes[:] = whole
            damage(core, pieces, dice)
            bad.write_bytes(core.bytes if number % 10 else core.bytes[: dice.randrange(len(whole))])
            picture = Path(scratch) / "bad.svg"
            for words in (
                ["stat", bad],
                ["stat", bad, "--json"],
                ["where", bad, hex(dice.choice(addresses))],
                ["map", bad, "-o", picture],
            ):
                done = run(*words, preexec_fn=limit_memory)
                told = f"seed {seed}, round {number}: {words[0]}: {done.returncode}: {done.stderr}"
                expect(done.returncode in (0, 1), told)
                expect(done.returncode == 0 or done.stderr.startswith("fastalloc: "), told)
    finish(f"{ROUNDS} damaged heaps were survived")


main()
