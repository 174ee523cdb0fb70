#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""attacks.py PROGRAM LIBRARY: tries each attack of PROGRAM (attacks.h) on the C library's malloc, and on LIBRARY,
preloaded, with its default settings and with check=on. How an attack can end:

    named      the process aborted after a line that says why
    crashed    it ended by SIGABRT, SIGSEGV or SIGBUS without one
    immune     it went on, and the attack's goal was not reached
    succeeded  the goal was reached

The first three are called stopped. Prints a table and holds these claims: LIBRARY by default stops at least as many
attacks as the C library, but for those on what it does not have any more; check=on stops all that the default stops,
and names those of LEFT_TO_CHECK; on glibc 2.36, whose bytes the attacks write, exactly those succeed that are known to,
so that each of them is real; and what glibc 2.36 stops and LIBRARY by default does not is what EXPLAINED explains, no
more and no less."""

import os
import re
import resource
import signal
import subprocess
import sys

CHILD_SECONDS = 15
SKIPPED = 77
AT_GOAL = 10
UNSUITED = 11
REAL_ON = "glibc 2.36"

# What glibc 2.36 stops and the library does not, and why: what check=on names, and what nothing stops.
BETWEEN = "up to 16 KiB a free sees the block freed last and a block's begin, no more"
LEFT_TO_CHECK = {
    "double_free_with_one_between": BETWEEN,
    "double_free_with_twenty_between": BETWEEN,
    "double_free_of_2000_bytes": BETWEEN,
    "free_of_memory_not_handed_out": "up to 16 KiB a free does not know which blocks are in use",
}
NOT_STOPPED = {
    "overflow_into_the_next_block": "no header lies between blocks, so nothing of the allocator's is damaged: "
                                    "what is overwritten is the next block's content",
    "write_to_a_freed_large_block": "freed blocks of up to 32 MiB can stay mapped for the next one; above, the write "
                                    "crashes",
}
EXPLAINED = LEFT_TO_CHECK | NOT_STOPPED

# glibc has no fast bins from this version on: a block that is freed twice stays in the cache, where it is seen.
WITHOUT_FAST_BINS = (2, 43)
ON_FAST_BINS = {
    "double_free_behind_a_full_cache",
    "double_free_then_a_link_to_the_stack",
    "double_free_after_consolidation",
}

STOPPED_BY_GLIBC = {
    "double_free_at_once",
    "double_free_with_one_between",
    "double_free_with_twenty_between",
    "double_free_of_2000_bytes",
    "double_free_of_100_kib",
    "double_free_of_a_mapped_block",
    "realloc_of_a_freed_block",
    "free_of_a_variable",
    "free_inside_a_block",
    "free_inside_a_large_block",
    "free_of_an_unaligned_pointer",
    "free_of_memory_not_handed_out",
    "overflow_into_the_next_block",
    "overflow_into_a_freed_block",
    "write_to_a_freed_block",
    "write_to_a_freed_large_block",
    "size_of_the_rest_of_the_heap",
    "link_to_the_stack_as_it_is",
    "unlink_with_chosen_neighbours",
    "back_link_of_an_unsorted_block",
}


def c_library():
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (ValueError, OSError):
        return ""


def number_of(version):
    """Of "glibc 2.36": (2, 36); of what is not known: ()."""
    return tuple(map(int, re.findall(r"\d+", version)))


def environment(additions):
    """Nothing else that changes what either allocator does, and glibc's last words on standard error."""
    kept = {name: value for name, value in os.environ.items()
            if not name.startswith(("MALLOC_", "GLIBC_TUNABLES", "FASTALLOC_", "LD_PRELOAD"))}
    return kept | {"LIBC_FATAL_STDERR_": "1"} | additions


def attempt(program, name, additions):
    """How the attack ended, and the line that was written."""
    try:
        run = subprocess.run([program, name], env=environment(additions), stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=CHILD_SECONDS)
    except subprocess.TimeoutExpired:
        return "endless", ""
    line = run.stderr.strip()
    if run.returncode == -signal.SIGABRT and line:
        return "named", line
    if run.returncode in (-signal.SIGABRT, -signal.SIGSEGV, -signal.SIGBUS) and not line:
        return "crashed", ""
    known = {0: "immune", AT_GOAL: "succeeded", UNSUITED: "unsuited"}
    return known.get(run.returncode, f"status {run.returncode}") if not line else f"status {run.returncode}", line


def stopped(outcome):
    return outcome in ("named", "crashed", "immune")


def difference(what, found, wanted):
    return [f"{what}: {name}" for name in sorted(found - wanted)] + \
           [f"not {what} any more: {name}" for name in sorted(wanted - found)]


def main():
    program, library = (os.path.abspath(argument) for argument in sys.argv[1:])
    version = c_library()
    if not version.startswith("glibc"):
        print("the attacks are written for glibc")
        return SKIPPED
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    names = subprocess.run([program], env=environment({}), stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    failures = []
    arms = {
        version: {},
        "fastalloc": {"LD_PRELOAD": library},
        "check=on": {"LD_PRELOAD": library, "FASTALLOC_CONF": "check=on"},
    }
    print("".join(f"{title:{width}}" for title, width in zip(["attack", *arms], (42, 12, 12, 12))))
    ends = {arm: {} for arm in arms}
    for name in names:
        for arm, additions in arms.items():
            outcome, line = attempt(program, name, additions)
            ends[arm][name] = outcome
            if not stopped(outcome) and outcome != "succeeded":
                failures.append(f"{arm}: {name}: {outcome} {line}")
            # Also tells a library that was not preloaded.
            if outcome == "named" and line.startswith("fastalloc: ") != bool(additions):
                failures.append(f"{arm}: {name}: another allocator's words: {line}")
        print(f"{name:42}" + "".join(f"{ends[arm][name]:12}" for arm in arms))

    of_libc, by_default, by_check = ({name for name in names if stopped(ends[arm][name])} for arm in arms)
    print(f"{'stopped, of ' + str(len(names)):42}{len(of_libc):<12}{len(by_default):<12}{len(by_check):<12}")
    for name in sorted(of_libc - by_default):
        print(f"stopped by {version} alone: {name}: {EXPLAINED.get(name, 'not explained')}")
    failures += [f"stopped by default, not with check=on: {name}" for name in sorted(by_default - by_check)]
    failures += [f"not named by check=on: {name}" for name in LEFT_TO_CHECK if ends["check=on"].get(name) != "named"]
    missing = ON_FAST_BINS if number_of(version) >= WITHOUT_FAST_BINS else set()
    by_libc, by_us = len(of_libc - missing), len(by_default - missing)
    if by_us < by_libc:
        failures.append(f"{version} stops {by_libc}, the library {by_us}")
    if version == REAL_ON:
        failures += difference("stopped by glibc", of_libc, STOPPED_BY_GLIBC)
        failures += difference("stopped by glibc alone", of_libc - by_default, set(EXPLAINED))
    for failure in failures:
        print(f"FAILED: {failure}")
    return 1 if failures else 0


sys.exit(main())
