# SPDX-License-Identifier: MIT
"""Each Markdown page that lists the settings lists all of them, no other, and their defaults.

    settings.py LISTER PAGE...

LISTER is the program made of settings.cpp. A page lists settings in the table under `## Settings`, the name in the
first column. Pages that do not exist, or have no such section, are passed over; without any there is nothing to check.
The manual page is man_pages.py's.
"""

import re
import sys
from pathlib import Path

import report


def rows_of(text):
    """name -> the rest of its row; None if the page has no such section."""
    section = re.search(r"^## Settings\s*$(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    if section is None:
        return None
    rows = {}
    for line in section.group(1).splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
        name = re.fullmatch(r"`([a-z_]+)`", cells[0])
        if line.lstrip().startswith("|") and name is not None:
            rows[name.group(1)] = " ".join(cells[1:])
    return rows


def faults_of(page, rows, defaults):
    faults = [f"{page}: {name} is no setting" for name in sorted(rows.keys() - defaults.keys())]
    faults += [f"{page}: {name} is missing" for name in sorted(defaults.keys() - rows.keys())]
    for name in sorted(rows.keys() & defaults.keys()):
        if not re.search(rf"(?<![\w.]){re.escape(defaults[name])}(?![\w.]*\w)", rows[name]):
            faults.append(f"{page}: what is said about {name} lacks its default, {defaults[name]}")
    return faults


def main():
    lister, pages = sys.argv[1], [Path(page) for page in sys.argv[2:]]
    table = [line.split() for line in report.output_of([lister]).splitlines()]
    defaults = {row[0]: row[2] for row in table}
    faults = []
    compared = []
    for page in pages:
        if not page.is_file():
            continue
        text = page.read_text(encoding="utf-8")
        rows = rows_of(text)
        if rows is not None:
            compared.append(page.name)
            faults += faults_of(page.name, rows, defaults)
    if not compared:
        report.skip("no page lists the settings")
    wanted = [f"| `{name}` | {kind} | {initial} | {least} to {most} |" for name, kind, initial, least, most, _ in table]
    report.finish(
        faults,
        f"{len(defaults)} settings are listed in {', '.join(compared)}",
        "The table in src/os/options.cpp is the truth; the rows it means:\n" + "\n".join(wanted),
    )


main()
