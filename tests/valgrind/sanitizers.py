#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""sanitizers.py address|thread PROGRAM - the sanitizer's own report of each fault of sanitized.c is right, and there is none
where there is no fault."""

import os
import re
import subprocess
import sys

import tool

# Unwound by tables: the library has no frame pointers. ThreadSanitizer cannot do that: of an allocation it leaves out the
# function that called the library.
OPTIONS = "fast_unwind_on_malloc=0"

# Patterns that the report has, in this order.
REPORTS = {
    "address": {
        "none": [],
        "overflow": ["heap-buffer-overflow", "#0 .*overflow_here", "0 bytes to the right of 40-byte region|0 bytes after 40-byte",
                     "allocated by", "taken_here"],
        "use_freed": ["heap-use-after-free", "#0 .*use_freed_here", "3 bytes inside of 40-byte region", "freed by",
                      "#1 .*main", "previously allocated", "taken_here"],
        "double_free": ["double-free", "#1 .*freed_again_here", "freed by", "#1 .*main", "previously allocated",
                        "taken_here"],
        "leak": ["LeakSanitizer: detected", r"Direct leak of 40 byte\(s\) in 1 object", "taken_here",
                 r"SUMMARY: .* 40 byte\(s\) leaked in 1 alloc"],
    },
    "thread": {
        "none": [],
        "race": ["data race", "#0 race_here", "heap block of size 40", "allocated by main", "#. main"],
        "use_freed": ["heap-use-after-free", "#0 use_freed_here", "#1 main"],
    },
}


def main():
    sanitizer, program = sys.argv[1:]
    faults = tool.Faults()
    for fault, patterns in REPORTS[sanitizer].items():
        done = subprocess.run([program, fault], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False,
                              env=dict(os.environ, ASAN_OPTIONS=OPTIONS, TSAN_OPTIONS="exitcode=66"),
                              timeout=tool.LIMIT_SECONDS)
        told = done.stderr
        faults.expect((done.returncode == 0) == (not patterns), f"{fault}: exit status {done.returncode}")
        faults.expect(re.search(".*".join(f"(?:{pattern})" for pattern in patterns), told, re.DOTALL) and bool(told) == bool(patterns),
                      f"{fault} was told as: {told}")
    faults.finish(f"the {sanitizer} sanitizer is right about {len(REPORTS[sanitizer])} programs")


main()
