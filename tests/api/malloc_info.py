# SPDX-License-Identifier: MIT
"""malloc_info has the form that glibc's has, and with mallinfo2 says what the program holds.

    malloc_info.py LIBRARY PROGRAM ARM-PROGRAM

PROGRAM (malloc_info.c) runs on glibc's malloc and with LIBRARY preloaded; ARM-PROGRAM has the library in it. What is
parsed from one is parsed by the same code from the others.
"""

import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

MEMBERS = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()


def run(program, preload):
    environment = dict(os.environ)
    environment.pop("FASTALLOC_CONF", None)
    environment.pop("LD_PRELOAD", None)
    if preload:
        environment["LD_PRELOAD"] = preload
    done = subprocess.run([program], env=environment, stdout=subprocess.PIPE, check=True, text=True, timeout=60)
    parts = {}
    for part in done.stdout.split("=before ", 1)[1:]:
        before, _, rest = part.partition("=held ")
        held, _, usable = rest.partition("=usable ")
        parts = {"before": parsed(before), "held": parsed(held), "usable": [int(word) for word in usable.split()]}
    return parts


def parsed(text):
    first, _, xml = text.partition("\n")
    return dict(zip(MEMBERS, map(int, first.split()))), ElementTree.fromstring(xml)


def form_of(element, fast):
    """Tag, attributes and the type; of sizes, which there may be any number of, only how one looks; sums of fast bins if
    asked for."""
    own = (element.tag, tuple(sorted(element.attrib)), element.get("type"))
    if element.tag == "sizes":
        kinds = {(child.tag, tuple(child.attrib)) for child in element}
        return own, tuple(sorted(kind for kind in kinds if kind[0] == "size"))
    parts = [child for child in element if child.tag != "heap" or child is element.find("heap")]
    return own, tuple(form_of(child, fast) for child in parts if fast or child.get("type") != "fast")


def number(element, tag, kind, attribute="size"):
    found = [child for child in element if child.tag == tag and child.get("type") == kind]
    assert len(found) == 1, f"{len(found)} elements {tag} of type {kind} in {element.tag}"
    return int(found[0].get(attribute))


def in_use(element):
    return number(element, "system", "current") - number(element, "total", "fast") - number(element, "total", "rest")


def assert_ours_adds_up(info, root):
    heaps = root.findall("heap")
    assert [heap.get("nr") for heap in heaps] == [str(index) for index in range(len(heaps))]
    for heap in heaps:
        sizes = [{name: int(value) for name, value in size.attrib.items()} for size in heap.find("sizes")]
        for size in sizes:
            assert size["count"] * size["to"] == size["total"] and size["from"] <= size["to"]
        assert [size["to"] for size in sizes] == sorted(size["to"] for size in sizes)
        free = number(heap, "total", "fast") + number(heap, "total", "rest")
        assert sum(size["total"] for size in sizes) <= free
        counted = number(heap, "total", "fast", "count") + number(heap, "total", "rest", "count")
        assert sum(size["count"] for size in sizes) == counted
    for tag, kind in (("total", "fast"), ("total", "rest"), ("system", "current"), ("system", "max"), ("aspace", "total")):
        assert sum(number(heap, tag, kind) for heap in heaps) == number(root, tag, kind), (tag, kind)
    assert number(root, "system", "current") <= number(root, "system", "max") <= number(root, "aspace", "total")
    assert in_use(root) == info["uordblks"]
    assert number(root, "system", "current") == info["arena"] == info["uordblks"] + info["fordblks"]
    assert number(root, "total", "fast") == info["fsmblks"]
    assert number(root, "total", "fast", "count") == info["smblks"]
    assert number(root, "total", "rest", "count") == info["ordblks"]
    assert number(root, "total", "mmap") == info["hblkhd"]
    assert number(root, "total", "mmap", "count") == info["hblks"]
    assert info["usmblks"] == 0 and info["keepcost"] <= info["fordblks"]


def main():
    library, program, arm_program = sys.argv[1:]
    glibc = run(program, "")
    fast = glibc["held"][1].find("total[@type='fast']") is not None  # not from 2.43 on
    for name, ours in (("preloaded", run(program, library)), ("arm", run(arm_program, ""))):
        assert ours["held"][1].attrib == glibc["held"][1].attrib == {"version": "1"}
        assert form_of(ours["held"][1], fast) == form_of(glibc["held"][1], fast), f"{name}: another form than glibc's"
        for moment in ("before", "held"):
            assert_ours_adds_up(*ours[moment])
        held, mapped = ours["usable"]
        before, after = ours["before"][0], ours["held"][0]
        assert after["uordblks"] - before["uordblks"] == held, f"{name}: {before}, {after}, {held} held"
        assert after["hblkhd"] - before["hblkhd"] == mapped and after["hblks"] == before["hblks"] + 1
        assert in_use(ours["held"][1]) - in_use(ours["before"][1]) == held
    print("malloc_info has glibc's form and says what is held")


main()
