# SPDX-License-Identifier: MIT
"""A damaged heap is called damaged, or described; the command neither crashes nor goes on for ever.

    damaged.py COMMAND PROGRAM HEADER [LIBRARY [SEED]]

Bytes of a core file that describe the heap are changed at random. HEADER is heap/layout.h.
"""

import random
import sys
from pathlib import Path

from command import Program, core_of, expect, finish, folder, run
from layout import Core

ROUNDS = 60


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


def main():
    seed = int(sys.argv[5]) if len(sys.argv) > 5 else 1
    dice = random.Random(seed)
    with folder() as scratch:
        with Program(sys.argv[2], *sys.argv[4:5]) as program:
            path = core_of(program, Path(scratch) / "core")
        if path is None:
            print("ok: without gdb there is no core file to damage")
            return
        core = Core(path, sys.argv[3])
        pieces = interesting(core)
        whole = bytes(core.bytes)
        bad = Path(scratch) / "bad"
        addresses = [place[2] for place in program.places if place[0] != "none"]
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
                done = run(*words)
                told = f"seed {seed}, round {number}: {words[0]}: {done.returncode}: {done.stderr}"
                expect(done.returncode in (0, 1), told)
                expect(done.returncode == 0 or done.stderr.startswith("fastalloc: "), told)
    finish(f"{ROUNDS} damaged heaps were survived")


main()
