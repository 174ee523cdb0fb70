# SPDX-License-Identifier: MIT
"""`fastalloc map` draws each chunk of a process once, in well-formed XML that says what is what.

    map.py COMMAND PROGRAM [LIBRARY]
"""

import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from command import Program, expect, finish, folder, json_of, run

SVG = "{http://www.w3.org/2000/svg}"


def look_at(program, path):
    done = run("map", program.pid, "-o", path)
    expect(done.returncode == 0 and done.stdout == done.stderr == "", f"{done}")
    root = ElementTree.parse(path).getroot()
    width, height = int(root.get("width")), int(root.get("height"))
    groups = root.findall(f"{SVG}g")
    says = [group.find(f"{SVG}title").text for group in groups]
    committed = json_of("stat", program.pid)["totals"]["committed_bytes"]
    chunk_bytes = 2 << 20
    expect(len(groups) == committed // chunk_bytes, f"{len(groups)} squares for {committed} bytes")
    expect(len(set(says)) == len(says), "two squares say the same")
    expect(all(re.match(r"chunk \d+ at 0x[0-9a-f]+: (small|huge|broken|pool) pages, ", line) for line in says), says[0])
    for box in root.iter(f"{SVG}rect"):
        if box.get("x") is not None:
            right, below = (float(box.get(a)) + float(box.get(b)) for a, b in (("x", "width"), ("y", "height")))
            expect(right <= width and below <= height, f"a rectangle lies outside the picture: {box.attrib}")
    words = " ".join(text.text for text in root.findall(f"{SVG}text"))
    for word in (f"Memory of process {program.pid}", "small pages", "Node", "live", "in use"):
        expect(word in words, f"{word} is not in the picture: {words}")
    return len(groups)


def main():
    with Program(*sys.argv[2:4]) as program, folder() as scratch:
        few = look_at(program, Path(scratch) / "few.svg")
        program.do("more")
        many = look_at(program, Path(scratch) / "many.svg")
        expect(many > few, f"{few} chunks, then {many}")
        shown = run("map", program.pid, "-o", "-").stdout
        expect(shown.startswith("<?xml") and shown.endswith("</svg>\n"), "-o - does not write to standard output")
        done = run("map", program.pid, "-o", Path(scratch) / "none" / "x.svg")
        expect(done.returncode == 1 and "cannot write" in done.stderr, f"{done}")
        expect(run("map", program.pid).returncode == 2, "without -o it draws somewhere")
    finish(f"{few} and {many} chunks are drawn")


main()
