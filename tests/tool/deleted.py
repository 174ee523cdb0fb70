# SPDX-License-Identifier: MIT
"""A process whose library was deleted, as an upgrade does, is read as any other, by whatever name it had.

    deleted.py COMMAND PROGRAM LIBRARY
"""

import shutil
import sys
from pathlib import Path

from command import Program, expect, finish, folder, json_of


def main():
    with folder() as scratch:
        library = Path(scratch) / "renamed.so"
        shutil.copy(sys.argv[3], library)
        with Program(sys.argv[2], str(library)) as program:
            library.unlink()
            maps = Path(f"/proc/{program.pid}/maps").read_text(encoding="utf-8")
            expect(f"{library} (deleted)" in maps, "the library is not in use")
            figures = json_of("stat", program.pid)
            expect(figures is not None and figures["totals"]["live_bytes"] > 0, f"{figures}")
            place = program.places[0]
            found = json_of("where", program.pid, hex(place[2]))
            expect(found is not None and found["state"] == place[1], f"{found}")
    finish("a process is read whose library is gone")


main()
