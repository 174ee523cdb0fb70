# SPDX-License-Identifier: MIT
"""Program: one real program to be measured, and what writing its input needs."""
import dataclasses
import os
from collections.abc import Callable


@dataclasses.dataclass
class Program:
    """A command to measure and what the harness must know to run it and to compare its output."""

    name: str
    about: str  # one line: what it does and what of it stresses malloc
    command: list  # what it writes to standard output is compared
    packages: list  # the Debian packages that hold it
    runs: int = 1  # how often it runs per cell
    environment: dict | None = None  # variables to add
    artifact: str | None = None  # path of a file it writes that belongs to its output
    floor: bool = False  # may run on the one-size toy allocator of floor.c

    # client(deadline_seconds) is called, without the preload, once the command has been started. It makes the command
    # work and end, and returns bytes that belong to the output. Raises Failure if it cannot.
    client: Callable[[float], bytes] | None = None

    # The library the command is linked with and whose malloc it uses where nothing is preloaded. To see it on the C
    # library's malloc, preload libc.so.6.
    linked: str | None = None


WORDS = "the quick brown fox jumps over the lazy dog while eleven benevolent elephants watch from the far hills "


def write(directory, name, text):
    path = os.path.join(directory, name)
    with open(path, "w", encoding="utf-8", newline="") as file:
        file.write(text)
    return path


def random_numbers(state):
    """Numbers from 0 to 2^31 - 1, the same for ever for the same start."""
    while True:
        state = (state * 6364136223846793005 + 1442695040888963407) % (1 << 64)
        yield state >> 33
