# SPDX-License-Identifier: MIT
"""`fastalloc map` draws each chunk of a process once, in well-formed XML that says what is what.

    map.py COMMAND PROGRAM [LIBRARY]

PROGRAM is blocks.c.
"""

import re
import sys
import xml.etree.ElementTree as ElementTree

from claims import absolute, claim, expect, report
from target import Program, fastalloc, json_of

PROGRAM, *LIBRARY = map(absolute, sys.argv[2:])
SVG = "{http://www.w3.org/2000/svg}"
CHUNK_BYTES = 2 << 20


def draw(program):
    expect(fastalloc("map", program.pid, "-o", "heap.svg"), output="", said="")
    return ElementTree.parse("heap.svg").getroot()


def look_at_both(look):
    """At the picture of few chunks, and of many; what was found in each."""
    with Program(PROGRAM, *LIBRARY) as program:
        few = look(program, draw(program))
        program.do("more")
        return few, look(program, draw(program))


@claim
def each_chunk_is_drawn_once():
    def squares(program, root):
        groups = root.findall(f"{SVG}g")
        committed = json_of("stat", program.pid)["totals"]["committed_bytes"]
        assert len(groups) == committed // CHUNK_BYTES, f"{len(groups)} squares for {committed} bytes"
        return len(groups)

    few, many = look_at_both(squares)
    assert many > few, f"{few} chunks, then {many}"


@claim
def each_square_says_what_it_is():
    def look(_, root):
        says = [group.find(f"{SVG}title").text for group in root.findall(f"{SVG}g")]
        assert len(set(says)) == len(says), "two squares say the same"
        form = re.compile(r"chunk \d+ at 0x[0-9a-f]+: (small|huge|broken|pool) pages, ")
        assert all(map(form.match, says)), says[0]

    look_at_both(look)


@claim
def nothing_lies_outside_the_picture():
    def look(_, root):
        width, height = int(root.get("width")), int(root.get("height"))
        for box in root.iter(f"{SVG}rect"):
            if box.get("x") is not None:
                right, below = (float(box.get(a)) + float(box.get(b)) for a, b in (("x", "width"), ("y", "height")))
                assert right <= width and below <= height, f"a rectangle lies outside the picture: {box.attrib}"

    look_at_both(look)


@claim
def picture_says_of_what_it_is():
    def look(program, root):
        words = " ".join(text.text for text in root.findall(f"{SVG}text"))
        for word in (f"Memory of process {program.pid}", "small pages", "Node", "live", "in use"):
            assert word in words, f"{word} is not in the picture: {words}"

    look_at_both(look)


@claim
def dash_is_standard_output():
    with Program(PROGRAM, *LIBRARY) as program:
        shown = fastalloc("map", program.pid, "-o", "-").output
    assert shown.startswith("<?xml") and shown.endswith("</svg>\n"), "-o - does not write to standard output"


@claim
def file_that_cannot_be_written_is_a_failure():
    with Program(PROGRAM, *LIBRARY) as program:
        expect(fastalloc("map", program.pid, "-o", "none/x.svg"), status=1, said="cannot write")


@claim
def without_a_file_it_draws_nowhere():
    with Program(PROGRAM, *LIBRARY) as program:
        assert fastalloc("map", program.pid).status == 2, "without -o it draws somewhere"


report()
