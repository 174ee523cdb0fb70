# SPDX-License-Identifier: MIT
"""What every check shares: running a tool, and saying what is wrong.

A check prints what holds and exits 0, or prints each fault on a line of its own, what to do about it, and exits 1.
77 means that there is nothing to check (Meson shows it as skipped).
"""

import os
import subprocess
import sys

SKIPPED = 77


def output_of(command):
    """The standard output of a tool; the check fails if the tool does. Its words are English everywhere."""
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "LC_ALL": "C"}
    )
    if done.returncode != 0:
        finish([f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip()}"], "", "the tool must work")
    return done.stdout


def finish(faults, holds, remedy):
    """Ends the check: with `holds` if there are no faults, else with all of them and the remedy."""
    if not faults:
        print(f"ok: {holds}")
        sys.exit(0)
    for fault in faults:
        print(f"fault: {fault}")
    print(f"\n{len(faults)} fault(s). {remedy}")
    sys.exit(1)


def skip(reason):
    print(f"skipped: {reason}")
    sys.exit(SKIPPED)
