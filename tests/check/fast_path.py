# SPDX-License-Identifier: MIT
"""malloc and free of the built library are a straight line: no call, no division, no more instructions than recorded.

    fast_path.py LIBRARY GOLDEN ARCHITECTURE COMPILER NM OBJDUMP

Disassembles each function from its first byte to its last. Slow twins are functions of their own, reached by a
jump; what the compiler splits off as cold lies elsewhere and does not count. Padding and landing pads for
indirect jumps (endbr64, bti) do not count either, so hardening flags do not change the numbers.

GOLDEN has one row per architecture, compiler and function: instructions and conditional branches, both the most
that is allowed. A missing row fails with the row to add; a number that is lower than recorded is told, not a fault.
"""

import re
import sys
from pathlib import Path

import report

FUNCTIONS = {
    "malloc": "malloc",
    "free": "free",
    "_Znwm": "operator new(unsigned long)",
    "_ZdlPv": "operator delete(void*)",
}

# Per architecture: what must not be there and why, what is a conditional branch, what does not count.
FORBIDDEN = {
    "x86_64": [
        (r"^call", "a call"),
        (r"^i?div[bwlq]?$", "a division"),
        (r"^(lock|[lms]fence$)", "a locked instruction or a fence"),
    ],
    "aarch64": [
        (r"^blr?[a-z]*$", "a call"),
        (r"^[us]div$", "a division"),
        (r"^(ld|st)a?l?xr|^cas|^swp|^ld(add|clr|set|eor)|^d[ms]b$", "an atomic exchange or a fence"),
    ],
}
FORBIDDEN_OPERANDS = [
    (r"__tls_get_addr", "a call for thread-local storage"),
    (r"@plt\b|\.plt", "a jump through the PLT, to a symbol that another library may define"),
    (r"%fs:0x28|__stack_chk", "the stack protector"),
]
BRANCH = {
    "x86_64": r"^j(?!mp)",
    "aarch64": r"^(b\.|cbn?z$|tbn?z$)",
}
NOT_COUNTED = {
    "x86_64": r"^(nop|endbr)",
    "aarch64": r"^(nop$|bti$|hint$|udf$)",
}
# What objdump writes in front of a mnemonic that says nothing about what the instruction does.
PREFIXES = r"^((bnd|notrack|repz?|data16|cs|ds|rex\S*) +)+"


def instructions_of(library, name, symbols, objdump):
    """(mnemonic, operands) of each instruction of a function."""
    start, size = symbols[name]
    window = [f"--start-address={start:#x}", f"--stop-address={start + size:#x}"]
    text = report.output_of([objdump, "-d", "--no-show-raw-insn", *window, library])
    for line in text.splitlines():
        match = re.match(r"^\s*[0-9a-f]+:\s+(.*\S)", line)
        if match is not None:
            plain = re.sub(r"^xchg +%ax,%ax$", "nop", re.sub(PREFIXES, "", match.group(1)))
            words = plain.split(None, 1)
            yield words[0], words[1] if len(words) > 1 else ""


def faults_of(function, instructions, architecture):
    faults = []
    for mnemonic, operands in instructions:
        reasons = [why for pattern, why in FORBIDDEN[architecture] if re.search(pattern, mnemonic)]
        reasons += [why for pattern, why in FORBIDDEN_OPERANDS if re.search(pattern, operands)]
        faults += [f"{function} has {why}: {mnemonic} {operands}" for why in reasons]
    return faults


def read_golden(path):
    """(architecture, compiler, symbol) -> (instructions, branches)."""
    golden = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        words = line.split("#")[0].split()
        if words:
            golden[tuple(words[:3])] = (int(words[3]), int(words[4]))
    return golden


def main():
    library, golden_path, architecture, compiler, nm, objdump = sys.argv[1:7]
    if architecture not in FORBIDDEN:
        report.skip(f"instructions of {architecture} are not known here")
    golden = read_golden(Path(golden_path))
    symbols = {}
    for line in report.output_of([nm, "-D", "-S", "--defined-only", library]).splitlines():
        words = line.split()
        if len(words) == 4:
            symbols[words[3].split("@")[0]] = (int(words[0], 16), int(words[1], 16))
    faults = []
    for symbol, function in FUNCTIONS.items():
        if symbol not in symbols:
            faults.append(f"{function} ({symbol}) is not a function of the library")
            continue
        instructions = list(instructions_of(library, symbol, symbols, objdump))
        counted = [mnemonic for mnemonic, _ in instructions if not re.search(NOT_COUNTED[architecture], mnemonic)]
        branches = [mnemonic for mnemonic in counted if re.search(BRANCH[architecture], mnemonic)]
        found = (len(counted), len(branches))
        row = f"{architecture} {compiler} {symbol} {found[0]} {found[1]}"
        print(f"{function}: {found[0]} instructions, {found[1]} conditional branches")
        faults += faults_of(function, instructions, architecture)
        if not branches:
            faults.append(f"{function} decides nothing: its fast path must be elsewhere, behind a jump")
            continue
        allowed = golden.get((architecture, compiler, symbol))
        if allowed is None:
            faults.append(f"{function} has no row in {Path(golden_path).name}; if its code is as wanted, add\n{row}")
        elif found[0] > allowed[0] or found[1] > allowed[1]:
            faults.append(
                f"{function} has {found[0]} instructions and {found[1]} conditional branches, "
                f"{allowed[0]} and {allowed[1]} are recorded"
            )
            print("\n".join(f"    {mnemonic} {operands}" for mnemonic, operands in instructions))
        elif found != allowed:
            print(f"    fewer than recorded ({allowed[0]} and {allowed[1]}); the row could be\n{row}")
    report.finish(
        faults,
        "the fast path is a straight line within its recorded length",
        "See what changed with `objdump -d`. A number goes up only with a measurement that says why it is worth it.",
    )


main()
