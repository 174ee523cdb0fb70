# SPDX-License-Identifier: MIT
"""Of the tests that ran on an emulated processor only those failed that cannot pass there, and all of those.

    emulated.py LOG LIST

LOG is Meson's testlog.json. LIST has the names of claims, or of programs that say nothing but whether they passed, below
the reason in a line that begins with #.
"""

import json
import re
import sys
from pathlib import Path


def main():
    log, list_path = map(Path, sys.argv[1:])
    known = {line for line in list_path.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")}
    failed, count = set(), 0
    for line in log.read_text(encoding="utf-8").splitlines():
        test = json.loads(line)
        count += 1
        if test["result"] != "OK":
            name = test["name"].split(" / ")[-1]
            claims = re.findall(r"^not ok \d+ - (\S+)", test.get("stdout", ""), re.MULTILINE)
            failed |= set(claims) if claims and test["result"] == "ERROR" else {name}
    faults = [f"{name} failed" for name in sorted(failed - known)]
    faults += [f"{name} passes, and {list_path.name} says it cannot" for name in sorted(known - failed)]
    print("\n".join(faults) or f"{count} programs passed, but for {len(known)} claims of {list_path.name}")
    sys.exit(1 if faults else 0)


main()
