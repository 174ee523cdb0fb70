# SPDX-License-Identifier: MIT
"""The manual pages are complete and as groff and mandoc want them.

    man_pages.py FOLDER HEADER SOURCES LISTER VERSION MAN MANDOC PAGE...

A PAGE of FOLDER is NAME, or NAME=FUNCTION,FUNCTION: a page of functions, under whose names it is installed as well. All of
these pages together have every prototype of HEADER once, and every member of its structures, and each has the sections
that a page of functions has. SETTINGS_PAGE has every setting that LISTER (made of settings.cpp) prints, with kind, default
and range, and OVERVIEW_PAGE, under MISUSE, every message that ends the process: what the C++ files in SOURCES put
together as Message()...fatal(). The constant words count; for what is put in between the page has one word, and how
messages of misuse end (`manual`, `rerun()` in the code) it says once. All name VERSION, and no page but those that are
installed, no section but those that are there. MAN and MANDOC are programs, empty if there is none: then nobody asks them.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import report
from manual import displays_of, entries_of, plain, section_of, squeezed

OVERVIEW_PAGE = "fastalloc.7"
SETTINGS_PAGE = "fastalloc.conf.5"
FUNCTION_PAGE = [
    "NAME", "LIBRARY", "SYNOPSIS", "DESCRIPTION", "RETURN VALUE", "ERRORS", "ATTRIBUTES", "VERSIONS", "STANDARDS",
    "EXAMPLES", "SEE ALSO",
]
MAY_BE_MISSING = {"STANDARDS"}


def reference_to(page):
    """How other pages name it: fastalloc(7)."""
    return re.sub(r"\.(\d)$", r"(\1)", page)


def without_comments(text):
    return re.sub(r"/\*.*?\*/", " ", text, flags=re.DOTALL)


def faults_of_function_page(page, text, functions):
    """What one page has, whatever the header says."""
    faults = []
    synopsis, description = section_of(text, "SYNOPSIS"), section_of(text, "DESCRIPTION")
    for place, names in (
        ("NAME", re.findall(r"\bfastalloc_\w+\b", section_of(text, "NAME"))),
        ("the SYNOPSIS", re.findall(r"\b(fastalloc_\w+)\(", synopsis)),
    ):
        if names != functions:
            faults.append(f"{page}: {place} has {', '.join(names)}; man/meson.build has {', '.join(functions)}")
    for name in functions:
        if f"{name}()" not in re.sub(r" \(\)", "()", description):
            faults.append(f"{page}: the DESCRIPTION does not mention {name}()")
    sections = re.findall(r"^\.SH (.*?)\s*$", text, re.MULTILINE)
    if sections != [name for name in FUNCTION_PAGE if name in sections or name not in MAY_BE_MISSING]:
        faults.append(f"{page}: its sections are {', '.join(sections)}; wanted are {', '.join(FUNCTION_PAGE)}")
    return faults


def faults_of_header(header, texts, functions_of):
    """What of the header no page has. `texts` has the pages of functions."""
    faults = []
    declared = without_comments(header)
    prototypes = [
        squeezed(prototype.replace("FASTALLOC_NOEXCEPT", "")).replace(" ;", ";")
        for prototype in re.findall(r"^FASTALLOC_EXPORT\s+([^;]*;)", declared, re.MULTILINE)
    ]
    functions = [re.search(r"\b(fastalloc_\w+)\(", prototype).group(1) for prototype in prototypes]
    for name, prototype in zip(functions, prototypes):
        pages = [page for page, listed in functions_of.items() if name in listed]
        if len(pages) != 1:
            faults.append(f"{name} is in {len(pages)} pages: {', '.join(pages)}")
        faults += [
            f"{page}: the SYNOPSIS lacks {prototype}"
            for page in pages
            if prototype not in squeezed(section_of(texts[page], "SYNOPSIS"))
        ]
    for page, listed in functions_of.items():
        faults += [f"{page}: {name} is not declared" for name in listed if name not in functions]
    for name, body in re.findall(r"^struct\s+(fastalloc_\w+)\s*\{(.*?)\}", declared, re.MULTILINE | re.DOTALL):
        about = {page: section_of(text, "SYNOPSIS") + section_of(text, "DESCRIPTION") for page, text in texts.items()}
        about = {page: shown for page, shown in about.items() if f"struct {name}" in shown}
        if not about:
            faults.append(f"struct {name} is in no page")
        for page, shown in about.items():
            tags = [tag for tag, _ in entries_of(shown)]
            for member in re.findall(r"(\w+)\)?(?:\([^;]*\))?;", body):
                if member not in tags:
                    faults.append(f"{page}: the DESCRIPTION has no paragraph for {member} of struct {name}")
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


def faults_of_references(page, text, own_functions, installed):
    """A page that is named is installed, and who names a function of another page says where that is."""
    for display in displays_of(text):
        text = text.replace(display, "")
    faults = []
    for name, section in re.findall(r"\b(fastalloc[\w.]*) ?\((\d?)\)", text):
        if section and f"{name}({section})" not in installed:
            faults.append(f"{page}: {name}({section}) is no page")
        elif not section and name not in own_functions:
            faults.append(f"{page}: {name}() is in another page: {name}(3)")
    return faults


def faults_of_sections(page, text, headings):
    """A section that is named is there. `headings` has those of each page, by the name it is referred to."""
    words = squeezed(text)
    name, heading = r"(fastalloc[\w.]*\(\d\))", r"([A-Z][A-Z+]+(?: [A-Z]+)*)\b"
    named = re.findall(rf"\b{heading} in {name}", words)
    named += [(found, of) for of, found in re.findall(rf"{name}, {heading}", words)]
    named += [(found, page) for found in re.findall(rf"\bsee {heading}(?! in fastalloc| [A-Z])", words)]
    return [
        f"{page}: {of} has no section {found}" for found, of in named if of in headings and found not in headings[of]
    ]


def faults_of_tool(command, output, path):
    """What a program says of a page, on standard error and where `output` is a pipe."""
    done = subprocess.run(
        [*command, str(path)],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "80"},
    )
    faults = [f"{path.name}: {line}" for line in ((done.stdout or "") + done.stderr).splitlines()]
    if done.returncode != 0 and not faults:
        faults.append(f"{path.name}: {command[0]} ended with {done.returncode}")
    return faults


def main():
    folder, header, sources = map(Path, sys.argv[1:4])
    lister, version, man, mandoc, *pages = sys.argv[4:]
    functions_of = {}
    for page in pages:
        name, _, functions = page.partition("=")
        functions_of[name] = functions.split(",") if functions else []
    texts = {page: plain((folder / page).read_text(encoding="utf-8")) for page in functions_of}
    installed = {reference_to(page) for page in texts}
    installed |= {f"{function}(3)" for functions in functions_of.values() for function in functions}
    headings = {reference_to(page): re.findall(r"^\.SH (.*)$", text, re.MULTILINE) for page, text in texts.items()}
    tools = [([man, "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z"], subprocess.DEVNULL)] if man else []
    tools += [([mandoc, "-T", "lint", "-W", "warning"], subprocess.PIPE)] if mandoc else []
    table = [line.split() for line in report.output_of([lister]).splitlines()]
    messages = messages_of(sources)
    if not messages:
        report.finish([f"{sources}: no message that ends the process was found"], "", "Has the code another form now?")

    function_texts = {page: texts[page] for page, functions in functions_of.items() if functions}
    faults, functions = faults_of_header(
        header.read_text(encoding="utf-8"), function_texts, {page: functions_of[page] for page in function_texts}
    )
    for page, text in function_texts.items():
        faults += faults_of_function_page(page, text, functions_of[page])
    faults += faults_of_settings(SETTINGS_PAGE, texts[SETTINGS_PAGE], table)
    faults += faults_of_messages(OVERVIEW_PAGE, texts[OVERVIEW_PAGE], messages)
    for page, text in texts.items():
        faults += faults_of_references(page, text, functions_of[page], installed)
        faults += faults_of_sections(reference_to(page), text, headings)
        if not re.search(rf'^\.TH .*"libfastalloc {re.escape(version)}"$', text, re.MULTILINE):
            faults.append(f"{page}: the .TH line does not name libfastalloc {version}")
        for command, output in tools:
            faults += faults_of_tool(command, output, folder / page)
    asked = " and ".join(name for name, program in (("groff", man), ("mandoc", mandoc)) if program)
    report.finish(
        faults,
        f"{functions} functions, {len(table)} settings and {len(messages)} messages are in {len(texts)} manual pages; "
        f"{asked or 'nobody, for there is no man,'} was asked for warnings",
        "The code is the truth; the pages are in man/, and man/meson.build has their functions.",
    )


main()
