# SPDX-License-Identifier: MIT
"""What cannot be read is said in a sentence that says why: a process that is gone, a zombie, the kernel's, another
user's, one that hides, one on another malloc, a file that is no core.

    refusals.py COMMAND PROGRAM OTHER [LIBRARY]

PROGRAM is blocks.c; OTHER is a program that runs on libc's malloc.
"""

import os
import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path

from command import Program, expect, finish, folder, run

COMMANDS = {
    "stat": [],
    "where": ["0x1000"],
    "map": ["-o", "/dev/null"],
    "top": [],
}


def refused(target, words, code=1, before=()):
    """All commands refuse the target, in a line that has these words."""
    for command, rest in COMMANDS.items():
        done = run(command, target, *rest, before=list(before))
        told = f"{command} {target}: {done.returncode}: {done.stdout}{done.stderr}"
        expect(done.returncode == code and done.stderr.startswith("fastalloc: "), told)
        expect(any(word in done.stderr for word in ([words] if isinstance(words, str) else words)), told)
        expect(done.stdout == "", told)


def look_at_gone():
    with subprocess.Popen(["true"]) as ended:
        for _ in range(1000):
            if Path(f"/proc/{ended.pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[0] == "Z":
                break
            time.sleep(0.01)
        refused(ended.pid, "has ended")
    refused(ended.pid, "there is no process")
    refused(0, "there can be no process", 2)
    refused("99999999999", "there can be no process", 2)


def look_at_kernel():
    for process in ("2", "3"):
        status = Path(f"/proc/{process}/status")
        if status.exists() and "VmSize" not in status.read_text(encoding="utf-8"):
            refused(process, "thread of the kernel")
            return


def machine():
    """Of a file that this kernel would write."""
    return struct.unpack_from("<H", Path(sys.executable).read_bytes(), 18)[0]


def look_at_files(scratch):
    text = Path(scratch) / "text"
    text.write_text("no core", encoding="utf-8")
    refused(text, "is no core file")
    refused(sys.executable, "is no core file")
    refused(scratch, "no core file")
    refused(Path(scratch) / "none", "No such file")
    text.write_bytes(b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x04\x00\x3e\x00")
    refused(text, "is no core file")
    header = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 4, machine(), 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    text.write_bytes(header)
    refused(text, "is cut off")
    text.write_bytes(header + bytes(56))
    refused(text, "has no memory")
    # A mapping that the file does not have.
    text.write_bytes(header + struct.pack("<IIQQQQQQ", 1, 6, 4096, 0x10000, 0, 4096, 4096, 4096))
    done = run("stat", text)
    expect(done.returncode == 1 and "is cut off" in done.stderr, f"a core file without its end: {done}")


def look_at_others(program):
    """One that hides from its own user; one of another user. Root sees all, and becomes somebody else for it."""
    program.do("hide")
    if os.geteuid() != 0:
        refused(program.pid, ("it has made itself unreadable", "ptrace_scope"))
        refused(1, ("it belongs to the user 0", "user namespace"))
        return
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all"]
    if shutil.which("setpriv") and subprocess.run([*nobody, sys.argv[1], "--version"], check=False).returncode == 0:
        refused(program.pid, "it belongs to the user 0 and this is 65534", before=nobody)
        shown = run("stat", program.pid, before=nobody).stderr
        expect("VmRSS" in shown or "Rss" in shown, f"nothing is said of its memory: {shown}")


def main():
    look_at_gone()
    look_at_kernel()
    with folder() as scratch:
        look_at_files(scratch)
    with subprocess.Popen([sys.argv[3]], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        refused(other.pid, "does not run on libfastalloc")
        other.stdin.close()
    with Program(sys.argv[2], *sys.argv[4:5]) as program:
        look_at_others(program)
    for command in COMMANDS:
        done = run(command)
        expect(done.returncode == 2 and "is missing" in done.stderr, f"{command}: {done.stderr}")
        done = run(command, "--none", "1")
        expect(done.returncode == 2 and "--none" in done.stderr, f"{command}: {done.stderr}")
    finish("what cannot be read is said in a sentence")


main()
