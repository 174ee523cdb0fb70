# SPDX-License-Identifier: MIT
"""clang++: one large source, optimized and with debug information, to objects."""

from loads import sources

PROGRAMS = {"clang++": "clang", "g++": "g++"}


def run(arm):
    arm.write("large.cpp", sources.cpp(7))
    arm.run("clang++", "-std=c++20", "-O2", "-Wall", "-Wextra", "-c", "large.cpp", "-o", "large.o")
    arm.record_file("large.o")
    arm.write("small.cpp", sources.cpp(3))
    arm.run("clang++", "-std=c++20", "-O0", "-g", "-c", "small.cpp", "-o", "small.o")
    arm.record_file("small.o")
