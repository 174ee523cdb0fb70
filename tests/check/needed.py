# SPDX-License-Identifier: MIT
"""The library needs libc.so.6 and no other library.

    needed.py LIBRARY READELF

It is loaded into every process that preloads it: another library would cost each start (libstdc++ 0.4 ms, libnuma
0.2 ms) and run constructors that call malloc before we are ready.
"""

import re
import sys

import report

WANTED = ["libc.so.6"]


def main():
    library, readelf = sys.argv[1:3]
    dynamic = report.output_of([readelf, "-dW", library])
    needed = re.findall(r"\(NEEDED\)\s+Shared library: \[([^]]+)\]", dynamic)
    faults = [f"{name} is needed" for name in needed if name not in WANTED]
    faults += [f"{name} is not needed, which cannot be" for name in WANTED if name not in needed]
    report.finish(
        faults,
        f"only {' '.join(WANTED)} is needed",
        "`nm -uC` on the objects shows which symbol asks for it: header-only parts of std are fine, anything with "
        "an undefined std:: or __cxa_ symbol is not, unless weak.",
    )


main()
