# SPDX-License-Identifier: MIT
"""A core file explains the blocks of the process, and has nothing of the window that was never committed.

    core_file.py PROGRAM [LIBRARY]

PROGRAM is core_file.c; LIBRARY is preloaded into it. gdb, where it is there, writes a core of it as it waits; the
kernel writes one as it aborts, where cores are plain files. At least one of the two must be had. Each is read with
nothing but the address of fastalloc_root.
"""

import os
import re
import resource
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

from core import Core, core_by_gdb

MIB = 1 << 20
CORE_BYTES_MAX = 64 * MIB
REGION_SHIFT = 30
TABLES_PER_REGION = 2 * MIB  # of slice records, and of chunk records
KINDS = ["free", "small", "medium", "part", "large", "metadata", "lost"]
NO_CLASS = 255


class Heap:
    """What the root leads to."""

    def __init__(self, core):
        self.core = core
        self.base, self.outside, self.registry = (core.root[name] for name in ("window_base", "outside", "registry"))
        bounds = core.root["window_bounds"]
        base, self.limit_bytes, self.secret = (
            core.member(bounds, f"bounds_{name}") for name in ("base", "limit_bytes", "link_secret")
        )
        self.slice_shift = core.layout("slice_shift")
        if base != self.base or not 0 < self.limit_bytes <= core.root["window_bytes"]:
            raise ValueError("the root and the window's bounds contradict each other")

    def shape(self, number):
        """Block size, slices and capacity of a class."""
        return struct.unpack("<IHH", self.core.read(self.core.layout("shapes") + 8 * number, 8))

    def explain(self, address):
        """What the heap knows of a block, as a dictionary."""
        if not 0 <= address - self.base < self.limit_bytes:
            return self.explain_outside(address)
        slice_number = (address - self.base) >> self.slice_shift
        back = self.record(slice_number)["back"]
        head = self.record(slice_number - back)
        begin = self.base + ((slice_number - back) << self.slice_shift)
        found = {"kind": KINDS[head["kind"]], "owner": head["owner"], "free": head["kind"] == 0}
        if head["size_class"] == NO_CLASS or found["free"]:
            found["bytes"] = head["slices"] << self.slice_shift
            return found
        found["bytes"], slices, capacity = self.shape(head["size_class"])
        found["begins"] = (address - begin) % found["bytes"] == 0
        found["capacity"] = (head["slices"], head["capacity"]) == (slices, capacity)
        arena_bin = head["owner"] + self.core.layout("arena_bins") + head["size_class"] * self.core.layout("bin_stride")
        found["free"] = found["kind"] == "small" and address in self.active_stack(arena_bin)
        return found

    def record(self, slice_number):
        address = self.base - slice_number * self.core.layout("record_stride")
        widths = {"owner": 8, "size_class": 1, "kind": 1, "slices": 4, "back": 4, "capacity": 2}
        return {name: self.core.member(address, f"span_{name}", width) for name, width in widths.items()}

    def active_stack(self, thread_bin):
        """The free blocks in a thread's bin that malloc takes next."""
        blocks = []
        block = self.core.member(thread_bin, "bin_head")
        while block != 0:
            blocks.append(block)
            block = self.core.word(block) ^ self.secret
        return blocks

    def explain_outside(self, address):
        entries = self.core.member(self.outside, "outside_entries")
        for slot in range(self.core.member(self.outside, "outside_capacity")):
            entry = entries + slot * self.core.layout("entry_stride")
            if self.core.member(entry, "entry_address") == address:
                return {"kind": "outside", "owner": 0, "free": False, "bytes": self.core.member(entry, "entry_bytes")}
        return {"kind": "nobody's", "owner": 0, "free": True, "bytes": 0}


