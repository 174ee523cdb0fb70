# SPDX-License-Identifier: MIT
"""fastalloc_stats_json writes JSON that says what the structures say.

    statistics_json.py PROGRAM HEADER [LIBRARY]

PROGRAM (statistics_json.c) writes both; it runs with LIBRARY preloaded if that is given. The members' names, in
order, are those of HEADER. With `check=on` and settings of its own, too: JSON has all settings.
"""

import json
import os
import re
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

KINDS = ["fastalloc_stats", "fastalloc_node_stats", "fastalloc_class_stats", "fastalloc_arena_stats"]
# What asking itself changes: locks are taken.
CHANGING = {"shared_writes", "lock_waits"}


def members_of(header):
    """The names of the members of each structure, in order."""
    text = re.sub(r"/\*.*?\*/", " ", header, flags=re.DOTALL)
    members = []
    for kind in KINDS:
        body = re.search(rf"^struct {kind}\s*\{{(.*?)\}};", text, re.MULTILINE | re.DOTALL).group(1)
        members.append(re.findall(r"u?int64_t (\w+);", body))
    return members


def rows_of(content, members):
    """kind -> number -> name -> value."""
    rows = [{} for _ in KINDS]
    while content:
        kind, number, size = struct.unpack_from("<QqQ", content)
        values = struct.unpack_from(f"<{size // 8}q", content, 24)
        assert len(values) == len(members[kind]), f"{KINDS[kind]} has {len(values)} members"
        rows[kind][number] = dict(zip(members[kind], values))
        content = content[24 + size:]
    return rows


def assert_same(where, said, known):
    assert set(said) == set(known), f"{where}: {set(said) ^ set(known)} on one side only"
    for name, value in known.items():
        assert name in CHANGING or said[name] == value, f"{where}: {name} is {said[name]} and {value}"


def run(program, library, settings):
    environment = dict(os.environ, FASTALLOC_CONF=settings)
    if library:
        environment["LD_PRELOAD"] = library
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, "json"), Path(folder, "structures")]
        subprocess.run([program, *paths], env=environment, check=True, timeout=60)
        return json.loads(paths[0].read_text(encoding="ascii")), paths[1].read_bytes()


def check(program, header, library, settings):
    said, content = run(program, library, settings)
    totals, nodes, classes, arenas = rows_of(content, members_of(header))
    assert list(said) == ["version", "process", "exact", "totals", "nodes", "classes", "arenas", "settings"]
    assert said["exact"] is True and said["process"] > 0
    version = re.findall(r"#define FASTALLOC_VERSION_\w+ (\d+)", header)
    assert said["version"] == ".".join(version), said["version"]
    assert_same("totals", said["totals"], totals[0])
    for row in said["nodes"]:
        number = row.pop("node")
        assert_same(f"node {number}", row, nodes.pop(number))
    assert not any(row["committed_bytes"] for row in nodes.values()), "a node with memory is missing"
    assert len(said["classes"]) == len(classes) and len(said["arenas"]) == len(arenas)
    for number, row in enumerate(said["classes"]):
        assert_same(f"class {number}", row, classes[number])
    for number, row in enumerate(said["arenas"]):
        assert_same(f"arena {number}", row, arenas[number])
    assert len(arenas) >= 3 and totals[0]["remote_bytes"] > 0 and totals[0]["outside_blocks"] == 1
    for setting in filter(None, settings.split(",")):
        name, _, value = setting.partition("=")
        assert said["settings"][name] == value, name
    assert {"slack", "numa", "stats_print"} <= set(said["settings"])


def main():
    program, header_path, *library = sys.argv[1:]
    header = Path(header_path).read_text(encoding="utf-8")
    for settings in ("", "check=on,slack=8M"):
        check(program, header, "".join(library), settings)
    print("JSON says what the structures say")


main()
