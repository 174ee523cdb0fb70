# SPDX-License-Identifier: MIT
"""A core file whose root, table of the layout and records a test reads and changes: a second reader beside the command's.

Members are found by their names in src/heap/layout.h, in the order in which they stand there.
"""

import re
import struct
from pathlib import Path

ROOT_MAGIC = struct.pack("<Q", 0x636F6C6C61747366)
TABLE_MAGIC = 0x756F79616C747366
PROGRAM_HEADER = "<IIQQQQQQ"
ROOT_MEMBERS = (
    "magic layout_version window_base window_bytes window_bounds window node_heaps used_nodes outside registry options "
    "fatal_line layout"
).split()


def members_of(header):
    """Name: (offset, width) of each member of struct Layout."""
    text = re.sub(r"//[^\n]*", "", Path(header).read_text(encoding="utf-8"))
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
    """Its bytes, to be read and changed by address."""

    def __init__(self, path, header):
        self.bytes = bytearray(Path(path).read_bytes())
        first, count = struct.unpack_from("<Q", self.bytes, 32)[0], struct.unpack_from("<H", self.bytes, 56)[0]
        self.loads = []
        for number in range(count):
            kind, flags, offset, address, _, in_file, _, _ = struct.unpack_from(PROGRAM_HEADER, self.bytes, first + 56 * number)
            if kind == 1:
                self.loads.append((address, offset, in_file, flags))
        self.members, self.table_bytes = members_of(header)
        self.root_at = self.find_root()
        self.root = dict(zip(ROOT_MEMBERS, struct.unpack_from(f"<{len(ROOT_MEMBERS)}Q", self.bytes, self.root_at)))
        self.table_at = self.place(self.root["layout"])

    def find_root(self):
        for _, offset, in_file, flags in self.loads:
            at = self.bytes.find(ROOT_MAGIC, offset, offset + in_file)
            while flags & 2 and at >= 0:
                layout_at = self.place(struct.unpack_from("<Q", self.bytes, at + 96)[0])
                base = struct.unpack_from("<Q", self.bytes, at + 16)[0]
                if layout_at is not None and base and struct.unpack_from("<Q", self.bytes, layout_at)[0] == TABLE_MAGIC:
                    return at
                at = self.bytes.find(ROOT_MAGIC, at + 8, offset + in_file)
        raise ValueError("the core has no root")

    def place(self, address):
        """Where in the file the byte of that address is."""
        for begin, offset, in_file, _ in self.loads:
            if begin <= address < begin + in_file:
                return offset + address - begin
        return None

    def layout(self, name):
        offset, width = self.members[name]
        return int.from_bytes(self.bytes[self.table_at + offset:self.table_at + offset + width], "little")

    def set_layout(self, name, value):
        offset, width = self.members[name]
        self.bytes[self.table_at + offset:self.table_at + offset + width] = value.to_bytes(width, "little")

    def swap_members(self, structures, one, other, width):
        """Two members of the same width change places, in all the structures at these addresses and in the table."""
        here, there = self.layout(one), self.layout(other)
        for address in structures:
            at = self.place(address)
            if at is None:
                continue
            first = bytes(self.bytes[at + here:at + here + width])
            self.bytes[at + here:at + here + width] = self.bytes[at + there:at + there + width]
            self.bytes[at + there:at + there + width] = first
        self.set_layout(one, there)
        self.set_layout(other, here)
