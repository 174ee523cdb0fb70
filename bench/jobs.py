# SPDX-License-Identifier: MIT
"""Jobs: what is run, cell by cell. A job belongs to a workload or to a real program, and fills one row or several."""
import hashlib
import os
import statistics

import cells
from failure import Failure


PROGRAM_PREFIX = "program-"


def replaced(command, options):
    """The command with options (name=value) put in the place of those of the same name, or added."""
    names = {option.split("=")[0] for option in options}
    return command[:1] + [word for word in command[1:] if word.split("=")[0] not in names] + options


def make_row(name, group, about, command, unit, judged, sweep=None, threads=None):
    return {"name": name, "group": group, "about": about, "command": " ".join(command), "unit": unit,
            "judged": list(judged), "sweep": sweep, "threads": threads, "live_peak_mib": None, "cells": {}}


class WorkloadJob:
    def __init__(self, workload, build, smoke):
        self.name = workload.name
        self.rounds = workload.rounds
        self.memory_mib = workload.memory_mib
        self.floor = workload.floor
        self.without = workload.without
        self.workload = workload
        self.build = build
        self.command = replaced(workload.command, workload.quick) if smoke else workload.command
        self.runs = min(workload.runs, 3) if smoke else workload.runs
        self.rows = [make_row(workload.name, workload.group, workload.about, self.command, workload.unit,
                              workload.judged, workload.sweep, workload.threads)]
        self.rows += [make_row(part, workload.group, f"a part of {workload.name}", self.command, "ns/op", ["wall"])
                      for part in workload.parts or ()]

    def path_of(self, command):
        return [os.path.join(self.build, "bench", command[0]), *command[1:]]

    def measure(self, arm):
        """The figures of one cell of each row, in the order of the rows."""
        workload = self.workload
        limit_seconds = cells.LIMIT_SECONDS if workload.whole else cells.LIMIT_SECONDS * 10
        cell = cells.run(self.build, arm, self.path_of(self.command), self.runs, watched=workload.watched,
                         limit_seconds=limit_seconds)
        lines = [cells.parse_line(line, arm) for line in cell.output.decode(errors="replace").splitlines()]
        if workload.parts:
            if len(lines) != len(workload.parts):
                raise Failure(f"{len(lines)} lines instead of {len(workload.parts)}")
            whole = {**cell.figures, "wall": cell.figures["process_ms"], "cpu": cell.figures["process_cpu_ms"]}
            return [whole, *(self.told([line], 1.0) for line in lines)]
        if len(lines) != self.runs:
            raise Failure(f"{len(lines)} lines from {self.runs} processes")
        return [{**self.told(lines, workload.scale), **cell.figures}]

    @staticmethod
    def told(lines, scale):
        """What the programs' lines say, the median of each figure."""
        def median(key):
            return statistics.median(float(line[key]) for line in lines)

        figures = {"wall": median("ns_per_op") * scale, "cpu": median("cpu_ns_per_op") * scale,
                   "end_mib": median("rss_kib") / 1024}
        # After rss_kib stands what a program tells by itself.
        words = list(lines[0])
        for key in words[words.index("rss_kib") + 1:words.index("malloc_from")]:
            name, divisor = (key[:-4] + "_mib", 1024) if key.endswith("_kib") else (key, 1)
            figures[name] = median(key) / divisor
        return figures

    def count_live(self):
        """Fills in the most bytes that were live, by a run that is not timed."""
        live = self.workload.live
        if isinstance(live, list):
            live = cells.peak_of_live_bytes(self.build, self.path_of(replaced(self.command, live)))
        if live is not None:
            self.rows[0]["live_peak_mib"] = live / 2**20


class ProgramJob:
    def __init__(self, program, build):
        self.name = PROGRAM_PREFIX + program.name
        self.rounds = 3
        self.memory_mib = 512
        self.floor = program.floor
        self.without = ()
        self.program = program
        self.build = build
        self.digests = {}
        judged = ["wall"] if program.floor else ["wall", "peak_mib"]
        self.rows = [make_row(self.name, "programs", program.about, [os.path.basename(program.command[0])],
                              "ms/run", judged)]

    def measure(self, arm):
        program = self.program
        if program.artifact and os.path.exists(program.artifact):
            os.unlink(program.artifact)
        # One that is linked with an allocator of its own gets the C library's by preloading that.
        library = "libc.so.6" if program.linked and arm.library is None else None
        cell = cells.run(self.build, arm, program.command, program.runs, program.environment, program.client, library)
        self.digests.setdefault(self.digest(cell.output), set()).add(arm.name)
        return [{**cell.figures, "wall": cell.figures["process_ms"], "cpu": cell.figures["process_cpu_ms"]}]

    def digest(self, output):
        digest = hashlib.sha256(output)
        if self.program.artifact:
            try:
                with open(self.program.artifact, "rb") as file:
                    digest.update(file.read())
            except OSError as reason:
                raise Failure(f"it left no result: {reason}") from None
        return digest.hexdigest()

    def differences(self):
        """A sentence if the outputs were not all the same, else None."""
        if len(self.digests) < 2:
            return None
        listed = "; ".join(f"{' '.join(sorted(names))}: {digest[:8]}" for digest, names in self.digests.items())
        return f"{self.name}: outputs differ: {listed}"

    def count_live(self):
        program = self.program
        peak_bytes = cells.peak_of_live_bytes(self.build, program.command, program.runs, program.environment,
                                              program.client)
        self.rows[0]["live_peak_mib"] = peak_bytes / 2**20
