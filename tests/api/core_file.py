# SPDX-License-Identifier: MIT
"""A core file explains the blocks of the process, and has nothing of the window that was never committed.

    core_file.py PROGRAM [LIBRARY]

PROGRAM is core_file.c; LIBRARY is preloaded into it. gdb, where it is there, writes a core of it as it waits; the kernel writes one as it aborts,
where cores are plain files. At least one of the two must be had. Each is read with nothing but the address of
fastalloc_root: layout version 1 is src/heap/root.h, and the table of src/heap/layout.h says where the rest is.
"""

import os
import re
import resource
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tool"))
from layout import members_of  # pylint: disable=wrong-import-position

LAYOUT_HEADER = Path(__file__).resolve().parents[2] / "src" / "heap" / "layout.h"
LAYOUT_MAGIC = 0x756F79616C747366
MIB = 1 << 20
CORE_BYTES_MAX = 64 * MIB
REGION_SHIFT = 30
TABLES_PER_REGION = 2 * MIB  # of slice records, and of chunk records
MAGIC = 0x636F6C6C61747366
KINDS = ["free", "small", "medium", "part", "large", "metadata", "lost"]
NO_CLASS = 255
CORE_HEADER = "<16sHHIQQQIHHHHHH"
PROGRAM_HEADER = "<IIQQQQQQ"
PT_LOAD = 1
ET_CORE = 4
MANY_HEADERS = 0xFFFF
SECTION_INFO_AT = 44  # in a section header: the number of program headers, where the ELF header has no room for it


class Core:
    def __init__(self, path):
        self.path = path
        self.disk_bytes = os.stat(path).st_blocks * 512
        self.file = open(path, "rb")  # pylint: disable=consider-using-with
        header = struct.unpack(CORE_HEADER, self.file.read(struct.calcsize(CORE_HEADER)))
        if header[0][:5] != b"\x7fELF\x02" or header[1] != ET_CORE:
            raise ValueError("no ELF core of 64 bits")
        first, sections, size, count = header[5], header[6], header[9], header[10]
        if count == MANY_HEADERS:
            self.file.seek(sections + SECTION_INFO_AT)
            (count,) = struct.unpack("<I", self.file.read(4))
        self.loads = []
        for number in range(count):
            self.file.seek(first + number * size)
            kind, _, offset, address, _, in_file, in_memory, _ = struct.unpack(
                PROGRAM_HEADER, self.file.read(struct.calcsize(PROGRAM_HEADER))
            )
            if kind == PT_LOAD:
                self.loads.append((address, in_memory, offset, in_file))

    def file_bytes(self):
        return sum(in_file for _, _, _, in_file in self.loads)

    def read(self, address, size):
        for begin, _, offset, in_file in self.loads:
            if begin <= address and address + size <= begin + in_file:
                self.file.seek(offset + address - begin)
                data = self.file.read(size)
                if len(data) == size:
                    return data
        raise ValueError(f"the core lacks {size} bytes at {address:#x}")

    def words(self, address, count):
        return struct.unpack(f"<{count}Q", self.read(address, 8 * count))


class Table:
    """The library's own table of where things are, by the names of its members."""

    def __init__(self, core, address):
        members, size = members_of(LAYOUT_HEADER)
        if core.words(address, 1) != (LAYOUT_MAGIC,):
            raise ValueError("the root leads to no table of the layout")
        self.bytes = core.read(address, size)
        self.members = members
        if self["bytes"] != size:
            raise ValueError(f"the table has {self['bytes']} bytes, not {size}")

    def __getitem__(self, name):
        offset, width = self.members[name]
        return int.from_bytes(self.bytes[offset:offset + width], "little")


