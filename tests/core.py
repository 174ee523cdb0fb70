# SPDX-License-Identifier: MIT
"""A core file as tests read it: memory by its address, and the heap's structures by the names of their members.

A second reader beside the command's: nothing is known to it but layout version 1 of fastalloc_root (src/heap/root.h)
and the members of the table of the layout (src/heap/layout.h) in the order in which they stand there. What a test
changes is changed in memory alone.
"""

import mmap
import os
import re
import resource
import shutil
import struct
import subprocess
from pathlib import Path

LAYOUT_HEADER = Path(__file__).resolve().parents[1] / "src" / "heap" / "layout.h"
ROOT_MAGIC = 0x636F6C6C61747366
TABLE_MAGIC = 0x756F79616C747366
ROOT_MEMBERS = (
    "magic layout_version window_base window_bytes window_bounds window node_heaps used_nodes outside registry options "
    "fatal_line layout"
).split()

HEADER = "<16sHHIQQQIHHHHHH"
PROGRAM_HEADER = "<IIQQQQQQ"
PT_LOAD = 1
ET_CORE = 4
PF_W = 2
MANY_HEADERS = 0xFFFF
SECTION_INFO_AT = 44  # in a section header: the number of program headers, where the ELF header has no room for it

NOT_FOR_GDB = ("LD_PRELOAD", "FASTALLOC_CONF", "DEBUGINFOD_URLS")
# More it may not write, nor take longer, whatever goes wrong.
GDB_BYTES_MAX = 256 << 20
GDB_SECONDS_MAX = 60


def members_of_layout():
    """Name: (offset, width) of each member of struct Layout; and the bytes of it."""
    text = re.sub(r"//[^\n]*", "", LAYOUT_HEADER.read_text(encoding="utf-8"))
    body = text[text.index("uint64_t magic;"):]
    body = body[: body.index("};")]
    members, offset = {}, 0
    for kind, names in re.findall(r"(uint64_t|uint32_t|char|const \w+ (?=\*))\s*([^;]+);", body):
        for name in names.split(","):
            array = re.search(r"(\w+)\[(\d+)\]", name)
            width = {"uint64_t": 8, "uint32_t": 4, "char": 1}.get(kind, 8)
            bytes_ = width * (int(array.group(2)) if array else 1)
            members[array.group(1) if array else name.strip(" *")] = (offset, bytes_)
            offset += bytes_
    return members, offset


class Core:
    """ValueError where it is no core file of a process that runs on the library, or lacks what is asked of it."""

    def __init__(self, path, root=None):
        with open(path, "rb") as file:
            self.disk_bytes = os.fstat(file.fileno()).st_blocks * 512
            self.bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        self.loads = list(self._loads())
        self.members, self.table_bytes = members_of_layout()
        self.root_at = self._find_root() if root is None else self.place(root)
        self.root = dict(zip(ROOT_MEMBERS, struct.unpack_from(f"<{len(ROOT_MEMBERS)}Q", self.bytes, self.root_at)))
        if (self.root["magic"], self.root["layout_version"]) != (ROOT_MAGIC, 1):
            raise ValueError(f"magic {self.root['magic']:#x} and version {self.root['layout_version']} are no root's")
        self.table_at = self.place(self.root["layout"], self.table_bytes)
        if (self.layout("magic"), self.layout("bytes")) != (TABLE_MAGIC, self.table_bytes):
            raise ValueError(f"the root leads to no table of the layout of {self.table_bytes} bytes")

    def _loads(self):
        """(address, offset in the file, bytes in it, flags) of each piece of memory."""
        header = struct.unpack_from(HEADER, self.bytes)
        if header[0][:5] != b"\x7fELF\x02" or header[1] != ET_CORE:
            raise ValueError("no ELF core of 64 bits")
        first, sections, size, count = header[5], header[6], header[9], header[10]
        if count == MANY_HEADERS:
            (count,) = struct.unpack_from("<I", self.bytes, sections + SECTION_INFO_AT)
        for number in range(count):
            kind, flags, offset, address, _, in_file, _, _ = struct.unpack_from(
                PROGRAM_HEADER, self.bytes, first + number * size
            )
            if kind == PT_LOAD:
                yield address, offset, in_file, flags

    def _find_root(self):
        """Where in the file the root is: a magic in memory that can be written, which leads to a table."""
        magic, table_magic = (struct.pack("<Q", value) for value in (ROOT_MAGIC, TABLE_MAGIC))
        for _, offset, in_file, flags in self.loads:
            at = self.bytes.find(magic, offset, offset + in_file)
            while flags & PF_W and at >= 0:
                words = struct.unpack_from(f"<{len(ROOT_MEMBERS)}Q", self.bytes, at)
                base, table = words[ROOT_MEMBERS.index("window_base")], words[ROOT_MEMBERS.index("layout")]
                if base and self.has(table, 8) and self.read(table, 8) == table_magic:
                    return at
                at = self.bytes.find(magic, at + 8, offset + in_file)
        raise ValueError("the core has no root")

    def file_bytes(self):
        return sum(in_file for _, _, in_file, _ in self.loads)

    def _place(self, address, size):
        for begin, offset, in_file, _ in self.loads:
            if begin <= address and address + size <= begin + in_file:
                return offset + address - begin
        return None

    def has(self, address, size=1):
        return self._place(address, size) is not None

    def place(self, address, size=1):
        """Where in the file these bytes begin."""
        at = self._place(address, size)
        if at is None:
            raise ValueError(f"the core lacks {size} bytes at {address:#x}")
        return at

    def read(self, address, size):
        at = self.place(address, size)
        return self.bytes[at:at + size]

    def word(self, address):
        return int.from_bytes(self.read(address, 8), "little")

    def layout(self, name):
        """A member of the table of the layout."""
        offset, width = self.members[name]
        return int.from_bytes(self.bytes[self.table_at + offset:self.table_at + offset + width], "little")

    def set_layout(self, name, value):
        offset, width = self.members[name]
        self.bytes[self.table_at + offset:self.table_at + offset + width] = value.to_bytes(width, "little")

    def member(self, address, name, width=8):
        """Of the structure at the address, the member whose offset the table has by that name."""
        return int.from_bytes(self.read(address + self.layout(name), width), "little")

    def swap_members(self, structures, one, other, width):
        """Two members of the same width change places, in all of these structures that there are and in the table."""
        here, there = self.layout(one), self.layout(other)
        for address in structures:
            if not self.has(address):
                continue
            at = self.place(address)
            first = self.bytes[at + here:at + here + width]
            self.bytes[at + here:at + here + width] = self.bytes[at + there:at + there + width]
            self.bytes[at + there:at + there + width] = first
        self.set_layout(one, there)
        self.set_layout(other, here)


def core_by_gdb(process, path):
    """The path, where gdb writes a core file of the process, which goes on; None without a gdb that can."""
    if not shutil.which("gdb"):
        return None

    def limit_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (GDB_BYTES_MAX, resource.RLIM_INFINITY))

    done = subprocess.run(
        ["gdb", "-nx", "-q", "-batch", "-p", str(process), "-ex", f"generate-core-file {path}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=GDB_SECONDS_MAX,
        check=False,
        preexec_fn=limit_files,
        env={name: value for name, value in os.environ.items() if name not in NOT_FOR_GDB},
    )
    if Path(path).exists():
        return path
    print("\n".join(f"# gdb: {line}" for line in done.stdout.splitlines()))
    return None
