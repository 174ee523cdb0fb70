#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""faults.py PROGRAM FUNCTION - memcheck tells each fault of faults.cpp, with our malloc left in place, as what it is:
its kind, where in which block, and by which functions the fault was made and the block allocated. And nothing else.
FUNCTION may be `mismatch`, and `mismatch_replaced` for the same with our malloc replaced."""

import sys

import tool

OPTIONS = tool.IN_PLACE + ["--leak-check=full", "--show-leak-kinds=all"]

BLOCK = "a block of size 40"

# Kind, a part of the text, and for each stack a function that it names, in the order in which they come about.
ACCESSES = [
    ("InvalidWrite", f"0 bytes after {BLOCK} alloc'd", ["overflow_here", "allocated_here"]),
    ("InvalidWrite", f"1 bytes before {BLOCK} alloc'd", ["underflow_here", "allocated_here"]),
    ("UninitCondition", "depends on uninitialised", ["read_uninitialised_here"]),
    ("InvalidRead", f"3 bytes inside {BLOCK} free'd", ["use_freed_here", "freed_here", "allocated_here"]),
    ("InvalidFree", f"0 bytes inside {BLOCK} free'd", ["freed_here", "freed_here", "allocated_here"]),
    ("InvalidFree", f"16 bytes inside {BLOCK} alloc'd", ["freed_inside_here", "allocated_here"]),
]

# Kind, bytes of the block alone, bytes with what only it leads to, the function that allocated it.
LEAKS = [
    ("Leak_DefinitelyLost", 100, 100, "leak_one_here"),
    ("Leak_DefinitelyLost", 32, 136, "leak_chain_here"),
    ("Leak_IndirectlyLost", 48, 48, "leak_chain_here"),
    ("Leak_IndirectlyLost", 56, 56, "leak_chain_here"),
    ("Leak_DefinitelyLost", 64, 128, "leak_cycle_here"),
    ("Leak_IndirectlyLost", 64, 64, "leak_cycle_here"),
    ("Leak_StillReachable", 80, 80, "keep_here"),
    ("Leak_StillReachable", 88, 88, "keep_here"),
    ("Leak_PossiblyLost", 96, 96, "keep_the_middle_here"),
]

# The line, the function that made it, in their order.
MISMATCHES = [
    ("operator delete of a block from malloc: a mismatch", "delete_of_malloc_here"),
    ("operator delete[] of a block from malloc: a mismatch", "delete_array_of_calloc_here"),
    ("free of a block from operator new: a mismatch", "free_of_new_here"),
    ("free of a block from operator new[]: a mismatch", "free_of_aligned_new_here"),
    ("operator delete of a block from operator new[]: a mismatch", "delete_of_new_array_here"),
    ("operator delete[] of a block from operator new: a mismatch", "delete_array_of_new_here"),
    ("operator delete of a block from operator new[]: a mismatch", "sized_delete_of_new_array_here"),
    ("realloc of a block from operator new: a mismatch", "realloc_of_new_here"),
    ("free_sized with the size 41 of a block of 40 bytes", "wrong_size_here"),
    ("operator delete with the size 39 of a block of 40 bytes", "wrong_size_of_new_here"),
    ("free_aligned_sized with the alignment", "wrong_alignment_here"),
]

# The same where ours is replaced: memcheck tells what it can itself, without a size.
MISMATCHES_REPLACED = [
    ("MismatchedFree", "0 bytes inside a block of size 40 alloc'd", [by, by])
    for line, by in MISMATCHES if line.endswith("mismatch")
] + [
    ("line", "fastalloc: free_sized with the size 41 of a block of 40 bytes", ["wrong_size_here"]),
    ("line", "fastalloc: free_aligned_sized with the alignment", ["wrong_alignment_here"]),
]


def names(stack, function):
    return any(name.endswith(function) for name in stack)


def compare_accesses(faults, told, wanted):
    faults.expect(len(told) == len(wanted), f"{len(told)} errors, not {len(wanted)}: " + "\n  ".join(map(str, told)))
    for error, (kind, text, functions) in zip(told, wanted):
        as_wanted = error.kind == kind and any(text in line for line in error.texts)
        as_wanted = as_wanted and len(error.stacks) == len(functions)
        as_wanted = as_wanted and all(map(names, error.stacks, functions))
        faults.expect(as_wanted, f"{kind}, {text}, {functions} was told as {error}")


def compare_leaks(faults, told):
    left = list(told)
    for kind, alone, together, function in LEAKS:
        wanted = f"{together} bytes" if alone == together else f"{together} ({alone} direct, {together - alone} indirect) bytes"
        found = [leak for leak in left if leak.kind == kind and leak.bytes == together and leak.texts
                 and leak.texts[0].startswith(f"{wanted} in 1 blocks") and names(leak.stacks[0], function)]
        faults.expect(len(found) == 1, f"{kind}, {wanted} of {function}: told {len(found)} times")
        left = [leak for leak in left if leak not in found]
    for leak in left:
        faults.expect(False, f"not a leak: {leak}")


def main():
    program, function = sys.argv[1:]
    faults = tool.Faults()
    replaced = function == "mismatch_replaced"
    options = [option for option in OPTIONS if not replaced or option not in tool.IN_PLACE]
    told, status, errors = tool.run("memcheck", options, [program, "mismatch" if replaced else function])
    faults.expect(status == 0, f"exit status {status}: {errors}")
    leaks = [one for one in told if one.kind.startswith("Leak_")]
    others = [one for one in told if not one.kind.startswith("Leak_")]
    if function == "mismatch":
        wanted = [("line", f"fastalloc: {line}", [by]) for line, by in MISMATCHES]
        compare_accesses(faults, others, wanted)
        faults.expect(not leaks, f"{len(leaks)} leaks")
        faults.expect(errors.count("bytes inside a block of size 40 alloc'd") == len(MISMATCHES),
                      f"not every line says where the block was allocated: {errors}")
    elif replaced:
        compare_accesses(faults, others, MISMATCHES_REPLACED)
        faults.expect(not leaks, f"{len(leaks)} leaks")
    else:
        defined = function == "calloc"
        compare_accesses(faults, others, [one for one in ACCESSES if not (defined and one[0] == "UninitCondition")])
        compare_leaks(faults, leaks)
    faults.finish(f"{len(told)} faults of {function} are told as what they are")


main()
