# SPDX-License-Identifier: MIT
"""clang-tidy finds nothing in the sources of the library; .clang-tidy says what it looks for and what not.

    analyse.py CLANG_TIDY BUILD SRC

BUILD has the compile_commands.json by which each file under SRC is read, once: as it is compiled first there.
"""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import report


def sources_of(build, source):
    """The files under `source` that the build compiles, each once, with the command that does it."""
    commands = {}
    for entry in json.loads((build / "compile_commands.json").read_text(encoding="utf-8")):
        path = (Path(entry["directory"]) / entry["file"]).resolve()
        if source in path.parents:
            commands.setdefault(path, {**entry, "file": str(path)})
    return commands


def findings_in(clang_tidy, folder, path):
    """What clang-tidy says about a file and the headers it includes; nothing if it is content."""
    done = subprocess.run(
        [clang_tidy, "--quiet", "-p", folder, path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    if done.returncode == 0:
        return []
    return [done.stdout.strip() or f"{path}: clang-tidy ended with {done.returncode}: {done.stderr.strip()}"]


def main():
    clang_tidy, build, source = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]).resolve()
    commands = sources_of(build, source)
    folder = build / "analyse"
    folder.mkdir(exist_ok=True)
    (folder / "compile_commands.json").write_text(json.dumps(list(commands.values())), encoding="utf-8")
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        found = pool.map(lambda path: findings_in(clang_tidy, str(folder), str(path)), sorted(commands))
        faults = [fault for findings in found for fault in findings]
    if not commands:
        faults = [f"{build} compiles nothing under {source}"]
    report.finish(faults, f"{len(commands)} files analysed", "Correct the code; .clang-tidy says which checks are off.")


main()
