# SPDX-License-Identifier: MIT
"""The example histogram.c, built as its comment says and preloaded, shows what a program holds.

    histogram.py HISTOGRAM LIBRARY
"""

import os
import re
import subprocess
import sys

# 200 MiB in blocks of about 100 000 bytes, for longer than it takes to print twice.
PROGRAM = """
import time
blocks = []
for turn in range(25):
    blocks += [bytes(100000) for number in range(90)]
    time.sleep(0.1)
"""


def main():
    done = subprocess.run(
        [sys.executable, "-S", "-c", PROGRAM],
        env={**os.environ, "LD_PRELOAD": " ".join(os.path.realpath(path) for path in (sys.argv[2], sys.argv[1]))},
        stderr=subprocess.PIPE,
        text=True,
        check=True,
    )
    tables = done.stderr.split("block size")[1:]
    shown = [dict(re.findall(r"^ *(\d+) +(\d+) #+$", table, re.MULTILINE)) for table in tables]
    largest = max((int(table.get("65536", 0)) for table in shown), default=0)
    print(done.stderr[-800:])
    if len(shown) < 2 or not 100e6 < largest < 300e6:
        sys.exit(f"{len(shown)} tables, {largest} bytes in blocks of 64 to 128 KiB at most")
    print("ok")


main()
