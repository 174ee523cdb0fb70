# SPDX-License-Identifier: MIT
"""Every include under src/ goes down the layers or stays in its own, is written from src/, and no circle exists.

    includes.py SRC INCLUDE

SRC is the folder of the layers, INCLUDE the one of the public headers, which any file may include by name.
"""

import re
import sys
from pathlib import Path

import report

# Lowest first. A file may include its own layer and those before it.
LAYERS = ["base", "os", "heap", "arena", "watch", "api", "tool"]
SUFFIXES = {".h", ".hpp", ".inc", ".def", ".cpp", ".c"}
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(["<])([^">]+)[">]', re.MULTILINE)


def includes_of(path):
    """(line number, quote, name) of each include of a file."""
    text = path.read_text(encoding="utf-8")
    for match in INCLUDE.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, match.group(1), match.group(2)


def fault_of(source, layer, quote, name, public):
    """What is wrong with an include of a file in `layer`; None if nothing is."""
    target = source / name
    target_layer = name.split("/")[0]
    if quote == "<" and not (target_layer in LAYERS and target.is_file()):
        return None  # the system's, or a public header by its installed name
    if quote == "<":
        return f"<{name}> is a file of ours: write it in quotes"
    if (public / name).is_file():
        return None
    if target_layer not in LAYERS or "/" not in name:
        return f'"{name}" is not written from src/ (like "{layer}/{Path(name).name}")'
    if not target.is_file():
        return f'"{name}" does not exist'
    if Path(name).suffix in {".cpp", ".c"}:
        return f'"{name}" is no header: compile it, do not include it'
    if LAYERS.index(target_layer) > LAYERS.index(layer):
        return f'"{name}" goes up: {layer} may include {", ".join(LAYERS[: LAYERS.index(layer) + 1])} only'
    return None


def circles_of(graph):
    """Each circle once, as a list of names that begins and ends with the same one."""
    circles = []
    done = set()

    def walk(name, path):
        if name in path:
            circles.append(path[path.index(name):] + [name])
            return
        if name in done:
            return
        for target in graph.get(name, []):
            walk(target, path + [name])
        done.add(name)

    for name in sorted(graph):
        walk(name, [])
    return circles


def main():
    source, public = Path(sys.argv[1]), Path(sys.argv[2])
    faults = []
    graph = {}
    for path in sorted(source.rglob("*")):
        if path.suffix not in SUFFIXES:
            continue
        name = path.relative_to(source).as_posix()
        layer = name.split("/")[0]
        if layer not in LAYERS:
            faults.append(f"src/{name}: src/{layer} is none of the layers {', '.join(LAYERS)}")
            continue
        graph[name] = []
        for line, quote, target in includes_of(path):
            fault = fault_of(source, layer, quote, target, public)
            if fault is not None:
                faults.append(f"src/{name}:{line}: {fault}")
            if (source / target).is_file():
                graph[name].append(target)
    if not graph:
        faults.append(f"no source file under {source}")
    faults += ["a circle: " + " -> ".join(circle) for circle in circles_of(graph)]
    report.finish(
        faults,
        f"{len(graph)} files include downwards only, without a circle",
        "Move what is needed below into the lower layer, or let the lower layer call it through a table it owns.",
    )


main()
