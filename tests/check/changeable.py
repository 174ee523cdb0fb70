# SPDX-License-Identifier: MIT
"""The manual page of fastalloc_option_set and the header list the settings that can change while the process runs.

    changeable.py LISTER PAGE HEADER

LISTER is the program made of settings.cpp. The page has a tagged paragraph for each; the header names them in the comment
of the function, behind "while the process runs:".
"""

import re
import sys
from pathlib import Path

import report


def named_in_page(text):
    section = re.search(r"^\.SS Settings that can be changed$(.*?)^\.S[HS] ", text, re.MULTILINE | re.DOTALL)
    return set(re.findall(r"^\.TP\n\.B (\w+)$", section.group(1), re.MULTILINE)) if section else set()


def named_in_header(text):
    plain = " ".join(re.sub(r"^ \* ", "", text, flags=re.MULTILINE).split())
    listed = re.search(r"can be set while the process runs: ([\w, ]*)\.", plain)
    return set(listed.group(1).split(", ")) if listed else set()


def main():
    lister, page, header = sys.argv[1:4]
    wanted = set(report.output_of([lister, "--changeable"]).split())
    faults = []
    for path, named_in in ((page, named_in_page), (header, named_in_header)):
        named = named_in(Path(path).read_text(encoding="utf-8"))
        faults += [f"{path}: {name} is missing" for name in sorted(wanted - named)]
        faults += [f"{path}: {name} is listed" for name in sorted(named - wanted)]
    report.finish(faults, f"{len(wanted)} settings can be changed", "The table in src/os/options.cpp is the truth.")


main()