class Heap:
    """What the root leads to."""

    def __init__(self, core, root):
        self.core = core
        words = core.words(root, 13)
        if words[0] != MAGIC or words[1] != 1:
            raise ValueError(f"fastalloc_root has magic {words[0]:#x} and layout version {words[1]}")
        self.base, self.window_bytes, bounds, _, _, _, self.outside, self.registry = words[2:10]
        self.table = Table(core, words[12])
        base, self.limit_bytes, self.secret = (
            self.number(bounds, f"bounds_{name}", 8) for name in ("base", "limit_bytes", "link_secret")
        )
        self.slice_shift = self.table["slice_shift"]
        if base != self.base or not 0 < self.limit_bytes <= self.window_bytes:
            raise ValueError("the root and the window's bounds contradict each other")

    def number(self, address, member, width):
        """A member of a structure."""
        return int.from_bytes(self.core.read(address + self.table[member], width), "little")

    def shape(self, number):
        """Block size, slices and capacity of a class."""
        return struct.unpack("<IHH", self.core.read(self.table["shapes"] + 8 * number, 8))

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
        arena_bin = head["owner"] + self.table["arena_bins"] + head["size_class"] * self.table["bin_stride"]
        found["free"] = found["kind"] == "small" and address in self.active_stack(arena_bin)
        return found

    def record(self, slice_number):
        address = self.base - slice_number * self.table["record_stride"]
        widths = {"owner": 8, "size_class": 1, "kind": 1, "slices": 4, "back": 4, "capacity": 2}
        return {name: self.number(address, f"span_{name}", width) for name, width in widths.items()}

    def active_stack(self, thread_bin):
        """The free blocks in a thread's bin that malloc takes next."""
        blocks = []
        block = self.number(thread_bin, "bin_head", 8)
        while block != 0:
            blocks.append(block)
            block = self.core.words(block, 1)[0] ^ self.secret
        return blocks

    def explain_outside(self, address):
        entries = self.number(self.outside, "outside_entries", 8)
        for slot in range(self.number(self.outside, "outside_capacity", 8)):
            entry = entries + slot * self.table["entry_stride"]
            if self.number(entry, "entry_address", 8) == address:
                return {"kind": "outside", "owner": 0, "free": False, "bytes": self.number(entry, "entry_bytes", 8)}
        return {"kind": "nobody's", "owner": 0, "free": True, "bytes": 0}


def faults_of(core_path, said):
    """What is wrong with a core of the program that said this."""
    faults = []
    try:
        core = Core(core_path)
        sizes = {"program headers": core.file_bytes(), "disk": core.disk_bytes}
        faults += [f"{size >> 20} MiB by its {what}" for what, size in sizes.items() if size >= CORE_BYTES_MAX]
        heap = Heap(core, said["root"])
        owners = set()
        for kind, address, usable, stamp in said["blocks"]:
            found = heap.explain(address)
            freed = kind.startswith("freed_")
            wanted = "free" if kind == "freed_large" else kind.removeprefix("freed_")
            if (found["kind"], found["free"], found["bytes"]) != (wanted, freed, usable):
                faults.append(f"{kind} block at {address:#x} of {usable} bytes is explained as {found}")
            if not found.get("begins", True) or not found.get("capacity", True):
                faults.append(f"{kind} block at {address:#x}: no block of its span begins there: {found}")
            if kind != "freed_large" and core.words(address + 16, 1)[0] != stamp:
                faults.append(f"{kind} block at {address:#x} does not have what was written to it")
            if wanted in ("small", "medium"):
                owners.add(found["owner"])
        # One thread: one arena, in a span of the window, which the registry names.
        if len(owners) != 1:
            faults.append(f"blocks of one thread belong to {len(owners)} arenas")
        for owner in owners:
            first = heap.number(heap.registry, "registry_first", 8)
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


def core_by_gdb(program, path):
    """Whether gdb wrote a core. More than can be needed it may not write."""

    def limit_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (4 * CORE_BYTES_MAX, resource.RLIM_INFINITY))

    done = subprocess.run(
        ["gdb", "-nx", "-q", "-batch", "-p", str(program.pid), "-ex", f"generate-core-file {path}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        preexec_fn=limit_files,
        env={name: value for name, value in os.environ.items() if name not in ("LD_PRELOAD", "DEBUGINFOD_URLS")},
    )
    print("\n".join(f"gdb: {line}" for line in done.stdout.splitlines()))
    return path.exists()


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
            if shutil.which("gdb") and core_by_gdb(program, by_gdb):
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
