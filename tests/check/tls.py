# SPDX-License-Identifier: MIT
"""The library's thread-local storage is at most 64 bytes and reached without a call.

    tls.py LIBRARY READELF

Such a library can be dlopened only as long as spare static TLS is left, of which libc holds a little over 1600
bytes for all libraries together; and a dynamic TLS access costs a call that doubles the time of malloc.
"""

import re
import sys

import report

MAX_BYTES = 64


def main():
    library, readelf = sys.argv[1:3]
    faults = []
    segments = re.findall(r"^\s*TLS\s+(.*)$", report.output_of([readelf, "-lW", library]), re.MULTILINE)
    # offset, virtual address, physical address, bytes in the file, bytes in memory, flags, alignment
    total = sum(int(segment.split()[4], 16) for segment in segments)
    if total == 0:
        faults.append("there is no TLS segment: where is the thread's arena?")
    if total > MAX_BYTES:
        faults.append(f"the TLS segment has {total} bytes, {MAX_BYTES} are allowed")
    for line in report.output_of([readelf, "-rW", library]).splitlines():
        if re.search(r"_(DTPMOD|TLSDESC|TLS_DTPMOD)\w*", line):
            faults.append(f"TLS is reached through a call: relocation {' '.join(line.split()[2:])}")
    report.finish(
        faults,
        f"{total} bytes of TLS, initial-exec",
        "Keep a thread's data in its arena, and thread_local variables under -ftls-model=initial-exec.",
    )


main()
