#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""expect.py PROGRAM NAME TEXT: runs `PROGRAM NAME`, which must end by SIGABRT after one line on standard error that
matches the regular expression TEXT behind "fastalloc: misuse[PID]: "."""

import re
import resource
import signal
import subprocess
import sys


def main():
    program, name, text = sys.argv[1:]
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    run = subprocess.run([program, name], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                         text=True, timeout=60)
    line = rf"fastalloc: misuse\w*\[\d+\]: {text}.*; see fastalloc\(7\), MISUSE\n"
    if run.returncode == -signal.SIGABRT and re.fullmatch(line, run.stderr):
        return 0
    print(f"{name}: status {run.returncode}, standard error: {run.stderr!r}, wanted: {line!r}")
    return 1


sys.exit(main())
