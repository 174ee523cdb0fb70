# SPDX-License-Identifier: MIT
"""A process or a core file that the command looks at, for the scripts that hold what it says of one.

Their first word is the command.
"""

import json
import subprocess
import sys
from pathlib import Path

from claims import SURROUNDINGS, NotTried, absolute, run
from core import core_by_gdb

COMMAND = absolute(sys.argv[1])


def fastalloc(*words, before=(), **options):
    """Runs the command with these words, by a program `before` it if there is one."""
    return run([*before, COMMAND, *words], **options)


def json_of(*words):
    """What it says with --json."""
    done = fastalloc(*words, "--json")
    assert done.status == 0, f"{' '.join(map(str, words))}: {done}"
    return json.loads(done.output)


class Program:
    """blocks.c, busy.c or other.c, as it waits. `library` is preloaded into it unless it is empty."""

    def __init__(self, program, library=""):
        environment = {**SURROUNDINGS, "MALLOC_PERTURB_": "0"}
        if library:
            environment["LD_PRELOAD"] = str(library)
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with
            [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self.pid = self.process.pid
        self.places = []
        for line in self.process.stdout:
            if line == "ready\n":
                return
            _, what, state, address, begin, size = line.split()
            self.places.append((what, state, int(address, 16), int(begin, 16), int(size)))
        self.close()
        raise AssertionError(f"{program} ended before it was ready")

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

    def close(self):
        self.process.kill()
        self.process.stdout.close()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def core_of(program):
    """A core file of a program that goes on, in the claim's folder."""
    path = core_by_gdb(program.pid, Path("core").absolute())
    if path is None:
        raise NotTried("there is no gdb that writes core files")
    return path
