# SPDX-License-Identifier: MIT
"""stress-ng: its stressors for malloc and for the mappings that a malloc shares the address space with."""

from arm import Failure

PROGRAMS = {"stress-ng": "stress-ng"}


def run(arm):
    for name, options in {
        "malloc": ["--malloc", "2", "--malloc-bytes", "64M", "--malloc-max", "20000"],
        "malloc, threads": ["--malloc", "1", "--malloc-bytes", "64M", "--malloc-pthreads", "4", "--malloc-touch"],
        "mmap": ["--mmap", "1", "--mmap-bytes", "64M", "--mremap", "1", "--mremap-bytes", "32M"],
        "brk, stack, fork": ["--brk", "1", "--fork", "1", "--bsearch", "1", "--tsearch", "1"],
    }.items():
        output, _ = arm.run("stress-ng", "--temp-path", arm.path("tmp"), *options, "--timeout", "3s", "--verify",
                            "--oomable", label=name, timeout=60, compare=False)
        if b"error" in output.lower():
            raise Failure(f"{name}: {output.decode(errors='replace')}")
        arm.record(name, "ended with status 0")
