# SPDX-License-Identifier: MIT
"""A process whose library was deleted, as an upgrade does, is read as any other, by whatever name it had.

    deleted.py COMMAND PROGRAM LIBRARY
"""

import shutil
import sys
from pathlib import Path

from claims import absolute, claim, report
from target import Program, json_of

PROGRAM, LIBRARY = map(absolute, sys.argv[2:])


@claim
def process_is_read_whose_library_is_gone():
    library = Path("renamed.so").absolute()
    shutil.copy(LIBRARY, library)
    with Program(PROGRAM, library) as program:
        library.unlink()
        maps = Path(f"/proc/{program.pid}/maps").read_text(encoding="utf-8")
        assert f"{library} (deleted)" in maps, "the library is not in use"
        figures = json_of("stat", program.pid)
        assert figures["totals"]["live_bytes"] > 0, f"{figures}"
        place = program.places[0]
        found = json_of("where", program.pid, hex(place[2]))
        assert found["state"] == place[1], f"{found}"


report()
