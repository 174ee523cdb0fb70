#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""run.py NAME LIBRARY - one program, without the library and with it; what it makes must be the same.

NAME is a file in loads/. It lists the programs it needs with their packages (PROGRAMS), and its function run(arm)
uses them. Exit status 0: the same; 1: not, or a program failed or hung; 77: a program is not installed.
"""

import difflib
import importlib
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import time

import arm as arms
import processes

# Of all a test does. Meson's limit is above it, so that a hang is told here and its processes are ended.
LIMIT_SECONDS = 270
SKIPPED = 77


def missing_packages(programs):
    path = "/usr/sbin:/usr/bin:/sbin:/bin"
    return sorted({package for program, package in programs.items()
                   if not shutil.which(program, path=path) and not os.path.exists(program)})


def run_arm(load, directory, library):
    """Runs the load in a fresh folder; returns what it recorded."""
    directory.mkdir()
    arms.give_away(directory)
    arm = arms.Arm(directory, library)
    begin = time.monotonic()
    try:
        load.run(arm)
        alive = processes.left_over(grace_seconds=5)
        if alive:
            raise arms.Failure(f"still alive after the end: {alive}")
    except arms.Failure as failure:
        print(f"{'with' if library else 'without'} the library: {failure}")
        return None
    finally:
        processes.kill_all()
        shutil.rmtree(directory, ignore_errors=True)
    print(f"{'with' if library else 'without'} the library: {time.monotonic() - begin:.1f} s"
          + (f"; on it: {' '.join(sorted(arm.announced))}" if library else ""))
    return arm.records


def compare(plain, preloaded):
    """Prints what differs; returns whether all is the same, and is something."""
    same = [label for label, _ in plain] == [label for label, _ in preloaded]
    if not same:
        print("the two did not make the same things: "
              f"{sorted({label for label, _ in plain} ^ {label for label, _ in preloaded})}")
    for (label, value), (_, other) in zip(plain, preloaded):
        if value != other:
            same = False
            print(f"differs: {label}")
            lines = difflib.unified_diff(str(value).splitlines(), str(other).splitlines(), "without", "with",
                                         lineterm="", n=1)
            for line, _ in zip(lines, range(30)):
                print(f"    {line[:200]}")
    if not plain:
        print("nothing was compared")
    return same and bool(plain)


def end_early(number, frame):
    raise arms.Failure("took too long" if number == signal.SIGALRM else "was told to end")


def main():
    name, library = sys.argv[1:]
    load = importlib.import_module(f"loads.{name}")
    missing = missing_packages(load.PROGRAMS)
    if missing:
        print(f"SKIP {name}: install {' '.join(missing)} (tests/programs/install installs all that these tests need)")
        return SKIPPED

    processes.adopt_orphans()
    signal.signal(signal.SIGALRM, end_early)
    signal.signal(signal.SIGTERM, end_early)
    signal.alarm(LIMIT_SECONDS)
    os.umask(0o022)
    root = pathlib.Path(tempfile.mkdtemp(prefix="programs-"))
    try:
        root.chmod(0o755)
        # A copy, for the build may lie where only its owner can read.
        copy = root / "libfastalloc.so.1"
        shutil.copyfile(library, copy)
        copy.chmod(0o755)
        plain = run_arm(load, root / "work", None)
        preloaded = run_arm(load, root / "work", copy) if plain is not None else None
    finally:
        signal.alarm(0)
        shutil.rmtree(root, ignore_errors=True)
    if plain is None or preloaded is None or not compare(plain, preloaded):
        return 1
    print(f"{name}: {len(plain)} results are the same")
    return 0


sys.exit(main())
