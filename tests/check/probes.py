# SPDX-License-Identifier: MIT
"""The library has the probes that the manual lists, with as many arguments, and a bpftrace line stands beside each.

    probes.py LIBRARY READELF PAGE

A probe is a note of type 3 and owner stapsdt (SystemTap's UserSpaceProbeImplementation), which readelf -n prints. On
PAGE the section PROBES has a paragraph per probe, "name(argument, ...)".
"""

import re
import sys
from pathlib import Path

import report


def main():
    library, readelf, page = sys.argv[1:4]
    faults = []
    built = {}
    notes = report.output_of([readelf, "-nW", library])
    for provider, name, arguments in re.findall(r"Provider: (\S+)\s+Name: (\S+)\s.*?Arguments: ([^\n]*)", notes, re.DOTALL):
        if provider != "fastalloc":
            faults.append(f"the probe {name} is of {provider}")
        built.setdefault(name, set()).add(len(arguments.split()))
    text = Path(page).read_text(encoding="utf-8").replace("\\-", "-")
    section = re.search(r"^\.SH PROBES\n(.*?)^\.SH ", text, re.MULTILINE | re.DOTALL)
    if section is None:
        report.finish([f"{page}: there is no section PROBES"], "", "")
    listed = {}
    for paragraph in section.group(1).split(".TP\n")[1:]:
        head = re.match(r"\.BI? (.*)", paragraph).group(1)
        name, arguments = re.fullmatch(r"(\w+)\((.*)\)", re.sub(r'["\\]|f[IBRP]', "", head).replace(" ", "")).groups()
        listed[name] = {len(arguments.split(","))}
        if not re.search(rf"bpftrace -e .*:fastalloc:{name}\b", paragraph.replace("\\(aq", "'")):
            faults.append(f"no bpftrace line for {name}")
    for name in sorted(built.keys() | listed.keys()):
        if built.get(name) != listed.get(name):
            faults.append(f"{name}: the library has {built.get(name)} arguments, the page {listed.get(name)}")
    if not built:
        faults.append("the library has no probes")
    report.finish(faults, f"{len(built)} probes are in the library and on the page", "The code is the truth.")


main()
