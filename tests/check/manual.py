# SPDX-License-Identifier: MIT
"""What every check of the manual pages shares: reading them."""

import re

ALTERNATING = re.compile(r"\.(?:BI|BR|IB|IR|RB|RI)\s+(.*)")
ONE_FONT = re.compile(r"\.(?:B|I|SM)\s+(.*)")
GLYPHS = {"\\-": "-", "\\e": "\\", "\\(aq": "'", "\\(ga": "`", "\\(ha": "^", "\\(ti": "~"}


def plain(page_text):
    """The page without fonts and escapes; macros other than those of fonts keep their lines."""
    lines = []
    for line in page_text.splitlines():
        line = re.sub(r"\\f(?:\[\w*\]|.)|\\[&:%]", "", line)
        line = re.sub(r"\\(?:\((?:aq|ga|ha|ti)|[-e])", lambda glyph: GLYPHS[glyph.group()], line)
        line = line.replace("\\(dq", "\001")
        alternating, one_font = ALTERNATING.fullmatch(line), ONE_FONT.fullmatch(line)
        if alternating or one_font:
            words = re.findall(r'"([^"]*)"|(\S+)', (alternating or one_font).group(1))
            line = ("" if alternating else " ").join(quoted or bare for quoted, bare in words)
        lines.append(line.replace("\001", '"'))
    return "\n".join(lines) + "\n"


def section_of(plain_text, name):
    """What stands below a heading; nothing where there is none."""
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


def displays_of(section):
    """The texts that stand as they are, between EX and EE."""
    return re.findall(r"^\.EX\n(.*?)^\.EE$", section, re.MULTILINE | re.DOTALL)


def squeezed(text):
    """All in one line."""
    return " ".join(text.split())
