# SPDX-License-Identifier: MIT
"""The manual pages are complete and as groff wants them.

    man_pages.py FUNCTIONS-PAGE OVERVIEW-PAGE HEADER SOURCES LISTER VERSION MAN LINK...

FUNCTIONS-PAGE has every prototype of HEADER and every member of its structures, and a LINK for each function.
OVERVIEW-PAGE has every setting that LISTER (made of settings.cpp) prints, with kind, default and range, and under
MISUSE every message that ends the process: what the C++ files in SOURCES put together as Message()...fatal(). The
constant words count; for what is put in between the page has one word, and how messages of misuse end (`manual`,
`rerun()` in the code) it says once. Both name VERSION. MAN is the program, empty if
there is none: then nobody asks groff.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import report

ALTERNATING = re.compile(r"\.(?:BI|BR|IB|IR|RB|RI)\s+(.*)")
ONE_FONT = re.compile(r"\.(?:B|I|SM)\s+(.*)")


def plain(page_text):
    """The page without fonts and escapes; macros other than those of fonts keep their lines."""
    lines = []
    for line in page_text.splitlines():
        line = re.sub(r"\\f(?:\[\w*\]|.)|\\[&:%]", "", line)
        line = line.replace("\\-", "-").replace("\\e", "\\").replace("\\(dq", "\001").replace("\\(aq", "'")
        alternating, one_font = ALTERNATING.fullmatch(line), ONE_FONT.fullmatch(line)
        if alternating or one_font:
            words = re.findall(r'"([^"]*)"|(\S+)', (alternating or one_font).group(1))
            line = ("" if alternating else " ").join(quoted or bare for quoted, bare in words)
        lines.append(line.replace("\001", '"'))
    return "\n".join(lines) + "\n"


def section_of(plain_text, name):
    found = re.search(rf"^\.SH {re.escape(name)}\s*$(.*?)(?=^\.SH |\Z)", plain_text, re.MULTILINE | re.DOTALL)
    return "" if found is None else found.group(1)


def entries_of(section):
    """The tags and the texts of its tagged paragraphs."""
    entries = []
    for part in re.split(r"^\.TP.*\n", section, flags=re.MULTILINE)[1:]:
        tag, _, text = part.partition("\n")
        end = re.search(r"^\.(?:P|PP|LP|SS)\b", text, re.MULTILINE)
        entries.append((tag, squeezed(text[: end.start()] if end else text)))
    return entries


def squeezed(text):
    return " ".join(text.split())


def without_comments(text):
    return re.sub(r"/\*.*?\*/", " ", text, flags=re.DOTALL)


def faults_of_functions(page, text, header, links):
    faults = []
    synopsis = squeezed(section_of(text, "SYNOPSIS"))
    names = re.findall(r"\bfastalloc_\w+\b", section_of(text, "NAME"))
    declared = without_comments(header)
    prototypes = [
        squeezed(prototype.replace("FASTALLOC_NOEXCEPT", "")).replace(" ;", ";")
        for prototype in re.findall(r"^FASTALLOC_EXPORT\s+([^;]*;)", declared, re.MULTILINE)
    ]
    functions = [re.search(r"\b(fastalloc_\w+)\(", prototype).group(1) for prototype in prototypes]
    faults += [f"{page}: the SYNOPSIS lacks {prototype}" for prototype in prototypes if prototype not in synopsis]
    for place, listed in (("NAME", names), ("what is installed as a link", links)):
        faults += [f"{page}: {place} lacks {name}" for name in functions if name not in listed]
        faults += [f"{page}: {name}, in {place}, is not declared" for name in listed if name not in functions]
    description = section_of(text, "DESCRIPTION")
    tags = [tag for tag, _ in entries_of(description)]
    for name, body in re.findall(r"^struct\s+(fastalloc_\w+)\s*\{(.*?)\}", declared, re.MULTILINE | re.DOTALL):
        for member in re.findall(r"(\w+);", body):
            if member not in tags:
                faults.append(f"{page}: the DESCRIPTION has no paragraph for {member} of struct {name}")
    for name in functions:
        if f"{name} ()" not in description and f"{name}()" not in description:
            faults.append(f"{page}: the DESCRIPTION does not mention {name}()")
    return faults, len(functions)


def faults_of_settings(page, text, table):
    entries = {tag.partition("=")[0]: words for tag, words in entries_of(section_of(text, "SETTINGS"))}
    faults = [f"{page}: {name} is no setting" for name in entries if name not in [row[0] for row in table]]
    for name, kind, initial, least, most, _ in table:
        words = entries.get(name)
        if words is None:
            faults.append(f"{page}: SETTINGS lacks {name}")
            continue
        extent = f"{least} and {most}" if kind == "choice" else f"{least} to {most}"
        for wanted in (kind, f"default {initial}", extent):
            pattern = re.escape(wanted)
            if wanted == extent and kind == "choice":
                pattern = rf"{least}(, \w+)* and {most}"
            if not re.search(rf"(?i)(?<![\w.]){pattern}(?![\w%])(?!\.\d)", words):
                faults.append(f"{page}: what SETTINGS says about {name} lacks: {wanted}")
    return faults


def messages_of(sources):
    """A pattern for each message that ends the process, and how it reads."""
    patterns = {}
    for source in sorted(sources.rglob("*.cpp")):
        code = re.sub(r"//[^\n]*", "", source.read_text(encoding="utf-8"))
        for chain in re.findall(r"\bMessage\(\)((?:(?!\bMessage\b)[^;])*?)\.fatal\(\)\s*;", code, re.DOTALL):
            chain = re.sub(r"\.text\((?:manual|rerun\(\))\)", "", chain)
            pieces = []
            for literals, _ in re.findall(r'\.\w+\(\s*(?:((?:"(?:[^"\\]|\\.)*"\s*)+)|([^()"]+))\)', chain):
                pieces.append("".join(re.findall(r'"((?:[^"\\]|\\.)*)"', literals)) if literals else None)
            reading = "".join("..." if piece is None else piece for piece in pieces)
            patterns[reading] = re.compile("".join(r"\w+" if piece is None else re.escape(piece) for piece in pieces))
    return patterns


def faults_of_messages(page, text, patterns):
    tags = [tag for tag, _ in entries_of(section_of(text, "MISUSE"))]
    faults = [
        f"{page}: MISUSE lacks the message: {reading}"
        for reading, pattern in patterns.items()
        if not any(pattern.fullmatch(tag) for tag in tags)
    ]
    for tag in tags:
        if not any(pattern.fullmatch(tag) for pattern in patterns.values()):
            faults.append(f"{page}: MISUSE has what is no message of the library: {tag}")
    return faults


def faults_of_groff(man, path):
    done = subprocess.run(
        [man, "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", str(path)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "80"},
    )
    faults = [f"{path.name}: {line}" for line in done.stderr.splitlines()]
    if done.returncode != 0 and not faults:
        faults.append(f"{path.name}: man ended with {done.returncode}")
    return faults


def main():
    functions_page, overview_page, header, sources = map(Path, sys.argv[1:5])
    lister, version, man, *links = sys.argv[5:]
    functions_text = plain(functions_page.read_text(encoding="utf-8"))
    overview_text = plain(overview_page.read_text(encoding="utf-8"))
    table = [line.split() for line in report.output_of([lister]).splitlines()]
    messages = messages_of(sources)
    if not messages:
        report.finish([f"{sources}: no message that ends the process was found"], "", "Has the code another form now?")

    faults, functions = faults_of_functions(
        functions_page.name, functions_text, header.read_text(encoding="utf-8"), links
    )
    faults += faults_of_settings(overview_page.name, overview_text, table)
    faults += faults_of_messages(overview_page.name, overview_text, messages)
    for path, text in ((functions_page, functions_text), (overview_page, overview_text)):
        if not re.search(rf'^\.TH .*"libfastalloc {re.escape(version)}"$', text, re.MULTILINE):
            faults.append(f"{path.name}: the .TH line does not name libfastalloc {version}")
        if man:
            faults += faults_of_groff(man, path)
    report.finish(
        faults,
        f"{functions} functions, {len(table)} settings and {len(messages)} messages are in the manual pages"
        + ("" if man else "; groff was not asked, there is no man"),
        "The code is the truth; the pages are in man/, the links in man/meson.build.",
    )


main()
