# SPDX-License-Identifier: MIT
"""The library exports just the names that api/exports.map lists, unversioned, the public header's among them.

    exports.py LIBRARY MAP HEADER NM

A name too many can take a program's symbol away; one too few leaves it with libc's, and free then meets a block
of the other allocator; a version on malloc would keep it from replacing libc's.
"""

import re
import sys
from pathlib import Path

import report


def names_of_map(text):
    """(names, faults) of a linker version script with one anonymous node."""
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.DOTALL)
    text = re.sub(r"#.*", " ", text)
    node = re.fullmatch(r"\s*(\S*)\s*\{(.*)\}\s*;\s*", text, re.DOTALL)
    if node is None or "{" in node.group(2):
        return set(), ["exports.map: not one node of the form { global: NAME; ... local: *; };"]
    faults = []
    if node.group(1):
        faults.append(f"exports.map: the node is called {node.group(1)}, so each name would carry that version")
    halves = re.split(r"\blocal\s*:", node.group(2))
    if len(halves) != 2 or halves[1].split() != ["*;"]:
        faults.append("exports.map: it does not end in local: *; so other names would be exported as well")
    listed = [name.strip() for name in re.sub(r"\bglobal\s*:", "", halves[0]).split(";") if name.strip()]
    patterns = [name for name in listed if re.search(r"[*?\[]", name)]
    faults += [f"exports.map: {name} is a pattern: write out each name" for name in patterns]
    faults += [f"exports.map: {name} is listed twice" for name in sorted(set(listed)) if listed.count(name) > 1]
    return set(listed), faults


def names_declared(text):
    """The functions a public header declares with FASTALLOC_EXPORT."""
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.DOTALL)
    return set(re.findall(r"^FASTALLOC_EXPORT[^;]*?\b(fastalloc_\w+)\s*\(", text, re.MULTILINE))


def main():
    library, map_path, header, nm = sys.argv[1:5]
    listed, faults = names_of_map(Path(map_path).read_text(encoding="utf-8"))
    exported = set()
    for line in report.output_of([nm, "-D", "--defined-only", library]).splitlines():
        name, _, version = line.split()[-1].partition("@")
        exported.add(name)
        if version:
            faults.append(f"{name} carries the version {version.lstrip('@')}")
    faults += [f"{name} is exported but not listed" for name in sorted(exported - listed)]
    faults += [f"{name} is listed but the library does not define it" for name in sorted(listed - exported)]
    declared = names_declared(Path(header).read_text(encoding="utf-8"))
    faults += [f"{name} is declared in {Path(header).name} but not exported" for name in sorted(declared - exported)]
    report.finish(
        faults,
        f"{len(exported)} names are exported, unversioned, as listed",
        "src/api/exports.map is the list; whoever changes it changes debian's symbols file too.",
    )


main()
