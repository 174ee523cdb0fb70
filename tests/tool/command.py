# SPDX-License-Identifier: MIT
"""What the tests of the command share: the command, a process to look at, a core of it, and how faults are told."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

COMMAND = os.path.abspath(sys.argv[1])
# None of the hangs that a test is to find may last longer.
PATIENCE_SECONDS = 60

# Nothing of what the surroundings tell the library.
SURROUNDINGS = {name: value for name, value in os.environ.items() if name not in ("LD_PRELOAD", "FASTALLOC_CONF")}

faults = []


def expect(truth, sentence):
    if not truth:
        faults.append(sentence)


def finish(sentence):
    for fault in faults[:20]:
        print(f"fault: {fault}")
    if not faults:
        print(f"ok: {sentence}")
    sys.exit(1 if faults else 0)


def run(*words, **more):
    """The command with these words."""
    return subprocess.run(
        [*more.pop("before", []), COMMAND, *map(str, words)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        timeout=PATIENCE_SECONDS,
        check=False,
        env=SURROUNDINGS,
        **more,
    )


def json_of(*words):
    """What it says with --json; None where it says nothing."""
    done = run(*words, "--json")
    if done.returncode != 0:
        faults.append(f"{' '.join(map(str, words))}: {done.returncode}: {done.stderr.strip()}")
        return None
    return json.loads(done.stdout)


class Program:
    """blocks.c or busy.c, as it waits. LIBRARY is preloaded into it unless it is empty."""

    def __init__(self, program, library="", before=()):
        environment = {**SURROUNDINGS, "MALLOC_PERTURB_": "0"}
        if library:
            environment["LD_PRELOAD"] = os.path.abspath(library)
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with
            [*before, os.path.abspath(program)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self.pid = self.process.pid
        self.places = []
        for line in self.process.stdout:
            if line == "ready\n":
                return
            _, what, state, address, begin, size = line.split()
            self.places.append((what, state, int(address, 16), int(begin, 16), int(size)))
        raise SystemExit("fault: the program ended before it was ready")

    def do(self, word):
        """Has it do something; what it wrote meanwhile."""
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        lines = []
        for line in self.process.stdout:
            if line == "done\n":
                break
            lines.append(line)
        return "".join(lines)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.stdout.close()
        self.process.wait()


def folder():
    return tempfile.TemporaryDirectory(prefix="fastalloc-")


def core_of(program, path):
    """A core file of a program that goes on; None without a debugger."""
    if not shutil.which("gdb"):
        return None
    subprocess.run(
        ["gdb", "-nx", "-q", "-batch", "-p", str(program.pid), "-ex", f"generate-core-file {path}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
        env={name: value for name, value in SURROUNDINGS.items() if name != "DEBUGINFOD_URLS"},
    )
    return path if Path(path).exists() else None
