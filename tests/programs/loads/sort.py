# SPDX-License-Identifier: MIT
"""sort with threads: in memory, and with runs that are written and merged."""

from loads import texts

PROGRAMS = {"sort": "coreutils"}


def run(arm):
    text = arm.write("text", texts.lines(600000))
    for name, options in {
        "in_memory": ["--parallel=4", "-k2,2", "-k1,1n"],
        "in_pieces": ["--parallel=4", "-S", "4M", "--batch-size=8", "-k3,3r", "-k1,1"],
        "unique": ["--parallel=2", "-u", "-k2,2"],
    }.items():
        arm.run("sort", *options, "-T", arm.path("tmp"), "-o", arm.path(name), text, label=name)
        arm.record_file(name)
