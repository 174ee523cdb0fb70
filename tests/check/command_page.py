# SPDX-License-Identifier: MIT
"""The command's manual page has all its commands and options, and no other.

    command_page.py COMMAND PAGE
"""

import re
import sys
from pathlib import Path

import report


def plain(text):
    """The text of a page without fonts and escapes."""
    text = re.sub(r"\\f(?:\[\w*\]|.)|\\[&:%]", "", text).replace("\\-", "-").replace("\\~", " ")
    return text.replace('"', "")


def main():
    command, page = sys.argv[1], Path(sys.argv[2])
    names = re.findall(r"^  ([a-z]+)  ", report.output_of([command, "help"]), re.MULTILINE)
    text = plain(page.read_text(encoding="utf-8"))
    synopsis = re.search(r"^\.SH SYNOPSIS$(.*?)^\.SH", text, re.MULTILINE | re.DOTALL).group(1)
    sections = dict(re.findall(r"^\.SS fastalloc ([a-z]+)$(.*?)(?=^\.S[SH] )", text, re.MULTILINE | re.DOTALL))
    faults = [f"{name} has no section" for name in names if name not in sections]
    faults += [f"there is no command {name}" for name in sections if name not in names]
    count = 0
    for name in set(names) & set(sections) - {"help"}:
        options = set(re.findall(r"^  (--?[a-z]+)", report.output_of([command, "help", name]), re.MULTILINE))
        described = set(re.findall(r"^\.TP\n\.[A-Z]+ (--?[a-z]+)", sections[name], re.MULTILINE))
        used = re.search(rf"fastalloc {name}\b(.*?)(?=fastalloc |\.fi)", synopsis, re.DOTALL)
        named = set(re.findall(r"(?<![\w-])(--?[a-z]+)", used.group(1))) if used else set()
        count += len(options)
        for place, found in (("section", described), ("synopsis", named)):
            faults += [f"the {place} of {name} lacks {option}" for option in sorted(options - found)]
            faults += [f"the {place} of {name} has {option}, which is no option" for option in sorted(found - options)]
    report.finish(
        [f"{page.name}: {fault}" for fault in faults],
        f"{len(names)} commands and {count} options are in {page.name}",
        "What `fastalloc help` says, from src/tool/main.cpp, is the truth.",
    )


main()
