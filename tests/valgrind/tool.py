# SPDX-License-Identifier: MIT
"""A program under a tool of Valgrind: runs it and reads what was told as XML.

IN_PLACE leaves the library's malloc where it is; without it the tool replaces that too.
"""

import os
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

IN_PLACE = ["--soname-synonyms=somalloc=nouserintercepts"]
LIMIT_SECONDS = 240


class Stack(list):
    """The names of functions from the innermost out, without their parameters."""

    def __init__(self, element):
        names = [frame.findtext("fn", default="?") for frame in element.iter("frame")]
        super().__init__(re.sub(r"\(.*", "", re.sub(r"\(anonymous namespace\)::", "", name)) for name in names)


class Told:
    """One error, or a line of the program's own: its kind, its texts, its bytes if it is a leak, its stacks in order."""

    def __init__(self, element):
        self.kind = element.findtext("kind", default="line")
        self.texts = [part.text.strip() for part in element.iter() if part.tag in ("what", "text", "auxwhat")]
        self.bytes = int(element.findtext("xwhat/leakedbytes", default="0"))
        self.stacks = [Stack(stack) for stack in element.iter("stack")]

    def __str__(self):
        return f"{self.kind}: {'; '.join(self.texts)}; stacks {[' < '.join(stack[:12]) for stack in self.stacks]}"


def run(tool, options, command, preload=None):
    """What the tool tells of the command: (list of Told, its exit status, its standard error)."""
    environment = dict(os.environ, LC_ALL="C.UTF-8")
    if preload:
        environment["LD_PRELOAD"] = preload
    with tempfile.NamedTemporaryFile(suffix=".xml") as report:
        done = subprocess.run(
            ["valgrind", f"--tool={tool}", "--fair-sched=try", "--xml=yes", f"--xml-file={report.name}", *options,
             *command],
            env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            errors="replace", timeout=LIMIT_SECONDS, check=False)
        # A process that was forked and did not exec writes into the same file.
        text = report.read().decode(errors="replace")
        text = text[: text.index("</valgrindoutput>") + len("</valgrindoutput>")]
        root = xml.etree.ElementTree.fromstring(text)
    told = [Told(element) for element in root if element.tag in ("error", "clientmsg")]
    return told, done.returncode, done.stderr


class Faults:
    """What was found wrong; ends the process with all of it."""

    def __init__(self):
        self.lines = []

    def expect(self, holds, line):
        if not holds:
            self.lines.append(line)

    def finish(self, claim):
        for line in self.lines:
            print(f"fault: {line}")
        if self.lines:
            sys.exit(1)
        print(f"ok: {claim}")