def faults_of(core_path, said):
    """What is wrong with a core of the program that said this."""
    faults = []
    try:
        core = Core(core_path, said["root"])
        sizes = {"program headers": core.file_bytes(), "disk": core.disk_bytes}
        faults += [f"{size >> 20} MiB by its {what}" for what, size in sizes.items() if size >= CORE_BYTES_MAX]
        heap = Heap(core)
        owners = set()
        for kind, address, usable, stamp in said["blocks"]:
            found = heap.explain(address)
            freed = kind.startswith("freed_")
            wanted = "free" if kind == "freed_large" else kind.removeprefix("freed_")
            if (found["kind"], found["free"], found["bytes"]) != (wanted, freed, usable):
                faults.append(f"{kind} block at {address:#x} of {usable} bytes is explained as {found}")
            if not found.get("begins", True) or not found.get("capacity", True):
                faults.append(f"{kind} block at {address:#x}: no block of its span begins there: {found}")
            if kind != "freed_large" and core.word(address + 16) != stamp:
                faults.append(f"{kind} block at {address:#x} does not have what was written to it")
            if wanted in ("small", "medium"):
                owners.add(found["owner"])
        # One thread: one arena, in a span of the window, which the registry names.
        if len(owners) != 1:
            faults.append(f"blocks of one thread belong to {len(owners)} arenas")
        for owner in owners:
            first = core.member(heap.registry, "registry_first")
            if heap.explain(owner)["kind"] != "metadata" or owner != first:
                faults.append(f"the owner {owner:#x} is no arena of the registry")
    except (ValueError, struct.error) as wrong:
        faults.append(str(wrong))
    return faults


def faults_of_mappings(smaps, said):
    """What is committed of the window and its tables is dumped, and only that."""
    base, window_bytes = said["window"]
    low = base - (window_bytes >> REGION_SHIFT) * TABLES_PER_REGION
    faults = []
    pieces = re.findall(r"^([0-9a-f]+)-([0-9a-f]+) (\S+) .*?^VmFlags:([^\n]*)", smaps, re.MULTILINE | re.DOTALL)
    seen = set()
    for begin, end, access, flags in pieces:
        if int(end, 16) <= low or int(begin, 16) >= base + window_bytes:
            continue
        committed = access.startswith("rw")
        seen.add(committed)
        if committed == ("dd" in flags.split()):
            faults.append(f"{begin}-{end} {access} has the flags{flags}")
    if seen != {True, False}:
        faults.append("the window is not among the mappings")
    return faults


def read_said(program):
    said = {"blocks": []}
    for line in program.stdout:
        words = line.split()
        if words[0] == "block":
            said["blocks"].append((words[1], int(words[2], 16), int(words[4]), int(words[5])))
        elif words[0] == "root":
            said["root"] = int(words[1], 16)
        elif words[0] == "ready":
            with open(f"/proc/{program.pid}/mem", "rb", buffering=0) as memory:
                memory.seek(said["root"])
                said["window"] = struct.unpack("<4Q", memory.read(32))[2:]
            return said
    raise SystemExit("fault: the program ended before it was ready")


def core_by_kernel(program, folder):
    """The core of the program, which is ended for it; None where the kernel puts it elsewhere, or nowhere."""
    pattern = Path("/proc/sys/kernel/core_pattern").read_text(encoding="ascii").strip()
    program.stdin.close()
    program.wait()
    if "/" in pattern or pattern.startswith("|"):
        return None
    return next(folder.glob("core*"), None)


def allow_cores():
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    except (ValueError, OSError):
        hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
        resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))


def main():
    environment = dict(os.environ)
    if len(sys.argv) > 2:
        environment["LD_PRELOAD"] = os.path.abspath(sys.argv[2])
    faults = []
    cores = 0
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        with subprocess.Popen(
            [os.path.abspath(sys.argv[1])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=scratch,
            env=environment,
            preexec_fn=allow_cores,
        ) as program:
            said = read_said(program)
            smaps = Path(f"/proc/{program.pid}/smaps").read_text(encoding="utf-8")
            faults += faults_of_mappings(smaps, said)
            by_gdb = folder / "by_gdb"
            if core_by_gdb(program.pid, by_gdb) is not None:
                cores += 1
                faults += [f"gdb's core: {fault}" for fault in faults_of(by_gdb, said)]
            by_kernel = core_by_kernel(program, folder)
            if by_kernel is not None:
                cores += 1
                faults += [f"the kernel's core: {fault}" for fault in faults_of(by_kernel, said)]
    if cores == 0:
        faults.append("no core was to be had: install gdb, or make kernel.core_pattern a plain name")
    for fault in faults:
        print(f"fault: {fault}")
    if not faults:
        print(f"ok: {cores} cores explain {len(said['blocks'])} blocks")
    sys.exit(1 if faults else 0)


main()
