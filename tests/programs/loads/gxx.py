# SPDX-License-Identifier: MIT
"""g++: one large source, optimized, with debug information and warnings; then a link by GNU ld."""

from loads import sources

PROGRAMS = {"g++": "g++"}


def run(arm):
    arm.write("large.cpp", sources.cpp(8))
    arm.run("g++", "-std=c++20", "-O2", "-Wall", "-Wextra", "-S", "large.cpp", "-o", "large.s")
    arm.record_file("large.s")
    arm.write("small.cpp", sources.cpp(3))
    arm.run("g++", "-std=c++20", "-O0", "-g", "-c", "small.cpp", "-o", "small.o")
    arm.record_file("small.o")
    arm.run("g++", "small.o", "-Wl,--build-id=sha1", "-o", "small")
    arm.record_file("small")
    arm.require_on_library("cc1plus", "as", "collect2", "ld")
