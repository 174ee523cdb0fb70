#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""faultless.py PROGRAM TOOL in_place|replaced [LIBRARY] - of a program that does nothing wrong (faultless.cpp) the tool has nothing
to tell, and a tool that looks at the heap sees it. With LIBRARY it is preloaded."""

import re
import subprocess
import sys
import tempfile

import tool


def report_free(faults, name, options, program, library):
    if name == "memcheck":
        options = options + ["--leak-check=full", "--show-leak-kinds=all"]
    told, status, errors = tool.run(name, options, [program], library)
    faults.expect(status == 0, f"exit status {status}: {errors}")
    for one in told:
        faults.expect(False, str(one))


def peak_of_massif(faults, options, program):
    with tempfile.NamedTemporaryFile(mode="r") as report:
        subprocess.run(["valgrind", "-q", "--tool=massif", f"--massif-out-file={report.name}", *options, program, "live"],
                       check=True, stdout=subprocess.DEVNULL, timeout=tool.LIMIT_SECONDS)
        peak = max(map(int, re.findall(r"^mem_heap_B=(\d+)$", report.read(), re.MULTILINE)))
    faults.expect(8 << 20 <= peak <= 12 << 20, f"massif saw {peak} bytes at the peak")


def functions_of_callgrind(faults, options, program):
    with tempfile.NamedTemporaryFile(mode="r") as report:
        subprocess.run(["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={report.name}", *options, program],
                       check=True, stdout=subprocess.DEVNULL, timeout=tool.LIMIT_SECONDS)
        functions = report.read()
    # It replaces nothing: what it measures is ours.
    faults.expect("allocate_small" in functions, "callgrind did not see our own malloc at work")


def main():
    program, name, place = sys.argv[1:4]
    library = sys.argv[4] if len(sys.argv) > 4 else None
    options = tool.IN_PLACE if place == "in_place" else []
    faults = tool.Faults()
    if name == "massif":
        peak_of_massif(faults, options, program)
    elif name == "callgrind":
        functions_of_callgrind(faults, options, program)
    else:
        report_free(faults, name, options, program, library)
    faults.finish(f"{name} has nothing to tell" if name not in ("massif", "callgrind") else f"{name} sees the heap")


main()
