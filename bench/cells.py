# SPDX-License-Identifier: MIT
"""A cell: one command under one arm, in a process of its own, and what it cost.

The command is started by the small program `measure`, because a process started from here would count this script's
memory as its own peak (see measure.c).
"""
import functools
import os
import re
import signal
import subprocess
import tempfile
import time

from arms import Arm
from failure import Failure

# Settings of allocators that the caller's environment may hold; every arm runs with its defaults and what --env says.
FOREIGN_SETTINGS = re.compile(r"(MALLOC|MIMALLOC|TCMALLOC|TBB_MALLOC|JEMALLOC|SCUDO|FASTALLOC)_|"
                              r"GLIBC_TUNABLES$|LD_PRELOAD$")

LIMIT_SECONDS = 90  # of a cell of the whole benchmark


class Cell:
    """What one measured process cost, in results.py's words, and what it printed."""

    def __init__(self, fields, runs, output):
        peak_kib = int(fields["max_rss_kib"])
        self.output = output
        self.figures = {
            "process_ms": int(fields["wall_ns"]) / 1e6 / runs,
            "process_cpu_ms": int(fields["cpu_ns"]) / 1e6 / runs,
            "peak_mib": peak_kib / 1024,
            "minor_faults": int(fields["minor_faults"]) / runs,
        }
        samples = [int(text) / 1024 for text in fields["rss_kib"].split(",") if text]
        # What was looked at is the command alone; one that only starts others says nothing about them.
        if samples and max(samples) * 1024 > peak_kib / 2:
            self.figures["rss"] = {"step_ms": int(fields["rss_step_ms"]), "mib": [round(mib, 1) for mib in samples]}
            self.figures["virtual_mib"] = int(fields["virtual_kib"]) / 1024
            if int(fields["anonymous_kib"]):
                self.figures["huge_share"] = int(fields["huge_kib"]) / int(fields["anonymous_kib"])


def foreign_settings():
    return sorted(key for key in os.environ if FOREIGN_SETTINGS.match(key))


def end_group(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def attend(process, client, limit_seconds):
    """(standard output and what the client returned, standard error) when the process has ended."""
    end = time.monotonic() + limit_seconds
    try:
        served = client(limit_seconds) if client else b""
        output, errors = process.communicate(timeout=max(end - time.monotonic(), 1))
    except subprocess.TimeoutExpired:
        end_group(process)
        raise Failure(f"did not end within {limit_seconds} s") from None
    except Failure as failure:
        end_group(process)
        raise Failure(f"{failure}: {process.stderr.read().decode(errors='replace').strip() or 'no message'}") from None
    except BaseException:
        end_group(process)
        raise
    return output + served, errors.decode(errors="replace").strip()


def run(build, arm, command, runs=1, environment=None, client=None, library=None, watched=True,
        limit_seconds=LIMIT_SECONDS):
    """Runs `command` `runs` times under the arm. Raises Failure unless all ended well.

    `library` is what to preload instead of the arm's. Watched is what runs once, unless the caller does not want it.
    """
    kept = {key: value for key, value in os.environ.items() if not FOREIGN_SETTINGS.match(key)}
    kept.update({**arm.environment, **(environment or {})}, LC_ALL="C")
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        result = os.path.join(directory, "result")
        process = subprocess.Popen(
            [os.path.join(build, "bench", "measure"), result, library or arm.library or "-", str(runs),
             "watched" if watched and runs == 1 else "alone", *command],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=kept, start_new_session=True)
        output, errors = attend(process, client, limit_seconds)
        if "cannot be preloaded" in errors:
            raise Failure(errors.splitlines()[0])
        if process.returncode != 0:
            raise Failure(f"exit status {process.returncode}: {errors or 'no message'}")
        with open(result, encoding="ascii") as file:
            return Cell(dict(word.split("=", 1) for word in file.read().split()), runs, output)


@functools.cache
def c_library():
    """Where the arm without a library has its malloc from: what this process has it from, which preloads nothing."""
    with open("/proc/self/maps", encoding="utf-8") as file:
        return next(os.path.realpath(line.split()[-1]) for line in file if re.search(r"/libc[.-].*so", line))


def parse_line(line, arm):
    """The words of one line of one of our programs. Makes sure that the preload took effect."""
    fields = dict(word.split("=", 1) for word in line.split() if "=" in word)
    if "ns_per_op" not in fields:
        raise Failure(f"unexpected output: {line!r}")
    came_from = os.path.realpath(fields["malloc_from"])
    wanted = os.path.realpath(arm.library) if arm.library else c_library()
    if came_from != wanted:
        raise Failure(f"malloc came from {came_from}: the preload had no effect")
    return fields


def count(build, command, runs=1, environment=None, client=None):
    """What count.c counted in the command, as {word: number}: of its processes that with the most live bytes."""
    counter = Arm("count", os.path.join(build, "bench", "libcount.so"), "variant")
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        path = os.path.join(directory, "count")
        run(build, counter, command, min(runs, 3), {**(environment or {}), "BENCH_COUNT_FILE": path}, client)
        try:
            with open(path, encoding="ascii") as file:
                counted = [{word: int(number) for word, number in (pair.split("=") for pair in line.split())}
                           for line in file]
            return max(counted, key=lambda words: words["peak_bytes"])
        except (OSError, ValueError):
            raise Failure("nothing was counted: it did not end by exit()") from None


def peak_of_live_bytes(build, command, runs=1, environment=None, client=None):
    """The most bytes the command has asked for and not yet freed."""
    return count(build, command, runs, environment, client)["peak_bytes"]
