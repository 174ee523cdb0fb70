# SPDX-License-Identifier: MIT
"""Processes below this one: who they are, whether they run on the library, and their end.

This process adopts what its children leave behind (a subreaper), so whatever a program started stays below it and can
be found: in the end none may be alive.
"""

import ctypes
import os
import pathlib
import signal
import time

PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans():
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def read_status(pid):
    """Name, state and parent of a process, or None when it is gone."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    name, rest = text[text.index("(") + 1:].rsplit(")", 1)
    state, parent = rest.split()[:2]
    return name, state, int(parent)


def below(ancestor):
    """Every process below `ancestor` that is alive, as {pid: name}."""
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            status = read_status(entry)
            if status:
                found[int(entry)] = status
    alive = {}
    wanted = [ancestor]
    while wanted:
        parent = wanted.pop()
        for pid, (name, state, its_parent) in found.items():
            if its_parent == parent:
                wanted.append(pid)
                if state not in "ZX":
                    alive[pid] = name
    return alive


def is_mapped(pid, library):
    """Whether the process has the library mapped; None when it has ended."""
    try:
        maps = pathlib.Path(f"/proc/{pid}/maps").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return str(library) in maps if maps else None


def reap():
    """Takes the status of what was adopted and has ended. Only when no child of ours is waited for elsewhere."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0] != 0:
            pass
    except ChildProcessError:
        pass


def left_over(grace_seconds):
    """What is still alive below this process after so long: {pid: name}."""
    end = time.monotonic() + grace_seconds
    while True:
        alive = below(os.getpid())
        if not alive or time.monotonic() >= end:
            return alive
        time.sleep(0.05)


def kill_all():
    """Ends everything below this process."""
    for _ in range(100):
        alive = below(os.getpid())
        for pid in alive:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        reap()
        if not alive:
            return
        time.sleep(0.05)
