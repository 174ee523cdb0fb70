# SPDX-License-Identifier: MIT
"""The example of a settings file has every setting with its default, and says of it what the table says.

    example_file.py LISTER FILE

LISTER is the program made of settings.cpp.
"""

import difflib
import sys
from pathlib import Path

import report


def main():
    lister, path = sys.argv[1], Path(sys.argv[2])
    wanted = report.output_of([lister, "--file"]).splitlines()
    present = path.read_text(encoding="utf-8").splitlines()
    differences = difflib.unified_diff(present, wanted, path.name, "src/os/options.cpp", lineterm="", n=0)
    report.finish(list(differences), f"{path.name} is what the table says", f"Write it: {lister} --file >{path}")


main()
