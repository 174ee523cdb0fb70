# SPDX-License-Identifier: MIT
"""ld.lld: many objects linked by several threads, with and without folding of equal code; the result runs."""

from loads import sources

PROGRAMS = {"ld.lld": "lld", "gcc": "gcc"}

UNITS = 24


def run(arm):
    arm.make_directory("units")
    names = []
    for number, source in enumerate(sources.c_units(UNITS, 120)):
        names.append(arm.write(f"units/unit{number:02}.c", source))
    objects = [str(name.name).replace(".c", ".o") for name in names]
    arm.run("gcc", "-O0", "-g", "-ffunction-sections", "-c", *names, label="gcc")
    for name, options in {
        "plain": ["--build-id=sha1"],
        "folded": ["--gc-sections", "--icf=all", "--build-id=md5", "-O2"],
        "packed": ["--compress-debug-sections=zlib", "--gdb-index"],
    }.items():
        arm.run("gcc", "-fuse-ld=lld", "-Wl,--threads=4", *(f"-Wl,{option}" for option in options), *objects,
                "-o", name, label=f"lld, {name}")
        arm.record_file(name)
        arm.run(arm.path(name), label=f"what {name} prints")
    arm.require_on_library("cc1", "ld.lld")
