# SPDX-License-Identifier: MIT
"""What every test of the command shares: running programs, and reporting claims as TAP.

A script decorates functions with @claim, whose names are what is claimed, and ends with report(). Each claim is tried
in an empty folder of its own, and ends at the first assertion that does not hold.
"""

import os
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

# No program that hangs may hold a test up for longer.
LIMIT_SECONDS = 60

# What programs get from the surroundings: nothing of what these tell the library.
SURROUNDINGS = {name: value for name, value in os.environ.items() if name not in ("LD_PRELOAD", "FASTALLOC_CONF")}
SURROUNDINGS["LC_ALL"] = "C.UTF-8"

_claims = []


class NotTried(Exception):
    """This machine has not what the claim is about."""


def claim(function):
    _claims.append(function)
    return function


def report():
    """Tries all claims, each in an empty folder, and ends the process."""
    failed = 0
    print(f"1..{len(_claims)}")
    for number, function in enumerate(_claims, 1):
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o755)
            os.chdir(folder)
            try:
                function()
                print(f"ok {number} - {function.__name__}")
            except NotTried as why:
                print(f"ok {number} - {function.__name__}\n# not tried: {why}")
            except Exception:
                failed += 1
                print(f"not ok {number} - {function.__name__}")
                print("".join(f"# {line}\n" for line in traceback.format_exc().splitlines()), end="")
            os.chdir("/")
        sys.stdout.flush()
    sys.exit(1 if failed else 0)


def absolute(word):
    """A path among the words of a script, as it is valid in every folder; an empty word stays empty."""
    return word and str(Path(word).absolute())


class Done:
    """How a process ended, and what it wrote."""

    def __init__(self, words, variables, stdout=subprocess.PIPE, errors="replace", **options):
        done = subprocess.run(
            words,
            env={**SURROUNDINGS, **variables},
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            errors=errors,
            timeout=LIMIT_SECONDS,
            check=False,
            **options,
        )
        self.status = done.returncode
        self.output = done.stdout
        self.said = done.stderr

    def __str__(self):
        return f"status {self.status}, output {self.output!r}, said {self.said!r}"


def run(words, variables=None, **options):
    return Done([str(word) for word in words], variables or {}, **options)


def expect(done, status=0, output=None, said=None):
    """Holds the end of a process against what it should be; `said` are words on standard error, "" for none at all."""
    assert done.status == status, f"not status {status}: {done}"
    assert output is None or done.output == output, f"not output {output!r}: {done}"
    if said == "":
        assert done.said == "", f"something was said: {done}"
    elif said is not None:
        assert said in done.said, f"not said: {said!r}: {done}"


def write(name, text, mode=0o644):
    """A file in the claim's folder."""
    path = Path(name).absolute()
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path
