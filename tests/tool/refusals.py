# SPDX-License-Identifier: MIT
"""What cannot be read is said in a sentence that says why: a process that is gone, a zombie, the kernel's, another
user's, one that hides, one on another malloc, a file that is no core.

    refusals.py COMMAND PROGRAM OTHER [LIBRARY]

PROGRAM is blocks.c; OTHER is other.c, which runs on libc's malloc.
"""

import os
import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path

from claims import NotTried, absolute, claim, expect, report, write
from target import Program, fastalloc

PROGRAM, OTHER, *LIBRARY = map(absolute, sys.argv[2:])
COMMANDS = {
    "stat": [],
    "where": ["0x1000"],
    "map": ["-o", "/dev/null"],
    "top": [],
}
# Root sees all, and becomes somebody else to be refused something.
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all"]


def refused(target, words, status=1, before=()):
    """All commands refuse the target, in a line that has one of these words."""
    for command, rest in COMMANDS.items():
        done = fastalloc(command, target, *rest, before=before)
        told = f"{command} {target}: {done}"
        assert done.status == status and done.said.startswith("fastalloc: "), told
        assert any(word in done.said for word in ([words] if isinstance(words, str) else words)), told
        assert done.output == "", told


def core_header():
    """The first header of a core file that this kernel would write: what follows is one segment."""
    machine, = struct.unpack_from("<H", Path(sys.executable).read_bytes(), 18)
    header = struct.pack("<HHIQQQIHHHHHH", 4, machine, 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    return b"\x7fELF\x02\x01\x01" + bytes(9) + header


def core_file(content):
    path = Path("core").absolute()
    path.write_bytes(content)
    return path


@claim
def process_that_has_ended_is_refused():
    with subprocess.Popen(["true"]) as ended:
        for _ in range(1000):
            if Path(f"/proc/{ended.pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[0] == "Z":
                break
            time.sleep(0.01)
        refused(ended.pid, "has ended")
    refused(ended.pid, "there is no process")


@claim
def number_that_no_process_can_have_is_not_understood():
    refused(0, "there can be no process", status=2)
    refused("99999999999", "there can be no process", status=2)


@claim
def thread_of_the_kernel_is_refused():
    for process in ("2", "3"):
        status = Path(f"/proc/{process}/status")
        if status.exists() and "VmSize" not in status.read_text(encoding="utf-8"):
            refused(process, "thread of the kernel")
            return
    raise NotTried("no thread of the kernel is to be seen")


@claim
def file_that_is_no_core_file_is_refused():
    refused(write("text", "no core"), "is no core file")
    refused(sys.executable, "is no core file")
    refused(Path.cwd(), "no core file")
    refused(core_file(b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x04\x00\x3e\x00"), "is no core file")


@claim
def file_that_is_not_there_is_refused():
    refused(Path("none").absolute(), "No such file")


@claim
def core_file_that_is_cut_off_is_refused():
    refused(core_file(core_header()), "is cut off")
    # A mapping that the file does not have.
    path = core_file(core_header() + struct.pack("<IIQQQQQQ", 1, 6, 4096, 0x10000, 0, 4096, 4096, 4096))
    expect(fastalloc("stat", path), status=1, said="is cut off")


@claim
def core_file_without_memory_is_refused():
    refused(core_file(core_header() + bytes(56)), "has no memory")


@claim
def process_on_another_malloc_is_refused():
    with Program(OTHER) as other:
        refused(other.pid, "does not run on libfastalloc")


@claim
def process_that_hides_from_its_own_user_is_refused():
    if os.geteuid() == 0:
        raise NotTried("nothing hides from root")
    with Program(PROGRAM, *LIBRARY) as program:
        program.do("hide")
        refused(program.pid, ("it has made itself unreadable", "ptrace_scope"))


@claim
def process_of_another_user_is_refused():
    if os.geteuid() != 0:
        refused(1, ("it belongs to the user 0", "user namespace"))
        return
    if not shutil.which("setpriv") or fastalloc("--version", before=NOBODY).status != 0:
        raise NotTried("nobody else can run the command")
    with Program(PROGRAM, *LIBRARY) as program:
        program.do("hide")
        refused(program.pid, "it belongs to the user 0 and this is 65534", before=NOBODY)
        shown = fastalloc("stat", program.pid, before=NOBODY).said
        assert "VmRSS" in shown or "Rss" in shown, f"nothing is said of its memory: {shown}"


@claim
def words_that_are_not_understood_exit_2():
    for command in COMMANDS:
        expect(fastalloc(command), status=2, said="is missing")
        expect(fastalloc(command, "--none", "1"), status=2, said="--none")


report()
