#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""misuses.py PROGRAM TABLE POINTER: the rows of TABLE (misuses.table, which says what its columns mean) that begin with
POINTER, each of which is as many runs of PROGRAM (misuse.c) as it names calls, threads, sizes and settings.

A run must report the step it ends in and end by SIGABRT there, after one line on standard error, which must be the
message of the row about this very pointer, size and span, and stand in the record that fastalloc_root leads to. A run
whose row says "never" must end by itself with nothing on standard error. Writes TAP, a point for each run.
"""

import itertools
import os
import re
import resource
import signal
import subprocess
import sys
from pathlib import Path

SLICE = 64 * 1024

SIZES = {"8": 8, "64": 64, "4K": 4096, "20K": 20 << 10, "100K": 100 << 10, "1M": 1 << 20, "64M": 64 << 20}
USABLE = {"100K": 112 << 10}  # where that is not the size asked for

# What stands for several, column by column.
FREEING = "delete realloc_to_0"
MOVING = "realloc reallocarray"
SIZED = "free_sized free_aligned_sized delete_sized delete_aligned"
CALLS = {
    "each": f"free {FREEING} malloc_usable_size {MOVING} {SIZED}",
    "freeing": FREEING,
    "moving": MOVING,
    "sized": SIZED,
}
THREADS = {
    "any": "own other ending",
    "own+any": "own+own own+other own+ending",
    "own+far": "own+other own+ending",
    "other+far": "other+third other+ending",
    "other+any": "other+own other+other other+third other+ending",
}
GROUPS = {
    "small": "8 64 4K",
    "shared": "8 64 4K 20K",
    "spans": "8 64 4K 20K 100K",
    "window": "8 64 4K 20K 100K 1M",
    "big": "1M 64M",
    "above8": "64 4K 20K 100K 1M 64M",
    "all": "8 64 4K 20K 100K 1M 64M",
}
CHECKS = {"any": "off on"}
SILENT = ("closed", "full", "unread")
SURROUNDINGS = {"silent": " ".join(SILENT)}

# The name of a call in messages, where it is another one.
SAID = {"realloc_to_0": "free", "reallocarray": "realloc", "delete": "free"}
SAID_BEGIN = {"delete_": "operator delete", "free_sized": "free_sized", "free_aligned_sized": "free_aligned_sized"}

MESSAGES = {
    "foreign": "{call}({pointer}): not a block of this allocator, or one freed before",
    "double": "free({pointer}): double free of a {bytes}-byte block",
    "freed": "{call}({pointer}): a {bytes}-byte block that was freed before",
    "inside": "{call}({pointer}): points into a {bytes}-byte block",
    "size": "{call}({pointer}, {size}): a {bytes}-byte block cannot have been asked for with this size",
    "written": "malloc: the block at {pointer} was written to while it was free",
    "more": "more {bytes}-byte blocks were freed into the span at {span} than it gave: a double free{rerun}",
    "link": "a freed block was written to: its link leads to 0x0{rerun}",
}
RERUN = "; FASTALLOC_CONF=check=on finds the call"
MANUAL = "; see fastalloc(7), MISUSE"


def each_of(words, groups):
    return [name for word in words.split(",") for name in groups.get(word, word).split()]


def runs_of(table, pointer):
    """(call, by, size, check, around, step, message) for each run."""
    for line in table.read_text(encoding="utf-8").splitlines():
        words = line.split()
        if not words or words[0] != pointer:
            continue
        _, calls, by, sizes, checks, around, step, *message = words
        yield from itertools.product(
            each_of(calls, CALLS),
            each_of(by, THREADS),
            each_of(sizes, GROUPS),
            each_of(checks, CHECKS),
            each_of(around, SURROUNDINGS),
            [step],
            [message[0] if message else None],
        )


def said(call):
    return SAID.get(call) or next((name for begin, name in SAID_BEGIN.items() if call.startswith(begin)), call)


def prepare(around):
    """In the child: its standard descriptors as `around` wants them."""
    if around == "closed":
        os.closerange(0, 3)
    elif around == "full":
        os.dup2(os.open("/dev/full", os.O_WRONLY), 2)
    elif around == "unread":
        reader, writer = os.pipe()
        os.dup2(writer, 2)
        os.close(reader)
        os.close(writer)


def run(program, pointer, call, by, size, check, around):
    """How the process ended, what it wrote to standard error, and what it reported."""
    environment = {name: value for name, value in os.environ.items() if name not in ("FASTALLOC_CONF", "LD_PRELOAD")}
    if check == "on":
        environment["FASTALLOC_CONF"] = "check=on"
    reader, writer = os.pipe()
    with subprocess.Popen(
        [program, pointer, call, str(SIZES[size]), by, around, str(writer)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        pass_fds=(writer,),
        preexec_fn=(lambda: prepare(around)) if around in SILENT else None,
    ) as process:
        os.close(writer)
        try:
            errors = process.communicate(timeout=60)[1]
        except subprocess.TimeoutExpired:
            process.kill()
            errors = process.communicate()[1] + "(hangs)"
    with os.fdopen(reader) as reported:
        return process.pid, process.returncode, errors, reported.read().splitlines()


def fault_of(program, pointer, call, by, size, check, around, step, message):
    """What is wrong with a run, None if nothing is."""
    process, status, errors, reported = run(program, pointer, call, by, size, check, around)
    steps = [line.split() for line in reported if not line.startswith("record ")]
    records = [line[len("record ") :] for line in reported if line.startswith("record ")]
    seen = f"status {status}, standard error {errors!r}, reported {reported}"
    wanted_steps = {"call": ["call"], "later": ["call", "later"], "never": ["call", "later", "end"]}[step]
    if [words[0] for words in steps] != wanted_steps:
        return f"must end in the step {step}: {seen}"
    if step == "never":
        return None if (status, errors, records) == (0, "", []) else f"must not be noticed: {seen}"
    address = int(steps[0][1], 16)
    text = MESSAGES[message].format(
        call=said(call),
        pointer=f"0x{address:x}",
        size=steps[0][2],
        bytes=USABLE.get(size, SIZES[size]),
        span=f"0x{address // SLICE * SLICE:x}",
        rerun=RERUN if check == "off" else "",
    )
    line = f"fastalloc: {Path(program).name}[{process}]: {text}{MANUAL}"
    if status != -signal.SIGABRT:
        return f"must end by SIGABRT: {seen}"
    if errors != ("" if around in SILENT else line + "\n"):
        return f"standard error must be {line!r}: {seen}"
    return None if records == [line] else f"the record must be {line!r}: {seen}"


def main():
    program, table, pointer = sys.argv[1:]
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    runs = list(runs_of(Path(table), pointer))
    print(f"1..{len(runs)}")
    failed = 0
    for number, (call, by, size, check, around, step, message) in enumerate(runs, 1):
        fault = fault_of(program, pointer, call, by, size, check, around, step, message)
        failed += fault is not None
        surroundings = "" if around == "usual" else f", {around}"
        name = f"{call} of {pointer}, {size}, by {by}, check={check}{surroundings}: {step} {message or ''}".strip()
        print(("ok" if fault is None else "not ok"), number, "-", name)
        if fault is not None:
            print(f"# {fault}")
    return 1 if failed or not runs else 0


sys.exit(main())
